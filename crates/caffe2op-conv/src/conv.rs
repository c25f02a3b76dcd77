//! `Conv`: `Y = b + W * X`, where the filter W is laid over every window of the image X, not flipped.
//!
//! | order | X | W | b | Y |
//! |---|---|---|---|---|
//! | NCHW | `[N, C, size..]` | `[M, C / group, kernel..]` | `[M]` | `[N, M, size..]` |
//! | NHWC | `[N, size.., C]` | `[M, kernel.., C / group]` | `[M]` | `[N, size.., M]` |
//!
//! The arguments of the window are those of [`WindowArgs`]; `group` cuts the channels into groups, each of which
//! has filters of its own.

use caffe2_kernels::conv::{Algorithm, ConvGeometry, ConvTail, FilterForm, conv_bytes, conv_fused};
use caffe2_operator::window::{Image, Order, WindowArgs, declare_window_args};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, ExpectContext, Expectation, InferContext,
    OpError, OpIo, OpSchema, Operator, OperatorType, Shape, TensorInfo, WeightBytes, register_cpu_operator,
};

use crate::kept_filter::KeptFilter;

/// The arguments of [`ConvOp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvArgs {
    /// Size, steps, dilation and padding of the window, and the order of dimensions.
    pub window: WindowArgs,
    /// Groups of channels; at least 1.
    pub group: usize,
    /// How the sums are computed.
    pub algorithm: Algorithm,
}

impl ConvArgs {
    pub(crate) fn read(args: &Args<'_>) -> Result<Self, ArgError> {
        let window = WindowArgs::read(args)?;
        // They change nothing, but what is given must be of their kind.
        args.get::<bool>("shared_buffer")?;
        args.get::<bool>("float16_compute")?;
        let algorithm = match args.get::<String>("algo")?.as_str() {
            "WINOGRAD" => Algorithm::Winograd,
            _ => Algorithm::Direct,
        };
        match args.get::<i32>("group")? {
            group @ 1.. => Ok(ConvArgs { window, group: group as usize, algorithm }),
            group => Err(ArgError::value("group", format!("found {group}, expected at least 1"))),
        }
    }

    /// What is to be computed, and the shape of the output, from the shapes of image, filter and bias.
    pub(crate) fn plan(
        &self,
        x: &Shape,
        w: &Shape,
        b: Option<&Shape>,
    ) -> Result<(ConvGeometry, Shape), OpError> {
        let order = self.window.order;
        let image = Image::of(x, order)?;
        let axes = self.window.axes(image.size)?;
        let filter = Filter::of(w, order).filter(|f| f.kernel.len() == axes.len()).ok_or_else(|| {
            OpError::input(1, format!("filter is {w}, expected {} dimensions as the image {x} has", x.rank()))
        })?;
        if !axes.iter().map(|axis| axis.kernel()).eq(filter.kernel.iter().copied()) {
            let kernel: Vec<_> = axes.iter().map(|axis| axis.kernel()).collect();
            let message = format!(
                "filter {w} has a kernel of {:?}, expected {kernel:?} as the arguments say",
                filter.kernel
            );
            return Err(OpError::input(1, message));
        }
        let group = self.group;
        if filter.channels.checked_mul(group) != Some(image.channels) {
            let message = format!(
                "filter {w} takes {} channels in each of {group} groups, but the image {x} has {} channels",
                filter.channels, image.channels
            );
            return Err(OpError::input(1, message));
        }
        if !filter.count.is_multiple_of(group) {
            return Err(OpError::input(
                1,
                format!("filter {w} has {} outputs, expected a multiple of {group} groups", filter.count),
            ));
        }
        if let Some(b) = b.filter(|b| b.dims() != [filter.count]) {
            return Err(OpError::input(
                2,
                format!("bias is {b}, expected [{}], one for each output of filter {w}", filter.count),
            ));
        }
        let output = image.output_shape(filter.count, &axes, order)?;
        let geometry = ConvGeometry::new(order, image.batch, image.channels, filter.count, group, &axes);
        Ok((geometry.map_err(|e| OpError::shape(e.to_string()))?, output))
    }
}

