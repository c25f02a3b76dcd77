//! Where a fill takes the shape of its output from.

use caffe2_operator::{
    ArgError, ArgProblem, Args, DataType, InferContext, OpError, OpIo, OpSchema, Shape, TensorError,
};
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
                check_is_list(x.shape())?;
                from_values(dims, extra)
            }
        }
    }

    /// The shape as far as it is known without a run.
    pub(crate) fn infer(&self, context: &InferContext<'_>) -> Result<Option<Shape>, OpError> {
        match self {
            FillShape::Given(shape) => Ok(Some(shape.clone())),
            FillShape::LikeInput(extra) => context.shape(0).map(|x| append(x.clone(), extra)).transpose(),
            FillShape::InputValues(extra) => {
                if let Some(found) = context.data_type(0).filter(|found| *found != DataType::Int64) {
                    let source = TensorError::Type { wanted: DataType::Int64, found };
                    return Err(OpError::Input { index: 0, source });
                }
                context.shape(0).map_or(Ok(()), check_is_list)?;
                context.values::<i64>(0).map(|dims| from_values(dims, extra)).transpose()
            }
        }
    }
}

fn read_dims(args: &Args<'_>, name: &'static str) -> Result<Shape, ArgError> {
    Shape::from_i64s(&args.list::<i64>(name)?)
        .map_err(|e| ArgError::new(name, ArgProblem::Value(e.to_string())))
}

/// Whether an input of shape `found` can hold dimensions.
fn check_is_list(found: &Shape) -> Result<(), OpError> {
    if found.rank() == 1 && found.numel() > 0 {
        return Ok(());
    }
    Err(OpError::input(0, format!("expected a shape: one dimension and at least one element, found {found}")))
}

/// Whether input `index`, of this shape, is a single value.
pub(crate) fn check_is_one(index: usize, shape: &Shape) -> Result<(), OpError> {
    if shape.numel() == 1 {
        return Ok(());
    }
    Err(OpError::input(index, format!("expected one element, found {shape}")))
}

/// The shape whose dimensions the first input holds, followed by `extra`.
fn from_values(dims: &[i64], extra: &[usize]) -> Result<Shape, OpError> {
    append(Shape::from_i64s(dims).map_err(|e| OpError::input(0, e.to_string()))?, extra)
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
    use caffe2_operator::{OpRegistry, TensorInfo};

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

    #[test]
    fn what_no_run_can_make_is_not_inferred() {
        let registry = OpRegistry::linked().unwrap();
        let infer = |def: OperatorDef, inputs: &[TensorInfo]| {
            let def = def.inputs(["a", "b", "c"].into_iter().take(inputs.len())).output("y");
            let schema = registry.schema(def.r#type()).unwrap();
            let args = Args::new(&def, schema).unwrap();
            schema.infer_outputs(&InferContext::new(&args, inputs)).map_err(|e| e.to_string())
        };
        let info = |data_type, dims: &[usize]| TensorInfo::new(data_type, Shape::new(dims).unwrap());
        let op = OperatorDef::new;
        let (like, two) = (info(DataType::Int64, &[2]), info(DataType::Float, &[2]));
        for (def, inputs, why) in [
            (op("RangeFill").arg("input_as_shape", 1), vec![two.clone()], "found one of float"),
            (op("RangeFill").arg("input_as_shape", 1), vec![info(DataType::Int64, &[2, 2])], "found [2, 2]"),
            (op("ConstantFill"), vec![like.clone(), like.clone()], "found one of int64"),
            (op("ConstantFill"), vec![like.clone(), two.clone()], "a value of one element, found [2]"),
            (op("ConstantFill").arg("dtype", 6).arg("value", 256), vec![], "256 does not fit u8"),
            (
                op("DiagonalFill").arg("shape", vec![2, 2]).arg("dtype", 1).arg("value", 2),
                vec![],
                "field `f`",
            ),
            (op("GaussianFill").arg("std", -1.0f32), vec![], "`std`"),
            (op("GivenTensorIntFill").arg("values", vec![1, 2]), vec![], "2 values, but shape [] has 1"),
            (op("GivenTensorFill").arg("values", vec![1]), vec![], "field `floats`"),
            (
                op("GivenTensorByteStringToUInt8Fill").arg("values", vec!["ab"]),
                vec![],
                "2 values, but shape []",
            ),
            (op("UniformFill"), vec![like.clone(), two.clone(), two.clone()], "one element, found [2]"),
            (op("UniformIntFill"), vec![like.clone(), two.clone(), two.clone()], "found one of float"),
            (op("LengthsRangeFill"), vec![info(DataType::Int32, &[])], "a vector of lengths, found []"),
            (op("Range"), vec![like.clone()], "one element, found [2]"),
        ] {
            let error = infer(def, &inputs).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let text = op("GivenTensorStringFill").arg("values", vec!["a", "b"]);
        assert_eq!(infer(text, &[like]).unwrap(), [info(DataType::String, &[2])]);
    }
}
