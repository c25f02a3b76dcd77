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
    ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, register_cpu_operator,
};
use smallvec::SmallVec;

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
            .infer_same_as_input(0)
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        match args.get::<String>("order")?.as_str() {
            "NCHW" | "nchw" => Ok(PReluOp { order: Order::Nchw }),
            "NHWC" | "nhwc" => Ok(PReluOp { order: Order::Nhwc }),
            other => Err(ArgError::value("order", format!("found `{other}`, expected `NCHW` or `NHWC`"))),
        }
    }
}

impl Operator for PReluOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let x = io.input_shape(0)?;
        // Channels and, as often as 1 is repeated, the dimensions behind them.
        let channels = match (self.order, x.dims()) {
            (Order::Nchw, [_, channels, behind @ ..]) => Ok((*channels, behind.len())),
            (Order::Nhwc, [.., channels]) => Ok((*channels, 0)),
            (Order::Nchw, _) => Err("at least two dimensions"),
            (Order::Nhwc, _) => Err("at least one dimension"),
        };
        let (channels, behind) =
            channels.map_err(|wanted| OpError::input(0, format!("shape {x}, expected {wanted}")))?;
        let slope = io.input_slice::<f32>(1)?;
        match slope {
            [slope] => leaky_relu(io.threads(), *slope, io.unary(0, 0)?),
            _ if slope.len() == channels => {
                let mut dims = SmallVec::<[usize; 6]>::from_elem(1, behind + 1);
                dims[0] = channels;
                self.scale_channels(io, &Broadcast::new(&x, &dims)?, slope)?;
            }
            _ => {
                let found = slope.len();
                return Err(OpError::input(
                    1,
                    format!("{found} elements, expected 1 or the {channels} of X's channels"),
                ));
            }
        }
        Ok(())
    }
}

impl PReluOp {
    fn scale_channels(&self, io: &mut OpIo<'_>, broadcast: &Broadcast, slope: &[f32]) -> Result<(), OpError> {
        let operands = match io.in_place_slice(0, 0)? {
            Some(a) => BinaryIo::IntoA { a, b: slope },
            None => BinaryIo::Apart {
                a: io.input_slice(0)?,
                b: slope,
                out: io.output_slice(0, broadcast.dims())?,
            },
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