/// The shape of a filter taken apart.
struct Filter<'a> {
    count: usize,
    channels: usize,
    kernel: &'a [usize],
}

impl<'a> Filter<'a> {
    fn of(shape: &'a Shape, order: Order) -> Option<Filter<'a>> {
        match (order, shape.dims()) {
            (Order::Nchw, &[count, channels, ref kernel @ ..]) => Some(Filter { count, channels, kernel }),
            (Order::Nhwc, &[count, ref kernel @ .., channels]) => Some(Filter { count, channels, kernel }),
            _ => None,
        }
    }
}

/// The operator; see the [crate]. `DIMS` gives it its name: `Conv1D` to `Conv3D`, and `Conv` for 0; they are all
/// the same, as in Caffe2.
#[derive(Debug)]
pub struct ConvOp<const DIMS: usize> {
    args: ConvArgs,
    filter: KeptFilter,
}

impl<const DIMS: usize> OperatorType for ConvOp<DIMS> {
    const TYPE: &'static str = match DIMS {
        1 => "Conv1D",
        2 => "Conv2D",
        3 => "Conv3D",
        _ => "Conv",
    };

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Convolution of images with filters: every output pixel is the bias plus the sum of the products of \
                 a filter, which is not flipped, with the pixels of its window; pixels beyond the image count as 0. \
                 Images have one to four spatial dimensions, whatever number the operator has in its name.",
            )
            .inputs(2..=3)
            .outputs(1)
            .fill_using(declare_conv_args)
            .input("X", "float images [N, C, size..], or [N, size.., C] in NHWC")
            .input(
                "filter",
                "float filters [M, C / group, kernel..], or [M, kernel.., C / group] in NHWC; multiplied from their \
                 bytes, with the same bits, if they are kept so (ByteWeightDequant, keep_codes)",
            )
            .input("bias", "float [M], added to each output; optional")
            .output("Y", "float [N, M, size..], or [N, size.., M] in NHWC")
            .differences(
                "Sizes are computed in integers, where Caffe2 divides floats and is wrong from 2^24 on. A stride or \
                 dilation of 0 is an error, as is a window that exceeds the image with legacy_pad VALID. The \
                 operator's name changes nothing. With global_pooling the filter must be as large as the image. \
                 Types are checked even when there are no images. Filters of images with few pixels are kept in a second \
                 form between runs; where the memory budget does not allow that, they are not.",
            )
            .infer(infer)
            .expect(expect)
            .cost(cost)
            .comparison(Comparison::Tolerance(1e-4))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ConvOp { args: ConvArgs::read(args)?, filter: KeptFilter::default() })
    }
}

/// The arguments that [`ConvArgs`] reads.
pub(crate) fn declare_conv_args(schema: OpSchema) -> OpSchema {
    schema
            .fill_using(declare_window_args)
            .arg("group", "groups into which channels and filters are cut; each output sees its own group only", 1)
            .arg(
                "algo",
                "`WINOGRAD` (as in Caffe2's NNPACK engine): kernels of 3 by 3 with stride 1 go by Winograd's algorithm \
                 where they have 16 channels and filters or more, and outputs of 12 by 12 or more, in NCHW. It takes fewer \
                 multiplications, four times the memory for these filters (beside the floats of those that are \
                 kept as bytes), has larger rounding errors, and spreads what is infinite or NaN to its tile of 4 \
                 by 4 pixels. With any other value sums are computed directly",
                "DIRECT",
            )
            .arg("shared_buffer", "has no effect: no buffer is kept in the workspace", false)
            .arg("float16_compute", "has no effect: Caffe2 uses it on graphics processors only", false)
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = ConvArgs::read(context.args())?;
    let (Some(x), Some(w)) = (context.shape(0), context.shape(1)) else {
        return Ok(vec![TensorInfo::of_type(DataType::Float)]);
    };
    let (_, shape) = args.plan(x, w, context.shape(2))?;
    Ok(vec![TensorInfo::new(DataType::Float, shape)])
}

