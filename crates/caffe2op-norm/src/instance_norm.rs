//! `InstanceNorm`: each channel of each item is brought to mean 0 and variance 1, then
//! `y = normalised * scale[c] + bias[c]`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `epsilon` | 1e-5 | added to the variance; 0 or more |
//! | `order` | NCHW | where the channels are |
//!
//! (Caffe2 `instance_norm_op.h`.)

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType,
    TensorInfo, register_cpu_operator,
};

use crate::layout::{Layout, Order, declare_order, read_order};
use crate::moments::two_passes;
use crate::per_group::{Scratch, outputs};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct InstanceNormOp {
    order: Order,
    epsilon: f32,
    scratch: Scratch,
}

impl OperatorType for InstanceNormOp {
    const TYPE: &'static str = "InstanceNorm";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Brings each channel of each item to mean 0 and variance 1, then scales and shifts it: \
                 Y = (X - mean) / sqrt(var + epsilon) * scale + bias.",
            )
            .inputs(3)
            .outputs(1..=3)
            .allow_in_place(&[(0, 0)])
            .arg("epsilon", "added to the variance; 0 or more", 1e-5f32)
            .fill_using(declare_order)
            .input("X", "float tensor of two or more dimensions: batch, channels, and any others")
            .input("scale", "float tensor with one element for each channel")
            .input("bias", "float tensor with one element for each channel")
            .output("Y", "float tensor of X's shape")
            .output("saved_mean", "the means, [batch, channels]")
            .output("saved_inv_std", "1 / sqrt(var + epsilon), [batch, channels]")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-5))
            .differences(concat!(
                "An empty input gives an empty output, where Caffe2 crashes. ",
                two_passes!()
            ))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let epsilon = args.get::<f32>("epsilon")?;
        if epsilon.is_nan() || epsilon < 0.0 {
            return Err(ArgError::value("epsilon", format!("found {epsilon}, expected 0 or more")));
        }
        Ok(InstanceNormOp { order: read_order(args)?, epsilon, scratch: Scratch::default() })
    }
}

impl Operator for InstanceNormOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let [scale, bias] = [io.input_shape(1)?, io.input_shape(2)?];
        let parameters = [Some(&scale), Some(&bias)];
        let layout = Layout::with_parameters(&io.input_shape(0)?, self.order, parameters)?;
        self.scratch.normalise(io, layout, layout.channels, self.epsilon)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let InstanceNormOp { order, .. } = InstanceNormOp::from_args(context.args())?;
    outputs(context, |shape, parameters| {
        let layout = Layout::with_parameters(shape, order, parameters)?;
        Ok((layout, layout.channels))
    })
}

register_cpu_operator!(InstanceNormOp);
