//! `Reshape`: the same elements in another shape.
//!
//! | argument | default | |
//! |---|---|---|
//! | `shape` | none | the new dimensions: 0 keeps X's at that place, one -1 is what is left |
//!
//! A second input, int32 or int64, may hold the new dimensions instead. A tensor of any type, strings included
//! (Caffe2 `reshape_op.cc`).

use caffe2_operator::{
    ArgError, ArgProblem, Args, DataType, Element, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, dispatch_input_type, register_cpu_operator,
};
use smallvec::SmallVec;

type Dims = SmallVec<[i64; 6]>;

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ReshapeOp {
    /// The new dimensions; `None`: those that the second input holds.
    shape: Option<Dims>,
}

impl OperatorType for ReshapeOp {
    const TYPE: &'static str = "Reshape";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Gives a tensor other dimensions for as many elements. A dimension of 0 keeps the one that X has at \
                 that place, unless X is empty; one dimension of -1 is what is left, which is 0 when X is empty.",
            )
            .inputs(1..=2)
            .outputs(2)
            .allow_in_place(&[(0, 0)])
            .arg_repeated::<i64>("shape", "new dimensions; must be given unless there is a second input")
            .input("X", "tensor of any type")
            .input("new_shape", "new dimensions: int32 or int64 tensor of one dimension; only without shape")
            .output("Y", "tensor of the same type with the same elements")
            .output("old_shape", "dimensions of X: int64 tensor of one dimension, or int32 if new_shape is")
            .differences(
                "Dimensions below -1 are an error, and so is an empty X for a shape that is not empty, where Caffe2 \
                 crashes or shows unwritten memory. The dimensions are multiplied as 64-bit integers even if they \
                 are given as int32.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let shape = match (args.has("shape"), args.input_count() > 1) {
            (true, false) => Some(args.list::<i64>("shape")?.into()),
            (false, true) => None,
            (false, false) => return Err(ArgError::new("shape", ArgProblem::Absent)),
            (true, true) => return Err(ArgError::value("shape", "expected none beside a second input")),
        };
        Ok(ReshapeOp { shape })
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = ReshapeOp::from_args(context.args())?;
    let x = context.shape(0);
    let by_argument = operator.shape.is_some();
    let wanted = operator.shape.or_else(|| context.integers(1).map(Dims::from));
    let shape = x.zip(wanted).map(|(x, wanted)| new_shape(x, &wanted)).transpose()?;
    Ok(vec![
        TensorInfo { data_type: context.data_type(0), shape },
        TensorInfo {
            data_type: if by_argument { Some(DataType::Int64) } else { context.data_type(1) },
            shape: x.map(|x| Shape::new(&[x.rank()])).transpose()?,
        },
    ])
}

/// The shape that `wanted` asks for, for the elements of `x`.
fn new_shape(x: &Shape, wanted: &[i64]) -> Result<Shape, OpError> {
    let refused = |why: &str| OpError::input(0, format!("cannot give shape {x} the shape {wanted:?}: {why}"));
    let mut dims = SmallVec::<[usize; 6]>::new();
    let mut left = None;
    for (i, &dim) in wanted.iter().enumerate() {
        dims.push(match dim {
            0 if x.numel() > 0 => x.get(i).copied().unwrap_or(0),
            -1 if left.replace(i).is_none() => 1,
            -1 => return Err(refused("at most one dimension may be -1")),
            _ => usize::try_from(dim).map_err(|_| refused("dimensions must not be below -1"))?,
        });
    }
    if let Some(i) = left {
        let others = Shape::new(&dims)?.numel();
        if x.numel() > 0 && !x.numel().is_multiple_of(others) {
            return Err(refused(&format!("{} elements do not divide into {others}", x.numel())));
        }
        dims[i] = if x.numel() > 0 { x.numel() / others } else { 0 };
    }
    let shape = Shape::new(&dims)?;
    if shape.numel() != x.numel() {
        return Err(refused(&format!("that is {} elements, not {}", shape.numel(), x.numel())));
    }
    Ok(shape)
}

impl Operator for ReshapeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        match &self.shape {
            Some(wanted) => reshape::<i64>(io, wanted),
            None => dispatch_input_type!(io, 1, [i32, i64], T => {
                let wanted = dims_of_input::<T>(io)?;
                reshape::<T>(io, &wanted)
            }),
        }
    }
}

/// The dimensions that the second input holds.
fn dims_of_input<T: Element + Into<i64>>(io: &OpIo<'_>) -> Result<Dims, OpError> {
    let (values, shape) = (io.input_slice::<T>(1)?, io.input(1)?.shape());
    if shape.rank() != 1 || values.is_empty() {
        return Err(OpError::input(
            1,
            format!("expected one dimension and at least one element, found {shape}"),
        ));
    }
    Ok(values.iter().map(|&dim| dim.into()).collect())
}