/// Images with as many channels and dimensions as the filter says.
pub(crate) fn expect(context: &ExpectContext<'_>, index: usize) -> Expectation {
    let dims = || {
        let ConvArgs { window, group, .. } = ConvArgs::read(context.inputs.args()).ok()?;
        let filter = Filter::of(context.inputs.shape(1)?, window.order)?;
        let mut dims = vec![None; filter.kernel.len() + 2];
        let at = if window.order == Order::Nchw { 1 } else { dims.len() - 1 };
        dims[at] = filter.channels.checked_mul(group);
        Some(dims)
    };
    Expectation::floats(if index == 0 { dims() } else { None })
}

/// A multiply-add for each output and each element of its filter.
pub(crate) fn cost(context: &CostContext<'_>) -> Cost {
    let filter = context.inputs.get(1).and_then(|info| info.shape.as_ref());
    let filter_len = filter.map_or(0, |shape| shape.size_from(1)) as u64;
    Cost::with_macs(context, context.output_numel(0).saturating_mul(filter_len))
}

impl<const DIMS: usize> Operator for ConvOp<DIMS> {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, w) = (io.input(0)?, io.input(1)?);
        let (b, bias) = match io.input_count() {
            3 => (Some(io.input(2)?.shape()), Some(io.input_slice(2)?)),
            _ => (None, None),
        };
        let (geometry, shape) = self.args.plan(x.shape(), w.shape(), b)?;
        let tail = ConvTail { bias, ..ConvTail::default() };
        convolve(io, &mut self.filter, &self.args, &geometry, shape, &tail)
    }
}

/// Writes the convolution of input 0 with input 1, floats or what is kept as bytes, to output 0 of this shape.
pub(crate) fn convolve(
    io: &mut OpIo<'_>,
    kept: &mut KeptFilter,
    args: &ConvArgs,
    geometry: &ConvGeometry,
    shape: Shape,
    tail: &ConvTail<'_>,
) -> Result<(), OpError> {
    let (xs, w) = (io.input_slice(0)?, io.input(1)?);
    w.check_type(DataType::Float).map_err(|source| OpError::Input { index: 1, source })?;
    let filters = geometry.filters();
    // Another algorithm needs the filter in another form, which is made once.
    let as_it_is = !FilterForm::new(geometry, args.algorithm).is_some_and(|form| form.is_another_algorithm());
    let bytes = WeightBytes::of(w, filters, geometry.filter_len() / filters);
    if let Some(filter) = bytes.filter(|_| as_it_is) {
        let y = io.output_slice(0, shape)?;
        conv_bytes(io.threads(), geometry, xs, &filter, tail, y)?;
    } else {
        let filter = kept.get(io, geometry, args.algorithm, w)?;
        let y = io.output_slice(0, shape)?;
        conv_fused(io.threads(), geometry, xs, filter, tail, y)?;
    }
    Ok(())
}

