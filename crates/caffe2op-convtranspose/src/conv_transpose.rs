//! `ConvTranspose`: each pixel of X, times the filter, is added to a window of Y; windows that overlap add up.
//!
//! | order | X | filter | bias | Y |
//! |---|---|---|---|---|
//! | NCHW | `[N, C, H, W]` | `[C, M / group, kernel_h, kernel_w]` | `[M]` | `[N, M, H', W']` |
//! | NHWC | `[N, H, W, C]` | `[C, kernel_h, kernel_w, M / group]` | `[M]` | `[N, H', W', M]` |
//!
//! `H' = (H - 1) * stride_h + kernel_h + adj_h - pad_t - pad_b`, and W' likewise. Padding, which makes the output of a
//! convolution larger, makes this one smaller.
//!
//! | argument | default | |
//! |---|---|---|
//! | `kernels`, `kernel`, `kernel_h` and `kernel_w` | none | size of the window |
//! | `strides`, `stride`, `stride_h` and `stride_w` | 1 | distance of the windows of neighbouring pixels |
//! | `pads`, `pad`, or `pad_t`, `pad_l`, `pad_b` and `pad_r` | 0 | pixels cut off the output |
//! | `adjs`, `adj`, `adj_h` and `adj_w` | 0 | rows and columns appended, at most the stride |
//! | `legacy_pad` | 0 | 1 and 2: none is cut off |
//! | `group` | 1 | groups of channels |
//! | `order` | `NCHW` | or `NHWC` |
//! | `shared_buffer`, `no_bias` | 0 | no effect |
//!
//! See Caffe2 `conv_transpose_op_impl.h`.

use caffe2_kernels::conv_transpose::{ConvTransposeGeometry, TransposedAxis, conv_transpose};
use caffe2_operator::window::{Image, Order};
use caffe2_operator::{
    ArgError, Args, Comparison, Cost, CostContext, DataType, InferContext, OpError, OpIo, OpSchema, Operator,
    OperatorType, Shape, TensorInfo, register_cpu_operator,
};

use crate::args::{ConvTransposeArgs, declare};

/// The operator; see the [crate].
#[derive(Debug)]
pub struct ConvTransposeOp {
    args: ConvTransposeArgs,
}

impl OperatorType for ConvTransposeOp {
    const TYPE: &'static str = "ConvTranspose";

    fn schema() -> OpSchema {
        OpSchema::new(Self::TYPE)
            .doc(
                "Transposed convolution of images, also called deconvolution: each pixel is multiplied by the filter and \
                 added to a window of the output, where the windows of neighbouring pixels are `stride` apart. It is the \
                 gradient of a convolution, and is used to enlarge images by learnt weights.",
            )
            .inputs(2..=3)
            .outputs(1)
            .fill_using(declare)
            .input("X", "float images [N, C, H, W], or [N, H, W, C] in NHWC")
            .input("filter", "float filter [C, M / group, kernel_h, kernel_w], or [C, kernel_h, kernel_w, M / group] in NHWC")
            .input("bias", "float [M], added to each output; optional")
            .output(
                "Y",
                "float [N, M, H', W'], or [N, H', W', M] in NHWC, where H' is (H - 1) * stride + kernel + adj less what is \
                 cut off, and W' likewise",
            )
            .differences(
                "Rows and columns appended by an adj as large as the stride hold the bias, where Caffe2 adds memory that \
                 nobody wrote. Padding that cuts off more than there is, kernels of other than two entries, a group below 1 and a \
                 legacy_pad of 3 are errors, where Caffe2 crashes, or reads what lies behind the list. Types are checked \
                 even when there are no images.",
            )
            .infer(infer)
            .cost(cost)
            .comparison(Comparison::Tolerance(1e-4))
    }

    fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
        Ok(ConvTransposeOp { args: ConvTransposeArgs::read(args)? })
    }
}