/// Gives X the shape, and writes the former one as integers of type `T`.
fn reshape<T: Element + TryFrom<usize>>(io: &mut OpIo<'_>, wanted: &[i64]) -> Result<(), OpError> {
    io.input_type(0)?;
    let old = io.input_shape(0)?;
    let shape = new_shape(&old, wanted)?;
    let output = |source| OpError::Output { index: 0, source };
    match io.in_place(0, 0)? {
        Some(tensor) => tensor.reshape(shape).map_err(output)?,
        None => {
            let x = io.input(0)?;
            io.output(0)?.assign_reshaped(x, &shape).map_err(output)?;
        }
    }
    for (dim, &of_x) in io.output_slice::<T>(1, [old.rank()])?.iter_mut().zip(old.dims()) {
        let wrong = |_| OpError::input(0, format!("dimension {of_x} does not fit {}", T::DATA_TYPE));
        *dim = T::try_from(of_x).map_err(wrong)?;
    }
    Ok(())
}

register_cpu_operator!(ReshapeOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn shape(dims: &[usize]) -> Shape {
        Shape::new(dims).unwrap()
    }

    fn reshaped(x: &[usize], wanted: &[i64]) -> Result<Vec<usize>, String> {
        new_shape(&shape(x), wanted).map(|s| s.to_vec()).map_err(|e| e.to_string())
    }

    #[test]
    fn zero_keeps_and_minus_one_is_what_is_left() {
        assert_eq!(reshaped(&[2, 3, 4], &[0, -1]), Ok(vec![2, 12]));
        assert_eq!(reshaped(&[2, 3, 4], &[8, 0, 1]), Ok(vec![8, 3, 1]));
        assert_eq!(reshaped(&[], &[-1, 1]), Ok(vec![1, 1]));
        assert_eq!(reshaped(&[1], &[]), Ok(vec![]));
        assert_eq!(reshaped(&[2, 0, 3], &[0, -1]), Ok(vec![0, 0]));
        assert_eq!(reshaped(&[2, 0, 3], &[5, 0]), Ok(vec![5, 0]));
    }

    #[test]
    fn what_does_not_fit_names_both_shapes() {
        for wanted in
            [&[5][..], &[-1, -1], &[-1, 5], &[-2, 12], &[2, 3, 4, 0], &[-1, 1, 1, 0], &[], &[i64::MIN]]
        {
            let error = reshaped(&[2, 3, 4], wanted).unwrap_err();
            assert!(error.contains("[2, 3, 4]") && error.contains(&format!("{wanted:?}")), "{error}");
        }
        assert!(reshaped(&[2, 0], &[3]).is_err() && reshaped(&[0], &[]).is_err());
        assert!(reshaped(&[2], &[i64::MAX, i64::MAX]).unwrap_err().contains("memory"));
        assert!(reshaped(&[2], &[i64::MAX, i64::MAX, -1]).is_err());
    }

    fn run(wanted: Option<Tensor>, def: OperatorDef, output: &str) -> Result<(Tensor, Tensor), String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::from_slice([2, 3], &[1u8, 2, 3, 4, 5, 6]).unwrap());
        let mut def = def.input("x").outputs([output, "old"]);
        if let Some(wanted) = wanted {
            workspace.feed("s", wanted);
            def = def.input("s");
        }
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        Ok((workspace.fetch(output).unwrap(), workspace.fetch("old").unwrap()))
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Reshape")
    }

    #[test]
    fn the_shape_is_an_argument_or_an_input() {
        let want = Tensor::from_slice([3, 2], &[1u8, 2, 3, 4, 5, 6]).unwrap();
        let (old64, old32) =
            (Tensor::from_slice([2], &[2i64, 3]).unwrap(), Tensor::from_slice([2], &[2i32, 3]).unwrap());
        for output in ["y", "x"] {
            let argument = run(None, def().arg("shape", vec![3, 2]), output).unwrap();
            assert_eq!(argument, (want.clone(), old64.clone()));
            let input = run(Some(Tensor::from_slice([2], &[3i32, -1]).unwrap()), def(), output).unwrap();
            assert_eq!(input, (want.clone(), old32.clone()));
        }
        assert!(run(None, def(), "y").unwrap_err().contains("`shape`: required"));
        let both = run(Some(old64), def().arg("shape", vec![6]), "y").unwrap_err();
        assert!(both.contains("`shape`: expected none"), "{both}");
        let matrix = Tensor::from_slice([1, 1], &[6i64]).unwrap();
        assert!(run(Some(matrix), def(), "y").unwrap_err().contains("input 1 `s`: expected one dimension"));
        let floats = Tensor::from_slice([1], &[6.0f32]).unwrap();
        assert!(run(Some(floats), def(), "y").unwrap_err().contains("supported are int32, int64"));
    }

    #[test]
    fn what_was_never_written_has_no_other_shape() {
        let mut workspace = Workspace::new();
        workspace.feed("x", Tensor::new());
        for output in ["y", "x"] {
            let def = def().input("x").outputs([output, "old"]).arg("shape", vec![0]);
            assert!(workspace.run_operator_once(&def).unwrap_err().to_string().contains("never written"));
        }
    }
}