register_cpu_operator!(ConvOp<0>);
register_cpu_operator!(ConvOp<1>);
register_cpu_operator!(ConvOp<2>);
register_cpu_operator!(ConvOp<3>);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{OpRegistry, Tensor, Workspace, infer_net};

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::from_slice(shape, &vec![1.0f32; shape.iter().product()]).unwrap()
    }

    fn run(x: &[usize], w: &[usize], b: Option<&[usize]>, def: OperatorDef) -> Result<Tensor, String> {
        let mut workspace = Workspace::new();
        let mut def = def.output("y");
        for (name, shape) in [("x", Some(x)), ("w", Some(w)), ("b", b)] {
            if let Some(shape) = shape {
                workspace.feed(name, ones(shape));
                def = def.input(name);
            }
        }
        workspace.run_operator_once(&def).map_err(|e| e.to_string())?;
        workspace.fetch("y").map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("Conv")
    }

    #[test]
    fn all_names_are_the_same_operator() {
        let types = [ConvOp::<0>::TYPE, ConvOp::<1>::TYPE, ConvOp::<2>::TYPE, ConvOp::<3>::TYPE];
        assert_eq!(types, ["Conv", "Conv1D", "Conv2D", "Conv3D"]);
        for op_type in types {
            let def = OperatorDef::new(op_type).arg("kernels", [2]).arg("pads", [0, 1]);
            let y = run(&[1, 3, 4], &[2, 3, 2], Some(&[2]), def).unwrap();
            assert_eq!(
                (y.dims(), y.as_slice::<f32>().unwrap()),
                (&[1, 2, 4][..], &[7.0, 7.0, 7.0, 4.0, 7.0, 7.0, 7.0, 4.0][..])
            );
        }
    }

    #[test]
    fn defaults_are_those_of_caffe2() {
        let (schema, def) = (ConvOp::<0>::schema(), def().arg("kernel", 1));
        let args = ConvArgs::read(&Args::new(&def, &schema).unwrap()).unwrap();
        assert_eq!((args.group, args.window.order, args.window.global), (1, Order::Nchw, false));
        assert_eq!(args.algorithm, Algorithm::Direct);
    }

    #[test]
    fn a_global_window_wants_a_filter_of_the_size_of_the_image() {
        let y = run(&[1, 2, 3, 4], &[1, 2, 3, 4], None, def().arg("global_pooling", 1)).unwrap();
        assert_eq!((y.dims(), y.as_slice::<f32>().unwrap()), (&[1, 1, 1, 1][..], &[24.0][..]));
        let error = run(&[1, 2, 3, 4], &[1, 2, 2, 2], None, def().arg("global_pooling", 1)).unwrap_err();
        assert!(error.contains("kernel of [2, 2], expected [3, 4]"), "{error}");
    }

    #[test]
    fn negative_padding_crops_even_a_window_of_one_pixel() {
        let y = run(&[1, 1, 4, 4], &[1, 1, 1, 1], None, def().arg("kernel", 1).arg("pad", -1)).unwrap();
        assert_eq!(y.dims(), [1, 1, 2, 2]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_told() {
        let two = || def().arg("kernel", 2);
        for (x, w, b, def, part) in [
            (&[2, 4][..], &[1, 4, 2, 2][..], None, two(), "image is [2, 4], expected 3 or more dimensions"),
            (
                &[1, 4, 3, 3],
                &[1, 16],
                None,
                two(),
                "filter is [1, 16], expected 4 dimensions as the image [1, 4, 3, 3]",
            ),
            (
                &[1, 4, 3, 3],
                &[1, 4, 3, 3],
                None,
                two(),
                "filter [1, 4, 3, 3] has a kernel of [3, 3], expected [2, 2]",
            ),
            (
                &[1, 4, 3, 3],
                &[1, 3, 2, 2],
                None,
                two(),
                "takes 3 channels in each of 1 groups, but the image [1, 4, 3, 3] has 4",
            ),
            (
                &[1, 4, 3, 3],
                &[3, 2, 2, 2],
                None,
                two().arg("group", 2),
                "has 3 outputs, expected a multiple of 2 groups",
            ),
            (&[1, 4, 3, 3], &[0, 4, 2, 2], None, two(), "0 filters"),
            (&[1, 4, 3, 3], &[3, 4, 2, 2], Some(&[2][..]), two(), "bias is [2], expected [3]"),
            (&[1, 4, 1, 3], &[3, 4, 2, 2], None, two(), "spatial dimension 0 of image [1, 3]"),
            (&[1, 4, 3], &[3, 4, 2], None, two(), "image [3] has 1 spatial dimensions, but the kernel 2"),
            (
                &[1, 4, 3, 3],
                &[3, 4, 2, 2],
                None,
                two().arg("group", 0),
                "`group`: found 0, expected at least 1",
            ),
        ] {
            let error = run(x, w, b, def).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn cost_counts_multiply_adds() {
        let net = NetDef::new("n").op(def().inputs(["x", "w"]).output("y").arg("kernel", 3).arg("group", 2));
        let float = |dims: &[usize]| TensorInfo::new(DataType::Float, Shape::new(dims).unwrap());
        let mut known = [("x".to_string(), float(&[2, 4, 5, 5])), ("w".to_string(), float(&[6, 2, 3, 3]))]
            .into_iter()
            .collect();
        let registry = OpRegistry::builder().operator::<ConvOp<0>>().build().unwrap();
        let cost = infer_net(&registry, &net, &mut known).unwrap()[0].cost;
        assert_eq!((cost.macs, cost.bytes_written), (2 * 6 * 9 * 2 * 9, 2 * 6 * 9 * 4));
    }
}
