//! `FlattenToVec` and `ResizeLike`: all elements in a row, and the shape of another tensor.
//!
//! No arguments; tensors of any type, strings included (Caffe2 `utility_ops.cc`).

use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

use crate::give_shape;

/// `FlattenToVec`; see the [crate].
#[derive(Debug)]
pub struct FlattenToVecOp;

/// `ResizeLike`; see the [crate].
#[derive(Debug)]
pub struct ResizeLikeOp;

impl OperatorType for FlattenToVecOp {
    const TYPE: &'static str = "FlattenToVec";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Puts the elements of a tensor in one dimension.")
            .inputs(1)
            .outputs(1)
            .input("X", "tensor of any type with at least one dimension")
            .output("Y", "tensor of the same type and elements with one dimension")
            .infer(|context| {
                let shape = context.shape(0).map(in_a_row).transpose()?;
                Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
            })
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(FlattenToVecOp)
    }
}

fn in_a_row(x: &Shape) -> Result<Shape, OpError> {
    match x.rank() {
        0 => Err(OpError::input(0, "expected at least one dimension, found a scalar")),
        _ => Ok(Shape::new(&[x.numel()])?),
    }
}

impl Operator for FlattenToVecOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(0)?;
        let shape = in_a_row(&io.input_shape(0)?)?;
        give_shape(io, &shape)
    }
}

impl OperatorType for ResizeLikeOp {
    const TYPE: &'static str = "ResizeLike";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Gives a tensor the shape of another one of as many elements.")
            .inputs(2)
            .outputs(1)
            .input("X", "tensor of any type")
            .input("like", "tensor of any type and as many elements")
            .output("Y", "tensor of the type and elements of X and the shape of like")
            .infer(infer_like)
    }

    fn from_args(_: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ResizeLikeOp)
    }
}

fn shape_like(x: &Shape, like: &Shape) -> Result<Shape, OpError> {
    if x.numel() != like.numel() {
        let message = format!("expected as many elements as input 0 of {x} has, found {like}");
        return Err(OpError::input(1, message));
    }
    Ok(like.clone())
}

fn infer_like(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let like = context.shape(1);
    let shape = match context.shape(0).zip(like) {
        Some((x, like)) => Some(shape_like(x, like)?),
        None => like.cloned(),
    };
    Ok(vec![TensorInfo { data_type: context.data_type(0), shape }])
}

impl Operator for ResizeLikeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        io.input_type(0)?;
        let shape = shape_like(io.input(0)?.shape(), io.input(1)?.shape())?;
        give_shape(io, &shape)
    }
}

register_cpu_operator!(FlattenToVecOp);
register_cpu_operator!(ResizeLikeOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    #[test]
    fn elements_stay_and_shapes_change() {
        let x = || Tensor::from_slice([2, 3], &[1u8, 2, 3, 4, 5, 6]).unwrap();
        let vec = OperatorDef::new("FlattenToVec").input("x").output("y");
        let row = run_operator(&vec, [x()]).unwrap();
        assert_eq!(row[0], Tensor::from_slice([6], &[1u8, 2, 3, 4, 5, 6]).unwrap());
        let like = OperatorDef::new("ResizeLike").inputs(["x", "like"]).output("y");
        let out = run_operator(&like, [row[0].clone(), x()]).unwrap();
        assert_eq!(out[0], x());
        let error = run_operator(&like, [x(), Tensor::zeros::<f32>([5]).unwrap()]).unwrap_err().to_string();
        assert!(error.contains("as many elements as input 0 of [2, 3] has, found [5]"), "{error}");
        let error = run_operator(&vec, [Tensor::scalar(1u8).unwrap()]).unwrap_err().to_string();
        assert!(error.contains("found a scalar"), "{error}");
    }
}
