//! `Shape`: the dimensions of a tensor.
//!
//! | argument | default | |
//! |---|---|---|
//! | `axes` | all | the dimensions to tell, in this order |
//!
//! A tensor of any type (Caffe2 `shape_op.cc`).

use caffe2_operator::{
    ArgError, Args, DataType, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ShapeOp {
    axes: Vec<usize>,
}

impl OperatorType for ShapeOp {
    const TYPE: &'static str = "Shape";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Tells the dimensions of a tensor: all, or those of axes.")
            .inputs(1)
            .outputs(1)
            .arg_repeated::<i32>("axes", "the dimensions to tell, in this order; all without it")
            .input("X", "tensor of any type")
            .output("shape", "int64 tensor of one dimension")
            .infer(infer)
            .infer_by_running()
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let wrong = |axis| ArgError::value("axes", format!("expected 0 or more, found {axis}"));
        let axes = args.list::<i32>("axes")?;
        let axes = axes.iter().map(|&axis| usize::try_from(axis).map_err(|_| wrong(axis)));
        Ok(ShapeOp { axes: axes.collect::<Result<_, _>>()? })
    }
}

impl ShapeOp {
    fn output_shape(&self, x: &Shape) -> Result<Shape, OpError> {
        if let Some(axis) = self.axes.iter().find(|&&axis| axis >= x.rank()) {
            return Err(OpError::input(0, format!("expected an axis {axis}, as `axes` has it, found {x}")));
        }
        Ok(Shape::new(&[if self.axes.is_empty() { x.rank() } else { self.axes.len() }])?)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = ShapeOp::from_args(context.args())?;
    let shape = context.shape(0).map(|x| operator.output_shape(x)).transpose()?;
    Ok(vec![TensorInfo { data_type: Some(DataType::Int64), shape }])
}

impl Operator for ShapeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input(0)?.shape();
        let to = io.output_slice::<i64>(0, self.output_shape(x)?)?;
        // A checked shape has no dimension above isize::MAX.
        if self.axes.is_empty() {
            to.iter_mut().zip(x.dims()).for_each(|(to, &dim)| *to = dim as i64);
        } else {
            to.iter_mut().zip(&self.axes).for_each(|(to, &axis)| *to = x[axis] as i64);
        }
        Ok(())
    }
}

register_cpu_operator!(ShapeOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn shape(axes: &[i64]) -> Result<Vec<i64>, String> {
        let def = OperatorDef::new("Shape").input("x").output("y").arg("axes", axes.to_vec());
        let out = run_operator(&def, [Tensor::zeros::<u8>([2, 3]).unwrap()]).map_err(|e| e.to_string())?;
        Ok(out[0].as_slice::<i64>().unwrap().to_vec())
    }

    #[test]
    fn axes_pick_dimensions() {
        assert_eq!((shape(&[]), shape(&[1, 1, 0])), (Ok(vec![2, 3]), Ok(vec![3, 3, 2])));
        assert!(shape(&[2]).unwrap_err().contains("axis 2, as `axes` has it, found [2, 3]"));
        assert!(shape(&[-1]).unwrap_err().contains("`axes`: expected 0 or more"));
    }
}
