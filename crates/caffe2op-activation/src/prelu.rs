//! `PRelu`: negative values are scaled, by one factor or by one for each channel.
//!
//! | argument | default | |
//! |---|---|---|
//! | `order` | `NCHW` | whether the channels are dimension 1, `NCHW`, or the last, `NHWC` |
//!
//! Source: Caffe2 `prelu_op.cc`.

use caffe2_kernels::elementwise::{BinaryIo, Broadcast, binary_with, leaky_relu};
use caffe2_operator::window::Order;
use caffe2_operator::{
    ArgError, Args, Cost, InferContext, OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo,
    register_cpu_operator,
};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct PReluOp {
    order: Order,
}

impl OperatorType for PReluOp {
    const TYPE: &'static str = "PRelu";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Scales negative values: Y = X where X is above 0, else slope * X. Only with one slope for each channel \
                 and the order NHWC it is this formula to the bit; otherwise it is max(X, 0) + slope * min(X, 0), which \
                 makes NaN of 0 and of positive values where the slope is not finite.",
            )
            .differences("An order other than NCHW and NHWC is refused; Caffe2 takes any with a single slope.")
            .inputs(2)
            .outputs(1)
            .allow_in_place(&[(0, 0)])
            .arg("order", "whether the channels are dimension 1, `NCHW`, or the last one, `NHWC`", "NCHW")
            .input("X", "float tensor; with the order NCHW of at least two dimensions, otherwise of at least one")
            .input("slope", "float tensor of one element, or of as many as there are channels")
            .output("Y", "float tensor of X's shape")
            .infer(infer)
            .cost(|context| Cost::with_macs(context, context.output_numel(0)))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        match args.get::<String>("order")?.as_str() {
            "NCHW" | "nchw" => Ok(PReluOp { order: Order::Nchw }),
            "NHWC" | "nhwc" => Ok(PReluOp { order: Order::Nhwc }),
            other => Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`"))),
        }
    }
}

impl PReluOp {
    /// The dimension of the channels.
    fn axis(&self, x: &Shape) -> Result<usize, OpError> {
        let (axis, wanted) = match self.order {
            Order::Nchw => (Some(1), "at least two dimensions"),
            Order::Nhwc => (x.rank().checked_sub(1), "at least one dimension"),
        };
        let axis = axis.filter(|axis| *axis < x.rank());
        axis.ok_or_else(|| OpError::input(0, format!("shape {x}, expected {wanted}")))
    }

    /// The dimension of the channels, once there are as many slopes, or one.
    fn check(&self, x: &Shape, slopes: Option<usize>) -> Result<usize, OpError> {
        let axis = self.axis(x)?;
        match slopes {
            Some(found) if found != 1 && found != x[axis] => {
                let channels = x[axis];
                let message = format!("{found} elements, expected 1 or the {channels} of X's channels");
                Err(OpError::input(1, message))
            }
            _ => Ok(axis),
        }
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let operator = PReluOp::from_args(context.args())?;
    if let Some(x) = context.shape(0) {
        operator.check(x, context.shape(1).map(Shape::numel))?;
    }
    Ok(vec![context.info(0)])
}

impl Operator for PReluOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let slope = io.input_slice::<f32>(1)?;
        let x = io.input_shape(0)?;
        let axis = self.check(&x, Some(slope.len()))?;
        match slope {
            [slope] => leaky_relu(io.threads(), *slope, io.unary(0, 0)?),
            slopes => self.scale_channels(io, &x, axis, slopes)?,
        }
        Ok(())
    }
}

impl PReluOp {
    fn scale_channels(
        &self,
        io: &mut OpIo<'_>,
        x: &Shape,
        axis: usize,
        slope: &[f32],
    ) -> Result<(), OpError> {
        let dims = [x.size_to(axis), x[axis], x.size_from(axis + 1)];
        let broadcast = &Broadcast::new(&dims, &[x[axis], 1])?;
        let operands = match io.in_place_slice(0, 0)? {
            Some(a) => BinaryIo::IntoA { a, b: slope },
            None => BinaryIo::Apart { a: io.input_slice(0)?, b: slope, out: io.output_slice(0, x)? },
        };
        let threads = io.threads();
        match self.order {
            Order::Nhwc => binary_with(
                threads,
                broadcast,
                operands,
                #[inline(always)]
                move |x: f32, slope: f32| if x > 0.0 { x } else { slope * x },
            ),
            Order::Nchw => binary_with(
                threads,
                broadcast,
                operands,
                #[inline(always)]
                move |x: f32, slope: f32| {
                    (if x < 0.0 { 0.0 } else { x }) + slope * (if x > 0.0 { 0.0 } else { x })
                },
            ),
        }?;
        Ok(())
    }
}

register_cpu_operator!(PReluOp);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    fn run(x: Tensor, slope: &[f32], output: &str, order: &str) -> Result<Vec<f32>, String> {
        let mut workspace = Workspace::new();
        workspace.feed("x", x);
        workspace.feed("slope", Tensor::from_slice([slope.len()], slope).unwrap());
        let def = OperatorDef::new("PRelu").inputs(["x", "slope"]).output(output).arg("order", order);
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        Ok(workspace.fetch(output).map_err(|e| e.to_string())?.as_slice::<f32>().unwrap().to_vec())
    }

    fn tensor(dims: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_slice(dims, values).unwrap()
    }

    #[test]
    fn each_channel_has_its_slope_in_either_order() {
        let x = tensor(&[1, 2, 3], &[-1.0, 2.0, -3.0, 4.0, -5.0, -6.0]);
        for output in ["y", "x"] {
            let by = |slope: &[f32], order| run(x.clone(), slope, output, order).unwrap();
            assert_eq!(by(&[2.0], "NCHW"), [-2.0, 2.0, -6.0, 4.0, -10.0, -12.0]);
            assert_eq!(by(&[2.0, 10.0], "NCHW"), [-2.0, 2.0, -6.0, 4.0, -50.0, -60.0]);
            assert_eq!(by(&[2.0, 3.0, 10.0], "NHWC"), [-2.0, 2.0, -30.0, 4.0, -15.0, -60.0]);
        }
    }

    #[test]
    fn errors_name_the_input_and_the_argument() {
        let x = || tensor(&[1, 2, 3], &[0.0; 6]);
        let error = run(x(), &[1.0; 3], "y", "NCHW").unwrap_err();
        assert!(
            error.contains("input 1 `slope`: 3 elements, expected 1 or the 2 of X's channels"),
            "{error}"
        );
        assert!(run(x(), &[], "x", "NHWC").unwrap_err().contains("0 elements, expected 1 or the 3"));
        assert!(run(x(), &[1.0], "y", "CHW").unwrap_err().contains("`order`: found `CHW`"));
        let error = run(tensor(&[1], &[0.0]), &[1.0], "y", "NCHW").unwrap_err();
        assert!(error.contains("input 0 `x`: shape [1], expected at least two dimensions"), "{error}");
        assert!(run(Tensor::scalar(0.0f32).unwrap(), &[1.0], "y", "NHWC").unwrap_err().contains("input 0"));
        assert!(run(Tensor::scalar(0.0f64).unwrap(), &[1.0], "y", "NHWC").is_err());
    }
}
