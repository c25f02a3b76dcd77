//! Where a fill takes the shape of its output from.

use caffe2_operator::{ArgError, ArgProblem, Args, InferContext, OpError, OpIo, OpSchema, Shape};
use smallvec::SmallVec;

/// The shape of a fill's output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FillShape {
    /// That of the argument.
    Given(Shape),
    /// That of the first input, followed by these dimensions.
    LikeInput(Vec<usize>),
    /// What the first input holds, followed by these dimensions.
    InputValues(Vec<usize>),
}

impl FillShape {
    /// Declares what all fills have in common: the arguments, the optional input, in-place rules.
    pub(crate) fn describe(schema: OpSchema) -> OpSchema {
        schema
            .inputs(0..=1)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg_repeated::<i64>("shape", "shape of the output; a scalar when absent; only without an input")
            .arg(
                "input_as_shape",
                "whether the shape is what the input holds: an int64 tensor of one dimension",
                false,
            )
            .arg_repeated::<i64>(
                "extra_shape",
                "dimensions that follow those of the input; only with an input",
            )
            .input("X", "optional tensor of any type that gives the shape: its own, or what it holds")
    }

    pub(crate) fn read(args: &Args<'_>) -> Result<FillShape, ArgError> {
        let (shape, extra) = (read_dims(args, "shape")?, read_dims(args, "extra_shape")?);
        let from_values = args.get::<bool>("input_as_shape")?;
        if args.input_count() == 0 {
            let needs_input =
                |name| Err(ArgError::value(name, "expected an input, whose dimensions it is for"));
            return match (extra.is_empty(), from_values) {
                (false, _) => needs_input("extra_shape"),
                (_, true) => needs_input("input_as_shape"),
                (true, false) => Ok(FillShape::Given(shape)),
            };
        }
        if !shape.is_empty() {
            return Err(ArgError::value("shape", format!("expected none beside an input, found {shape}")));
        }
        let extra = extra.to_vec();
        Ok(if from_values { FillShape::InputValues(extra) } else { FillShape::LikeInput(extra) })
    }

    /// The shape for the inputs of this run.
    pub(crate) fn resolve(&self, io: &OpIo<'_>) -> Result<Shape, OpError> {
        match self {
            FillShape::Given(shape) => Ok(shape.clone()),
            FillShape::LikeInput(extra) => append(io.peek(0)?.shape().clone(), extra),
            FillShape::InputValues(extra) => {
                let x = io.peek(0)?;
                let dims = x.as_slice::<i64>().map_err(|source| OpError::Input { index: 0, source })?;
                if x.shape().rank() != 1 || dims.is_empty() {
                    let found = x.shape();
                    let message =
                        format!("expected a shape: one dimension and at least one element, found {found}");
                    return Err(OpError::input(0, message));
                }
                append(Shape::from_i64s(dims).map_err(|e| OpError::input(0, e.to_string()))?, extra)
            }
        }
    }

    /// The shape as far as it is known without a run.
    pub(crate) fn infer(&self, context: &InferContext<'_>) -> Result<Option<Shape>, OpError> {
        match self {
            FillShape::Given(shape) => Ok(Some(shape.clone())),
            FillShape::LikeInput(extra) => context.shape(0).map(|x| append(x.clone(), extra)).transpose(),
            FillShape::InputValues(_) => Ok(None),
        }
    }
}

fn read_dims(args: &Args<'_>, name: &'static str) -> Result<Shape, ArgError> {
    Shape::from_i64s(&args.list::<i64>(name)?)
        .map_err(|e| ArgError::new(name, ArgProblem::Value(e.to_string())))
}

fn append(shape: Shape, extra: &[usize]) -> Result<Shape, OpError> {
    if extra.is_empty() {
        return Ok(shape);
    }
    let dims: SmallVec<[usize; 6]> = shape.iter().chain(extra).copied().collect();
    Ok(Shape::new(&dims)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;

    fn read(def: OperatorDef) -> Result<FillShape, String> {
        let schema = FillShape::describe(OpSchema::new("Fill"));
        FillShape::read(&Args::new(&def, &schema).unwrap()).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Fill")
    }

    #[test]
    fn without_an_input_the_argument_is_the_shape() {
        assert_eq!(read(def()), Ok(FillShape::Given(Shape::scalar())));
        assert_eq!(read(def().arg("shape", Vec::<i64>::new())), Ok(FillShape::Given(Shape::scalar())));
        assert_eq!(read(def().arg("shape", vec![2, 0])), Ok(FillShape::Given(Shape::new(&[2, 0]).unwrap())));
        assert!(
            read(def().arg("shape", 2)).unwrap_err().contains("`shape`: expected a value in field `ints`")
        );
        assert!(
            read(def().arg("shape", vec![-1]))
                .unwrap_err()
                .contains("`shape`: dimension 0 of the shape is -1")
        );
        assert!(read(def().arg("shape", vec![1i64 << 40, 1 << 40])).unwrap_err().contains("memory"));
        assert!(
            read(def().arg("extra_shape", vec![1])).unwrap_err().contains("`extra_shape`: expected an input")
        );
        assert!(
            read(def().arg("input_as_shape", 1)).unwrap_err().contains("`input_as_shape`: expected an input")
        );
    }

    #[test]
    fn with_an_input_that_is_the_shape() {
        let def = || def().input("x");
        assert_eq!(read(def()), Ok(FillShape::LikeInput(vec![])));
        assert_eq!(read(def().arg("shape", Vec::<i64>::new())), Ok(FillShape::LikeInput(vec![])));
        assert_eq!(read(def().arg("extra_shape", vec![3])), Ok(FillShape::LikeInput(vec![3])));
        assert_eq!(read(def().arg("input_as_shape", 2)), Ok(FillShape::InputValues(vec![])));
        assert!(
            read(def().arg("shape", vec![2])).unwrap_err().contains("`shape`: expected none beside an input")
        );
    }
}
