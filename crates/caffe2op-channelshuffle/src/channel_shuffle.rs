//! `ChannelShuffle`: the channels as a matrix of groups, transposed.
//!
//! | argument | default | |
//! |---|---|---|
//! | `group` | 1 | the number of groups, which divides the channels |
//! | `order` | `NCHW` | `NCHW`: the channels are dimension 1; `NHWC`: the last |
//!
//! Channel `i * group + g` of Y is channel `g * channels / group + i` of X (Caffe2 `channel_shuffle_op.cc`).

use caffe2_kernels::transpose::transpose;
use caffe2_operator::window::Order;
use caffe2_operator::{
    ArgError, Args, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ChannelShuffleOp {
    group: usize,
    order: Order,
}

impl OperatorType for ChannelShuffleOp {
    const TYPE: &'static str = "ChannelShuffle";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Takes one channel of each group in turn: channel i * group + g of Y is channel \
                 g * channels / group + i of X.",
            )
            .inputs(1)
            .outputs(1)
            .arg("group", "number of groups; divides the number of channels", 1)
            .arg("order", "`NCHW`: the channels are dimension 1; `NHWC`: the last dimension", "NCHW")
            .input("X", "float tensor of at least two dimensions")
            .output("Y", "float tensor of the same shape")
            .differences(
                "A group below 1 is an error, and so is a tensor of one dimension in order NHWC, where Caffe2 crashes \
                 or shows unwritten memory.",
            )
            .infer(infer)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        let group = args.get::<i32>("group")?;
        let group = usize::try_from(group).ok().filter(|group| *group > 0);
        let Some(group) = group else {
            let message = format!("expected 1 or more, found {}", args.get::<i32>("group")?);
            return Err(ArgError::value("group", message));
        };
        let order = match args.get::<String>("order")?.as_str() {
            "NCHW" | "nchw" => Order::Nchw,
            "NHWC" | "nhwc" => Order::Nhwc,
            other => {
                return Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`")));
            }
        };
        Ok(ChannelShuffleOp { group, order })
    }
}

impl ChannelShuffleOp {
    /// The shape as outer dimensions, groups, channels of a group, inner dimensions.
    fn view(&self, x: &Shape) -> Result<[usize; 4], OpError> {
        if x.rank() < 2 {
            return Err(OpError::input(0, format!("expected at least 2 dimensions, found {x}")));
        }
        let axis = match self.order {
            Order::Nchw => 1,
            Order::Nhwc => x.rank() - 1,
        };
        let (channels, group) = (x[axis], self.group);
        if !channels.is_multiple_of(group) {
            let message =
                format!("argument `group` is {group}, which does not divide the {channels} channels of {x}");
            return Err(OpError::input(0, message));
        }
        Ok([x.size_to(axis), group, channels / group, x.size_from(axis + 1)])
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = ChannelShuffleOp::from_args(context.args())?;
    if let Some(x) = context.shape(0) {
        operator.view(x)?;
    }
    Ok(vec![context.info(0)])
}

impl Operator for ChannelShuffleOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, shape) = (io.input_slice::<f32>(0)?, io.input(0)?.shape());
        let view = self.view(shape)?;
        let y = io.output_slice::<f32>(0, shape)?;
        if x.is_empty() {
            return Ok(());
        }
        Ok(transpose(io.threads(), &view, &[0, 2, 1, 3], x, y)?)
    }
}

register_cpu_operator!(ChannelShuffleOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, run_operator};

    fn run(dims: &[usize], def: OperatorDef) -> Result<Vec<f32>, String> {
        let values: Vec<f32> = (0..dims.iter().product()).map(|i: usize| i as f32).collect();
        let x = Tensor::from_slice(dims, &values).unwrap();
        let y = run_operator(&def.input("x").output("y"), [x]).map_err(|e| e.to_string())?.remove(0);
        assert_eq!(y.dims(), dims);
        Ok(y.as_slice::<f32>().unwrap().to_vec())
    }

    fn def(group: i64) -> OperatorDef {
        OperatorDef::new("ChannelShuffle").arg("group", group)
    }

    #[test]
    fn one_channel_of_each_group_in_turn() {
        assert_eq!(run(&[1, 4, 2], def(2)).unwrap(), [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
        assert_eq!(
            run(&[1, 2, 4], def(2).arg("order", "NHWC")).unwrap(),
            [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
        );
        assert!(run(&[2, 0, 3], def(2)).unwrap().is_empty());
        assert!(run(&[0, 4], def(2).arg("order", "nhwc")).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for group in [0, -2] {
            assert!(run(&[1, 4], def(group)).unwrap_err().contains("`group`: expected 1 or more"));
        }
        let error = run(&[1, 4, 2], def(3)).unwrap_err();
        assert!(error.contains("`group` is 3") && error.contains("[1, 4, 2]"), "{error}");
        assert!(
            run(&[4], def(2).arg("order", "NHWC")).unwrap_err().contains("expected at least 2 dimensions")
        );
        assert!(run(&[1, 4], def(2).arg("order", "HWC")).unwrap_err().contains("`order`: found `HWC`"));
    }
}