impl ConvTransposeArgs {
    /// What is to be computed, and the shape of the output, from the shapes of image, filter and bias.
    fn plan(
        &self,
        x: &Shape,
        w: &Shape,
        b: Option<&Shape>,
    ) -> Result<(ConvTransposeGeometry, Shape), OpError> {
        let image = Image::of(x, self.order)?;
        let &[height, width] = image.size else {
            return Err(OpError::input(0, format!("image is {x}, expected 4 dimensions")));
        };
        let filters = self.filters(image.channels, x, w)?;
        if let Some(b) = b.filter(|b| b.dims() != [filters]) {
            let message = format!("bias is {b}, expected [{filters}], one for each output of filter {w}");
            return Err(OpError::input(2, message));
        }
        let axis = |d: usize, size: usize| {
            TransposedAxis::new(size, self.windows[d])
                .map_err(|e| OpError::input(0, format!("spatial dimension {d} of image {x}: {e}")))
        };
        let axes = [axis(0, height)?, axis(1, width)?];
        let size = axes.map(|axis| axis.output());
        let shape = match self.order {
            Order::Nchw => Shape::new(&[image.batch, filters, size[0], size[1]]),
            Order::Nhwc => Shape::new(&[image.batch, size[0], size[1], filters]),
        };
        let geometry =
            ConvTransposeGeometry::new(self.order, image.batch, image.channels, filters, self.group, axes);
        Ok((geometry.map_err(|e| OpError::shape(e.to_string()))?, shape?))
    }

    /// The channels of the output, if the filter fits the image `x` and the arguments.
    fn filters(&self, channels: usize, x: &Shape, w: &Shape) -> Result<usize, OpError> {
        let wrong = |message: String| Err(OpError::input(1, message));
        let (count, per_group, kernel) = match (self.order, w.dims()) {
            (Order::Nchw, &[count, per_group, height, width]) => (count, per_group, [height, width]),
            (Order::Nhwc, &[count, height, width, per_group]) => (count, per_group, [height, width]),
            _ => return wrong(format!("filter is {w}, expected 4 dimensions")),
        };
        if count != channels {
            return wrong(format!("filter {w} takes {count} channels, but the image {x} has {channels}"));
        }
        let expected = self.windows.map(|window| window.kernel);
        if kernel.map(|n| n as u64) != expected.map(|n| n as u64) {
            return wrong(format!(
                "filter {w} has a kernel of {kernel:?}, expected {expected:?} as the arguments say"
            ));
        }
        if !channels.is_multiple_of(self.group) {
            return wrong(format!(
                "filter {w} takes {channels} channels, expected a multiple of {} groups",
                self.group
            ));
        }
        per_group
            .checked_mul(self.group)
            .map_or_else(|| wrong(format!("filter {w} has too many outputs")), Ok)
    }
}

fn infer(context: &InferContext<'_>) -> Result<Vec<TensorInfo>, OpError> {
    let args = ConvTransposeArgs::read(context.args())?;
    let (Some(x), Some(w)) = (context.shape(0), context.shape(1)) else {
        return Ok(vec![TensorInfo::of_type(DataType::Float)]);
    };
    let (_, shape) = args.plan(x, w, context.shape(2))?;
    Ok(vec![TensorInfo::new(DataType::Float, shape)])
}

/// A multiply-add for each element of X and each of its filter.
fn cost(context: &CostContext<'_>) -> Cost {
    let filter = context.inputs.get(1).and_then(|info| info.shape.as_ref());
    let filter_len = filter.map_or(0, |shape| shape.size_from(1)) as u64;
    Cost::with_macs(context, context.input_numel(0).saturating_mul(filter_len))
}

impl Operator for ConvTransposeOp {
    fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
        let (x, w) = (io.input(0)?, io.input(1)?);
        let (xs, ws) = (io.input_slice(0)?, io.input_slice(1)?);
        let (b, bs) = match io.input_count() {
            3 => (Some(io.input(2)?.shape()), Some(io.input_slice(2)?)),
            _ => (None, None),
        };
        let (geometry, shape) = self.args.plan(x.shape(), w.shape(), b)?;
        let y = io.output_slice(0, shape)?;
        conv_transpose(io.threads(), &geometry, xs, ws, bs, y).map_err(|e| OpError::Other(e.to_string()))
    }
}

