//! `MaxPool` and `AveragePool`: the maximum or the mean of every window of an image, channel by channel.
//!
//! X is `[N, C, size..]`, or `[N, size.., C]` in NHWC, with one to three spatial dimensions; so is Y. The
//! arguments of the window are those of [`WindowArgs`]. A window that overhangs the image is clipped to it, and
//! `AveragePool` divides by the number of pixels that are left, or by that of the whole window if
//! `count_include_pad` is set.

use caffe2_kernels::pool::{PoolGeometry, Pooling, pool};
use caffe2_operator::window::{Image, Window, WindowArgs, declare_window_args};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, Expectation, InferContext, OpError, OpIo,
    OpSchema, Operator, OperatorType, Shape, TensorInfo, register_cpu_operator,
};

/// The arguments of [`MaxPoolOp`] and [`AveragePoolOp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolArgs {
    /// Size, steps and padding of the window, and the order of dimensions.
    pub window: WindowArgs,
    /// What serves images of one dimension when the window is given for two.
    line: Option<WindowArgs>,
}

impl PoolArgs {
    fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let window = WindowArgs::read(args)?;
        // They change nothing, but what is given must be of their kind.
        args.get::<i32>("group")?;
        args.get::<bool>("shared_buffer")?;
        args.get::<bool>("float16_compute")?;
        for &Window { kernel, dilation, head, tail, .. } in &window.windows {
            if dilation != 1 {
                return Err(ArgError::value(
                    "dilation",
                    format!("found {dilation}, expected 1: windows of a pool have no gaps"),
                ));
            }
            let pad = head.max(tail);
            if pad >= kernel {
                return Err(ArgError::value(
                    "pad",
                    format!("found {pad}, expected less than the kernel, which is {kernel}"),
                ));
            }
        }
        let line = match window.windows.as_slice() {
            // As Caffe2 has it: the padding before the second dimension comes behind the line.
            [first, second] => {
                let windows = vec![Window { tail: second.head, ..*first }];
                Some(WindowArgs { windows, ..window.clone() })
            }
            _ => None,
        };
        Ok(PoolArgs { window, line })
    }

    /// What is to be computed, and the shape of the output, from the shape of the images.
    fn plan(&self, x: &Shape) -> Result<(PoolGeometry, Shape), OpError> {
        let order = self.window.order;
        let image = Image::of(x, order)?;
        let window =
            if image.size.len() == 1 { self.line.as_ref().unwrap_or(&self.window) } else { &self.window };
        let axes = window.axes(image.size)?;
        let geometry = PoolGeometry::new(order, image.batch, image.channels, &axes);
        let geometry = geometry.map_err(|e| OpError::input(0, format!("image {x}: {e}")))?;
        Ok((geometry, image.output_shape(image.channels, &axes, order)?))
    }

    fn run(&self, pooling: Pooling, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, xs) = (io.input(0)?, io.input_slice(0)?);
        let (geometry, shape) = self.plan(x.shape())?;
        let y = io.output_slice(0, shape)?;
        pool(io.threads(), &geometry, pooling, xs, y).map_err(|e| OpError::Other(e.to_string()))
    }
}

fn schema(op_type: &'static str, doc: &'static str, differences: &'static str) -> OpSchema {
    OpSchema::new(op_type)
        .doc(doc)
        .inputs(1)
        .outputs(1)
        .fill_using(declare_window_args)
        .arg("group", "has no effect: every channel is for itself", 1)
        .arg("shared_buffer", "has no effect: no buffer is kept in the workspace", false)
        .arg("float16_compute", "has no effect", false)
        .input("X", "float images [N, C, size..], or [N, size.., C] in NHWC; one to three spatial dimensions")
        .output("Y", "float [N, C, size..], or [N, size.., C] in NHWC")
        .differences(differences)
        .infer(infer)
        .expect(|_, _| Expectation::of_type(DataType::Float))
        .cost(cost)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = PoolArgs::read(context.args())?;
    let Some(x) = context.shape(0) else { return Ok(vec![TensorInfo::of_type(DataType::Float)]) };
    let (_, shape) = args.plan(x)?;
    Ok(vec![TensorInfo::new(DataType::Float, shape)])
}

