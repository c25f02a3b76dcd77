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
mod filter;
mod geometry;
mod nhwc;
mod patches;

use filter::{Bytes, Filter};
pub use geometry::{ConvGeometry, GeometryError};
use patches::Patches;

use crate::byte_rows::ByteRows;
use crate::error::{check_len, check_same};
use crate::gemm::{Batch, Bias, MatRef, Product, RightOperand, run};
use crate::geometry::Order;
use crate::{Isa, KernelError, Threads, scratch};

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

/// [`conv`] with a filter that is kept as bytes: a row of `filter` for each filter, with its elements in their order.
/// The result has the bits that the expanded filter gives.
///
/// No more of the filter is expanded at a time than stays in a cache; that of a convolution of each channel for itself,
/// which is small, is expanded as a whole.
///
/// # Errors
///
/// [`KernelError::Length`] if a slice does not have the elements that `geometry` says, [`KernelError::Mismatch`] if the
/// filter does not.
pub fn conv_bytes<B: ByteRows>(
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: &B,
    bias: Option<&[f32]>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    conv_bytes_on(Isa::current(), threads, geometry, input, filter, bias, output)
}

fn conv_bytes_on<B: ByteRows>(
    isa: Isa,
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: &B,
    bias: Option<&[f32]>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    check_same("filters of the convolution", geometry.filters(), filter.rows())?;
    check_same("elements of a filter", geometry.depth(), filter.width())?;
    check_lens(geometry, input, bias, output)?;
    if geometry.strategy() != Strategy::Depthwise {
        products(&Call { isa, threads, geometry, input, filter: Bytes(filter), bias }, output);
        return Ok(());
    }
    scratch::with(geometry.filter_len(), |floats| {
        for (row, values) in floats.chunks_exact_mut(geometry.depth()).enumerate() {
            filter.expand(row, 0, values);
        }
        conv_on(isa, threads, geometry, input, floats, bias, output)
    })
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
    check_len("filter of the convolution", geometry.filter_len(), filter.len())?;
    check_lens(geometry, input, bias, output)?;
    let call = Call { isa, threads, geometry, input, filter, bias };
    match (geometry.order(), geometry.strategy()) {
        (Order::Nchw, Strategy::Depthwise) => depthwise::nchw(&call, output),
        (Order::Nhwc, Strategy::Depthwise) => depthwise::nhwc(&call, output),
        _ => products(&call, output),
    }
    Ok(())
}

/// Checks all lengths but that of the filter.
fn check_lens(
    geometry: &ConvGeometry,
    input: &[f32],
    bias: Option<&[f32]>,
    output: &[f32],
) -> Result<(), KernelError> {
    check_len("input of the convolution", geometry.input_len(), input.len())?;
    check_len("output of the convolution", geometry.output_len(), output.len())?;
    bias.map_or(Ok(()), |bias| check_len("bias of the convolution", geometry.filters(), bias.len()))
}

/// The strategies that are products of matrices.
fn products<'a, F: Filter<'a>>(call: &Call<'a, F>, output: &mut [f32]) {
    let geometry = call.geometry;
    let pointwise = geometry.strategy() == Strategy::Pointwise;
    match geometry.order() {
        Order::Nchw if pointwise => nchw(call, output, |channels| {
            let columns = geometry.output_size();
            MatRef::within(channels, geometry.group_channels(), columns, columns)
        }),
        Order::Nchw => nchw(call, output, |channels| Patches::new(geometry, channels)),
        Order::Nhwc if pointwise => nhwc::pointwise(call, output),
        Order::Nhwc => nhwc::patches(call, output),
    }
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
struct Call<'a, F = &'a [f32]> {
    isa: Isa,
    threads: &'a Threads,
    geometry: &'a ConvGeometry,
    input: &'a [f32],
    filter: F,
    bias: Option<&'a [f32]>,
}

/// NCHW: for each image and group the filter times the group's channels, of which `right` makes a matrix.
fn nchw<'a, F: Filter<'a>, R: RightOperand>(
    call: &Call<'a, F>,
    output: &mut [f32],
    right: impl Fn(&'a [f32]) -> R + Sync + Send,
) {
    let g = call.geometry;
    let (rows, columns, depth) = (g.group_filters(), g.output_size(), g.depth());
    let channels_len = g.group_channels() * g.input_size();
    let batch = Batch { count: g.batch() * g.groups(), rows, columns, depth, row_stride: columns };
    let product = |index: usize| {
        let group = index % g.groups();
        let left = call.filter.left(g, group);
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
