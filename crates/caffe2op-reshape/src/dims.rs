//! `Squeeze` and `ExpandDims`: dimensions of 1 taken away and put in.
//!
//! | argument | default | |
//! |---|---|---|
//! | `dims` | required | which dimensions; in any order, and one that is given twice counts once |
//!
//! Tensors of any type, strings included (Caffe2 `expand_squeeze_dims_op.cc`).

use std::marker::PhantomData;

use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};
use smallvec::SmallVec;

use crate::give_shape;

/// What tells one [`UnitDimsOp`] from the other.
pub trait UnitDims: 'static {
    /// The operator type.
    const TYPE: &'static str;
    /// What the operator does, in words.
    const DOC: &'static str;
    /// What the argument means.
    const DIMS: &'static str;

    /// The new shape; `dims` is sorted, each is there once, and at least one is.
    ///
    /// # Errors
    /// When these dimensions are not there, or cannot be.
    fn new_shape(x: &Shape, dims: &[usize]) -> Result<Shape, OpError>;
}

/// `Squeeze`: dimensions of 1 taken away.
#[derive(Debug)]
pub enum Squeeze {}

/// `ExpandDims`: dimensions of 1 put in.
#[derive(Debug)]
pub enum ExpandDims {}

impl UnitDims for Squeeze {
    const TYPE: &'static str = "Squeeze";
    const DOC: &'static str = "Takes dimensions of 1 out of the shape of a tensor.";
    const DIMS: &'static str = "which dimensions of X to take away; each must be 1";

    fn new_shape(x: &Shape, dims: &[usize]) -> Result<Shape, OpError> {
        if let Some(wrong) = dims.iter().find(|&&dim| x.get(dim) != Some(&1)) {
            return Err(OpError::input(
                0,
                format!("expected a dimension {wrong}, of 1, to take away, found {x}"),
            ));
        }
        let kept = |&(i, _): &(usize, &usize)| dims.binary_search(&i).is_err();
        let left: SmallVec<[usize; 6]> = x.iter().enumerate().filter(kept).map(|(_, &dim)| dim).collect();
        Ok(Shape::new(&left)?)
    }
}

impl UnitDims for ExpandDims {
    const TYPE: &'static str = "ExpandDims";
    const DOC: &'static str = "Puts dimensions of 1 into the shape of a tensor.";
    const DIMS: &'static str = "where the dimensions of 1 are in Y";

    fn new_shape(x: &Shape, dims: &[usize]) -> Result<Shape, OpError> {
        let mut shape = SmallVec::<[usize; 6]>::from_slice(x.dims());
        for &dim in dims {
            if dim > shape.len() {
                let message = format!("expected enough dimensions to put one in at {dim}, found {x}");
                return Err(OpError::input(0, message));
            }
            shape.insert(dim, 1);
        }
        Ok(Shape::new(&shape)?)
    }
}

/// The operator of each [`UnitDims`].
#[derive(Debug)]
pub struct UnitDimsOp<D> {
    dims: Vec<usize>,
    what: PhantomData<fn() -> D>,
}

impl<D: UnitDims> OperatorType for UnitDimsOp<D> {
    const TYPE: &'static str = D::TYPE;

    fn schema() -> OpSchema {
        OpSchema::new(D::TYPE)
            .doc(D::DOC)
            .inputs(1)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg_repeated_required::<i32>("dims", D::DIMS)
            .input("X", "tensor of any type")
            .output("Y", "tensor of the same type with the same elements")
            .infer(infer::<D>)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let given = args.list::<i32>("dims")?;
        let wrong = |dim| ArgError::value("dims", format!("expected 0 or more, found {dim}"));
        let dims: Result<Vec<usize>, _> =
            given.iter().map(|&dim| usize::try_from(dim).map_err(|_| wrong(dim))).collect();
        let mut dims = dims?;
        if dims.is_empty() {
            return Err(ArgError::value("dims", "expected at least one"));
        }
        dims.sort_unstable();
        dims.dedup();
        Ok(UnitDimsOp { dims, what: PhantomData })
    }
}

fn infer<D: UnitDims>(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = UnitDimsOp::<D>::from_args(context.args())?;
    let shape = context.shape(0).map(|x| D::new_shape(x, &operator.dims)).transpose()?;
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl<D: UnitDims> Operator for UnitDimsOp<D> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(0)?;
        let shape = D::new_shape(&io.input_shape(0)?, &self.dims)?;
        give_shape(io, &shape)
    }
}

register_cpu_operator!(UnitDimsOp<Squeeze>);
register_cpu_operator!(UnitDimsOp<ExpandDims>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn dims_of(op: &str, x: &[usize], dims: &[i64]) -> Result<Vec<usize>, String> {
        let def = OperatorDef::new(op).input("x").output("y").arg("dims", dims.to_vec());
        let out = run_operator(&def, [Tensor::zeros::<u8>(x).unwrap()]).map_err(|e| e.to_string())?;
        Ok(out[0].dims().to_vec())
    }

    #[test]
    fn one_undoes_the_other() {
        for (small, large, dims) in [
            (&[2, 3][..], &[1, 2, 3, 1][..], &[3, 0, 0][..]),
            (&[2, 3], &[2, 1, 3], &[1]),
            (&[], &[1], &[0]),
            (&[0], &[0, 1, 1], &[1, 2]),
        ] {
            assert_eq!(dims_of("ExpandDims", small, dims), Ok(large.to_vec()));
            assert_eq!(dims_of("Squeeze", large, dims), Ok(small.to_vec()));
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (op, dims, words) in [
            ("Squeeze", &[0][..], "dimension 0, of 1, to take away, found [2, 3]"),
            ("Squeeze", &[i64::from(i32::MAX)], "found [2, 3]"),
            ("ExpandDims", &[3], "at 3, found [2, 3]"),
            ("ExpandDims", &[-1], "expected 0 or more, found -1"),
            ("ExpandDims", &[], "dims"),
        ] {
            let error = dims_of(op, &[2, 3], dims).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
