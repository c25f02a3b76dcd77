//! `AffineChannel`: `y = x * scale[c] + bias[c]` for each element of channel c.
//!
//! | argument | default | |
//! |---|---|---|
//! | `order` | NCHW | where the channels are |
//! | `is_learnable` | 0 | whether gradients of scale and bias are wanted; the operator is not in place then |
//!
//! (Caffe2 `affine_channel_op.h`.)

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, DataType, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, TensorInfo, register_cpu_operator,
};

use crate::apply::Coefficients;
use crate::layout::{Layout, Order, declare_order, read_order};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct AffineChannelOp {
    order: Order,
    is_learnable: bool,
}

impl OperatorType for AffineChannelOp {
    const TYPE: &'static str = "AffineChannel";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc("Scales and shifts each channel: Y = X * scale[c] + bias[c].")
            .inputs(3)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .fill_using(declare_order)
            .arg("is_learnable", "scale and bias are being trained; the operator then does not work in place", false)
            .input("X", "float tensor of two or more dimensions: batch, channels, and any others")
            .input("scale", "float tensor with one element for each channel")
            .input("bias", "float tensor with one element for each channel")
            .output("Y", "float tensor of X's shape")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-6))
            .differences(
                "Scale and bias of another length than there are channels are refused, where Caffe2 reads beyond them \
                 or ignores what is left. An empty batch gives an empty output, where Caffe2 divides by zero.",
            )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(AffineChannelOp { order: read_order(args)?, is_learnable: args.get("is_learnable")? })
    }
}

impl Operator for AffineChannelOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        if self.is_learnable && io.is_in_place(0, 0) {
            return Err(ArgError::value(
                "is_learnable",
                "found 1, with which the operator does not work in place",
            )
            .into());
        }
        let [scale, bias] = [io.input_shape(1)?, io.input_shape(2)?];
        let parameters = [Some(&scale), Some(&bias)];
        let layout = Layout::with_parameters(&io.input_shape(0)?, self.order, parameters)?;
        let (scale, shift) = (io.input_slice(1)?, io.input_slice(2)?);
        let data = io.unary(0, 0)?;
        layout.apply(io.threads(), data, Coefficients { mean: &[], scale, shift, per_item: false });
        Ok(())
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let order = read_order(context.args())?;
    if let Some(shape) = context.shape(0) {
        Layout::with_parameters(shape, order, [context.shape(1), context.shape(2)])?;
    }
    Ok(vec![TensorInfo { data_type: Some(DataType::Float), shape: context.shape(0).cloned() }])
}

register_cpu_operator!(AffineChannelOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(shape: &[usize], parameters: usize, def: OperatorDef) -> Result<Vec<f32>, String> {
        let x: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
        let scale: Vec<f32> = (0..parameters).map(|i| i as f32 + 1.0).collect();
        let of = |shape: &[usize], values: &[f32]| Tensor::from_slice(shape, values).unwrap();
        let tensors = [of(shape, &x), of(&[parameters], &scale), of(&[parameters], &vec![0.5; parameters])];
        let y = run_operator(&def.inputs(["x", "s", "b"]), tensors).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn channels_are_where_the_order_says() {
        let def = || OperatorDef::new("AffineChannel");
        for output in ["x", "y"] {
            assert_eq!(run(&[1, 2, 2], 2, def().output(output)).unwrap(), [0.5, 1.5, 4.5, 6.5]);
            let nhwc = def().output(output).arg("order", "NHWC");
            assert_eq!(run(&[1, 2, 2], 2, nhwc).unwrap(), [0.5, 2.5, 2.5, 6.5]);
        }
        assert!(run(&[1, 2, 2], 3, def().output("y")).unwrap_err().contains("2 channels"));
        assert!(run(&[2], 2, def().output("y")).unwrap_err().contains("2 or more dimensions"));
        assert!(
            run(&[1, 2], 2, def().output("x").arg("is_learnable", true)).unwrap_err().contains("in place")
        );
        assert!(run(&[0, 2], 2, def().output("y")).unwrap().is_empty());
    }
}
