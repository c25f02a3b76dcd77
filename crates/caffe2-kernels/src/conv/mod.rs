//! Convolution of images in one, two or three dimensions, forward.
//!
//! As in Caffe2 the filter is not flipped (cross-correlation), and what lies outside of the input counts as
//! zero. Shapes, with `…` for the spatial dimensions:
//!
//! | order | input | filter | output |
//! |---|---|---|---|
//! | NCHW | \[N, C, …] | \[M, C / groups, kernel…] | \[N, M, …] |
//! | NHWC | \[N, …, C] | \[M, kernel…, C / groups] | \[N, …, M] |
//!
//! A kernel of one element with stride 1 is a plain matrix product; one filter per channel is done by direct
//! loops; the rest unrolls patches of the input piece by piece, straight into the panels of a matrix product.

mod depthwise;
mod geometry;
mod nhwc;
mod patches;

pub use geometry::{ConvGeometry, GeometryError};
use patches::Patches;

use crate::error::check_len;
use crate::gemm::{Batch, Bias, MatRef, Product, RightOperand, run};
use crate::geometry::Order;
use crate::{Isa, KernelError, Threads};

/// Writes the convolution of `input` with `filter`, plus a bias per filter, to `output` (Caffe2 `Conv`).
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::conv::{ConvGeometry, conv};
/// use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
///
/// // One 3x3 image, one 2x2 filter that adds up the corners of its window.
/// let axis = Axis::new(3, Window::new(2), PadRule::Explicit)?;
/// let geometry = ConvGeometry::new(Order::Nchw, 1, 1, 1, 1, &[axis, axis])?;
/// let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
/// let mut output = [0.0; 4];
/// conv(&Threads::single(), &geometry, &image, &[1.0; 4], Some(&[0.5]), &mut output)?;
/// assert_eq!(output, [12.5, 16.5, 24.5, 28.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Length`] if a slice does not have the elements that `geometry` says.
pub fn conv(
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    conv_on(Isa::current(), threads, geometry, input, filter, bias, output)
}

fn conv_on(
    isa: Isa,
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    check_len("input of the convolution", geometry.input_len(), input.len())?;
    check_len("filter of the convolution", geometry.filter_len(), filter.len())?;
    check_len("output of the convolution", geometry.output_len(), output.len())?;
    if let Some(bias) = bias {
        check_len("bias of the convolution", geometry.filters(), bias.len())?;
    }
    let call = Call { isa, threads, geometry, input, filter, bias };
    match (geometry.order(), geometry.strategy()) {
        (Order::Nchw, Strategy::Pointwise) => nchw(&call, output, |channels| {
            let columns = geometry.output_size();
            MatRef::within(channels, geometry.group_channels(), columns, columns)
        }),
        (Order::Nchw, Strategy::Patches) => nchw(&call, output, |channels| Patches::new(geometry, channels)),
        (Order::Nchw, Strategy::Depthwise) => depthwise::nchw(&call, output),
        (Order::Nhwc, Strategy::Pointwise) => nhwc::pointwise(&call, output),
        (Order::Nhwc, Strategy::Patches) => nhwc::patches(&call, output),
        (Order::Nhwc, Strategy::Depthwise) => depthwise::nhwc(&call, output),
    }
    Ok(())
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// As a product of the filter with the input as it lies.
    Pointwise,
    /// By direct loops over channels.
    Depthwise,
    /// As a product with the unrolled patches of the input.
    Patches,
}

/// The operands of a convolution, of checked lengths, but for the output.
struct Call<'a> {
    isa: Isa,
    threads: &'a Threads,
    geometry: &'a ConvGeometry,
    input: &'a [f32],
    filter: &'a [f32],
    bias: Option<&'a [f32]>,
}

/// NCHW: for each image and group the filter times the group's channels, of which `right` makes a matrix.
fn nchw<'a, R: RightOperand>(
    call: &Call<'a>,
    output: &mut [f32],
    right: impl Fn(&'a [f32]) -> R + Sync + Send,
) {
    let g = call.geometry;
    let (rows, columns, depth) = (g.group_filters(), g.output_size(), g.depth());
    let channels_len = g.group_channels() * g.input_size();
    let batch = Batch { count: g.batch() * g.groups(), rows, columns, depth, row_stride: columns };
    let product = |index: usize| {
        let group = index % g.groups();
        let left = MatRef::within(&call.filter[group * rows * depth..], rows, depth, depth);
        let right = right(&call.input[index * channels_len..][..channels_len]);
        let bias = call.bias.map_or(Bias::None, |bias| Bias::PerRow(&bias[group * rows..][..rows]));
        Product { left, right, alpha: 1.0, beta: 0.0, bias, start: index * rows * columns }
    };
    // SAFETY: product `index` writes `rows * columns` contiguous elements from `index * rows * columns` on.
    #[allow(unsafe_code)]
    unsafe {
        run(call.isa, call.threads, &batch, output, product);
    }
}

#[cfg(test)]
mod tests;