fn cost(context: &CostContext<'_>) -> Cost {
    Cost::copying(context)
}

/// The name of a type with its number of dimensions: `$any` for 0.
macro_rules! name {
    ($any:literal, $dims:expr) => {
        match $dims {
            1 => concat!($any, "1D"),
            2 => concat!($any, "2D"),
            3 => concat!($any, "3D"),
            _ => $any,
        }
    };
}

/// The maximum of every window; see the [crate]. `DIMS` gives the operator its name: `MaxPool1D` to `MaxPool3D`, and
/// `MaxPool` for 0; they are all the same, as in Caffe2.
#[derive(Debug)]
pub struct MaxPoolOp<const DIMS: usize> {
    args: PoolArgs,
}

impl<const DIMS: usize> OperatorType for MaxPoolOp<DIMS> {
    const TYPE: &'static str = name!("MaxPool", DIMS);

    fn schema() -> OpSchema {
        schema(
            Self::TYPE,
            "The maximum of every window of an image, channel by channel. Windows are clipped to the image. NaN \
             in a window gives NaN.",
            "NaN always wins, and a window of nothing but minus infinity gives minus infinity, where Caffe2's \
             answers depend on order and place. Sizes are computed in integers. The operator's name changes nothing.",
        )
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(MaxPoolOp { args: PoolArgs::read(args)? })
    }
}

impl<const DIMS: usize> Operator for MaxPoolOp<DIMS> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        self.args.run(Pooling::Max, io)
    }
}

/// The mean of every window; see the [crate]. `DIMS` gives the operator its name: `AveragePool1D` to
/// `AveragePool3D`, and `AveragePool` for 0; they are all the same, as in Caffe2.
#[derive(Debug)]
pub struct AveragePoolOp<const DIMS: usize> {
    args: PoolArgs,
    include_pad: bool,
}

impl<const DIMS: usize> OperatorType for AveragePoolOp<DIMS> {
    const TYPE: &'static str = name!("AveragePool", DIMS);

    fn schema() -> OpSchema {
        schema(
            Self::TYPE,
            "The mean of every window of an image, channel by channel. Windows are clipped to the image.",
            "Sizes are computed in integers. The operator's name changes nothing.",
        )
        .arg(
            "count_include_pad",
            "divide by the size of the whole window even where it overhangs the image",
            false,
        )
        .comparison(Comparison::Tolerance(1e-6))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(AveragePoolOp { args: PoolArgs::read(args)?, include_pad: args.get("count_include_pad")? })
    }
}

impl<const DIMS: usize> Operator for AveragePoolOp<DIMS> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        self.args.run(Pooling::Average { include_pad: self.include_pad }, io)
    }
}

register_cpu_operator!(MaxPoolOp<0>);
register_cpu_operator!(MaxPoolOp<1>);
register_cpu_operator!(MaxPoolOp<2>);
register_cpu_operator!(MaxPoolOp<3>);
register_cpu_operator!(AveragePoolOp<0>);
register_cpu_operator!(AveragePoolOp<1>);
register_cpu_operator!(AveragePoolOp<2>);
register_cpu_operator!(AveragePoolOp<3>);

#[cfg(test)]
mod tests {
    use caffe2_operator::proto::OperatorDef;
    use caffe2_operator::{Tensor, Workspace};

    /// Pools 0, 1, 2, … in a tensor of this shape.
    fn run(shape: &[usize], def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        let values: Vec<f32> = (0..shape.iter().product()).map(|v| v as f32).collect();
        workspace.feed("x", Tensor::from_slice(shape, &values).unwrap());
        workspace.run_operator_once(&def.input("x").output("y")).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn max() -> OperatorDef {
        OperatorDef::new("MaxPool")
    }

    fn average() -> OperatorDef {
        OperatorDef::new("AveragePool")
    }

    fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::from_slice(shape, values).unwrap()
    }