register_cpu_operator!(ConvTransposeOp);

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2_operator::proto::{NetDef, OperatorDef};
    use caffe2_operator::{OpRegistry, Tensor, infer_net, run_operator};

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::from_slice(shape, &vec![1.0f32; shape.iter().product()]).unwrap()
    }

    fn run(x: &[usize], w: &[usize], b: Option<&[usize]>, def: OperatorDef) -> Result<Tensor, String> {
        let inputs: Vec<Tensor> = [Some(x), Some(w), b].into_iter().flatten().map(ones).collect();
        let def =
            ["x", "w", "b"].into_iter().take(inputs.len()).fold(def, |def, name| def.input(name)).output("y");
        run_operator(&def, inputs).map(|mut outputs| outputs.remove(0)).map_err(|e| e.to_string())
    }

    fn def() -> OperatorDef {
        OperatorDef::new("ConvTranspose").arg("kernel", 2)
    }

    #[test]
    fn groups_in_both_orders() {
        let y = run(&[1, 4, 1, 2], &[4, 1, 2, 2], Some(&[2]), def().arg("group", 2)).unwrap();
        let row = [3.0, 5.0, 3.0];
        assert_eq!((y.dims(), y.as_slice::<f32>().unwrap()), (&[1, 2, 2, 3][..], &[row; 4].concat()[..]));
        let nhwc = def().arg("group", 2).arg("order", "NHWC");
        let y = run(&[1, 1, 2, 4], &[4, 2, 2, 1], Some(&[2]), nhwc).unwrap();
        let row = [3.0, 3.0, 5.0, 5.0, 3.0, 3.0];
        assert_eq!((y.dims(), y.as_slice::<f32>().unwrap()), (&[1, 2, 3, 2][..], &[row; 2].concat()[..]));
    }

    #[test]
    fn nothing_may_be_left() {
        for (batch, filters, pad) in [(0, 3, 0), (1, 0, 0), (1, 3, 1)] {
            let y = run(&[batch, 2, 1, 1], &[2, filters, 2, 2], None, def().arg("pad", pad)).unwrap();
            let side = 2 - 2 * pad as usize;
            assert_eq!(y.dims(), [batch, filters, side, side]);
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_told() {
        let (x, w) = (&[1, 4, 3, 3][..], &[4, 3, 2, 2][..]);
        for (x, w, b, def, part) in [
            (&[4, 3, 3][..], w, None, def(), "image is [4, 3, 3], expected 4 dimensions"),
            (&[1, 4, 3, 3, 3], w, None, def(), "expected 4 dimensions"),
            (x, &[4, 12], None, def(), "filter is [4, 12], expected 4 dimensions"),
            (x, &[3, 4, 2, 2], None, def(), "takes 3 channels, but the image [1, 4, 3, 3] has 4"),
            (x, &[4, 3, 2, 3], None, def(), "has a kernel of [2, 3], expected [2, 2]"),
            (x, w, None, def().arg("group", 3), "takes 4 channels, expected a multiple of 3 groups"),
            (x, w, Some(&[4][..]), def(), "bias is [4], expected [3]"),
            (x, w, None, def().arg("pad", 3), "spatial dimension 0 of image [1, 4, 3, 3]: padding cuts 6"),
            (&[1, 4, 0, 3], w, None, def(), "dimension 0 of image [1, 4, 0, 3]: the input has size 0"),
            (&[0, 0, 3, 3], &[0, 3, 2, 2], None, def(), "has no channels"),
            (x, w, None, def().arg("stride", i32::MAX), "elements"),
        ] {
            let error = run(x, w, b, def).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn cost_counts_multiply_adds() {
        let net = NetDef::new("n").op(def().inputs(["x", "w"]).output("y").arg("stride", 2).arg("group", 2));
        let float = |dims: &[usize]| TensorInfo::new(DataType::Float, Shape::new(dims).unwrap());
        let mut known = [("x".to_string(), float(&[2, 4, 5, 5])), ("w".to_string(), float(&[4, 3, 2, 2]))]
            .into_iter()
            .collect();
        let registry = OpRegistry::builder().operator::<ConvTransposeOp>().build().unwrap();
        let cost = infer_net(&registry, &net, &mut known).unwrap()[0].cost;
        assert_eq!((cost.macs, cost.bytes_written), (200 * 12, 2 * 6 * 100 * 4));
    }
}
