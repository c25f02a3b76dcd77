//! `GroupNorm`: each group of channels of each item is brought to mean 0 and variance 1, then
//! `y = normalised * gamma[c] + beta[c]`.
//!
//! | argument | default | |
//! |---|---|---|
//! | `group` | 32 | groups of channels; they must divide the channels |
//! | `epsilon` | 1e-5 | added to the variance |
//! | `order` | NCHW | where the channels are |
//! | `is_test` | 1 | 0 demands all three outputs |
//!
//! (Caffe2 `group_norm_op.h`.)

use caffe2_operator::{
    ArgError, Args, Comparison, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape,
    TensorInfo, register_cpu_operator,
};

use crate::layout::{Layout, Order, declare_order, read_order};
use crate::moments::two_passes;
use crate::per_group::{Scratch, outputs};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct GroupNormOp {
    order: Order,
    group: usize,
    epsilon: f32,
    scratch: Scratch,
}

impl OperatorType for GroupNormOp {
    const TYPE: &'static str = "GroupNorm";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Brings each group of channels of each item to mean 0 and variance 1, then scales and shifts each \
                 channel: Y = (X - mu) / sqrt(var + epsilon) * gamma + beta.",
            )
            .inputs(3)
            .outputs_in(&[1, 3])
            .arg("group", "groups of channels, 1 or more; they divide the channels", 32)
            .arg("epsilon", "added to the variance", 1e-5f32)
            .fill_using(declare_order)
            .arg("is_test", "0 demands all three outputs", true)
            .input("X", "float tensor of two or more dimensions: batch, channels, and any others")
            .input("gamma", "float tensor with one element for each channel")
            .input("beta", "float tensor with one element for each channel")
            .output("Y", "float tensor of X's shape")
            .output("mu", "the means, [batch, group]")
            .output("inv_sigma", "1 / sqrt(var + epsilon), [batch, group]")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
            .comparison(Comparison::Tolerance(1e-5))
            .differences(concat!(
                "A tensor without channels is refused, where Caffe2 takes it for one of empty groups. ",
                two_passes!()
            ))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        if !args.get::<bool>("is_test")? && args.output_count() != 3 {
            let message = format!("is 0, which needs 3 outputs, not {}", args.output_count());
            return Err(ArgError::value("is_test", message));
        }
        let (order, group) = (read_order(args)?, read_group(args)?);
        Ok(GroupNormOp { order, group, epsilon: args.get("epsilon")?, scratch: Scratch::default() })
    }
}

impl Operator for GroupNormOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let [scale, bias] = [io.input_shape(1)?, io.input_shape(2)?];
        let parameters = [Some(&scale), Some(&bias)];
        let layout = check(self.order, self.group, &io.input_shape(0)?, parameters)?;
        self.scratch.normalise(io, layout, self.group, self.epsilon)
    }
}

fn read_group(args: &Args<'_>) -> Result<usize, ArgError> {
    let group = args.get::<i32>("group")?;
    match usize::try_from(group) {
        Ok(group) if group > 0 => Ok(group),
        _ => Err(ArgError::value("group", format!("found {group}, expected 1 or more"))),
    }
}

fn check(
    order: Order,
    group: usize,
    shape: &Shape,
    parameters: [Option<&Shape>; 2],
) -> Result<Layout, OpError> {
    let layout = Layout::with_parameters(shape, order, parameters)?;
    if layout.channels == 0 || layout.channels % group != 0 {
        let message = format!("found {group}, which does not divide {} channels of {shape}", layout.channels);
        return Err(ArgError::value("group", message).into());
    }
    Ok(layout)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let GroupNormOp { order, group, .. } = GroupNormOp::from_args(context.args())?;
    outputs(context, |shape, parameters| Ok((check(order, group, shape, parameters)?, group)))
}

register_cpu_operator!(GroupNormOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(def: OperatorDef, shape: &[usize], x: &[f32]) -> Result<Vec<f32>, String> {
        let of = |shape: &[usize], values: &[f32]| Tensor::from_slice(shape, values).unwrap();
        let tensors = [of(shape, x), of(&[2], &[1.0, 2.0]), of(&[2], &[0.0, 1.0])];
        let def = def.inputs(["x", "g", "b"]).output("y");
        let y = run_operator(&def, tensors).map_err(|e| e.to_string())?;
        Ok(y[0].as_slice::<f32>().unwrap().to_vec())
    }

    #[test]
    fn groups_are_normalised_for_themselves_whatever_their_mean() {
        let x = [10000.0, 10002.0, 1.0, 3.0];
        for (op, group) in [("GroupNorm", Some(2)), ("InstanceNorm", None)] {
            for (order, shape, x, want) in [
                ("NCHW", [1, 2, 2], x, [-1.0, 1.0, -1.0, 3.0]),
                ("NHWC", [1, 2, 2], [x[0], x[2], x[1], x[3]], [-1.0, -1.0, 1.0, 3.0]),
            ] {
                let def = OperatorDef::new(op).arg("order", order);
                let def = if let Some(group) = group { def.arg("group", group) } else { def };
                let y = run(def, &shape, &x).unwrap();
                assert!(y.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-4), "{op} {order} {y:?}");
            }
        }
    }

    #[test]
    fn arguments_and_shapes_are_checked() {
        let def = || OperatorDef::new("GroupNorm");
        for (def, word) in [
            (def(), "`group`"),
            (def().arg("group", 0), "`group`"),
            (def().arg("group", -2), "`group`"),
            (def().arg("group", 2).arg("is_test", false), "`is_test`"),
            (def().arg("group", 2).arg("order", "X"), "`order`"),
            (OperatorDef::new("InstanceNorm").arg("epsilon", -1.0f32), "`epsilon`"),
        ] {
            let error = run(def, &[1, 2, 1], &[0.0; 2]).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(run(OperatorDef::new("InstanceNorm"), &[0, 2, 1], &[]).unwrap().is_empty());
    }
}