    #[test]
    fn all_names_are_the_same_operators() {
        for dims in ["", "1D", "2D", "3D"] {
            let def =
                |name| OperatorDef::new(format!("{name}{dims}")).arg("kernels", [2]).arg("strides", [2]);
            assert_eq!(run(&[1, 1, 4], def("MaxPool")), Ok(tensor(&[1, 1, 2], &[1.0, 3.0])));
            assert_eq!(run(&[1, 1, 4], def("AveragePool")), Ok(tensor(&[1, 1, 2], &[0.5, 2.5])));
        }
    }

    #[test]
    fn a_window_for_planes_serves_a_line_with_its_first_half() {
        let def = max().arg("kernels", [3, 1]).arg("strides", [2, 5]).arg("pads", [1, 2, 0, 0]);
        assert!(run(&[1, 1, 3], def).unwrap_err().contains("expected less than the kernel"));
        let def = max().arg("kernel", 3).arg("pad_t", 1).arg("pad_l", 2).arg("pad_b", 0).arg("pad_r", 0);
        assert_eq!(run(&[1, 1, 3], def), Ok(tensor(&[1, 1, 4], &[1.0, 2.0, 2.0, 2.0])));
    }

    #[test]
    fn overhanging_windows_count_their_pixels_unless_told_otherwise() {
        let def = || average().arg("kernels", [3]).arg("pads", [2, 2]);
        assert_eq!(run(&[1, 1, 2], def()), Ok(tensor(&[1, 1, 4], &[0.0, 0.5, 0.5, 1.0])));
        let included = def().arg("count_include_pad", 1);
        let third = 1.0f32 / 3.0;
        assert_eq!(run(&[1, 1, 2], included), Ok(tensor(&[1, 1, 4], &[0.0, third, third, third])));
    }

    #[test]
    fn a_global_window_of_any_rank_needs_no_kernel() {
        let def = || average().arg("global_pooling", 1);
        assert_eq!(run(&[1, 2, 2, 2, 2], def()), Ok(tensor(&[1, 2, 1, 1, 1], &[3.5, 11.5])));
        assert_eq!(run(&[1, 3, 2], def().arg("order", "NHWC")), Ok(tensor(&[1, 1, 2], &[2.0, 3.0])));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (shape, def, part) in [
            (&[1, 1, 4, 4][..], max(), "`kernel`: no size of the window"),
            (&[1, 1, 4, 4], max().arg("kernel", 2).arg("dilation", 2), "`dilation`: found 2, expected 1"),
            (
                &[1, 1, 4, 4],
                max().arg("kernel", 2).arg("pad", 2),
                "`pad`: found 2, expected less than the kernel, which is 2",
            ),
            (&[1, 4], max().arg("kernel", 2), "image is [1, 4], expected 3 or more dimensions"),
            (&[1, 1, 4, 1], max().arg("kernel", 2), "spatial dimension 1 of image [4, 1]"),
            (
                &[1, 1, 4, 4, 4],
                max().arg("kernel", 2),
                "image [4, 4, 4] has 3 spatial dimensions, but the kernel 2",
            ),
            (&[1, 1, 2, 2, 2, 2], max().arg("kernels", [2, 2, 2, 2]), "1 to 3 are supported"),
            (&[1, 1, 4, 0], max().arg("kernel", 2), "size 0"),
            (&[1, 0, 4, 4], max().arg("kernel", 2), "image [1, 0, 4, 4] has no channels"),
            (&[1, 1, 4, 4], average().arg("kernel", 2).arg("count_include_pad", 1.0), "`count_include_pad`"),
            (&[1, 1, 4, 4], max().arg("kernel", 2).arg("group", 1.0), "`group`"),
        ] {
            let error = run(shape, def).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
