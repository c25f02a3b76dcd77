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
//! loops; kernels of 3 by 3 may go by Winograd's algorithm ([`Algorithm`]); the rest unrolls patches of the input piece
//! by piece, straight into the panels of a matrix product (from a padded copy of planes where there is memory for one). [`conv_fused`] does more to the output while it is in the
//! cache.

mod banded;
mod depthwise;
mod filter;
mod geometry;
mod nhwc;
mod operand;
mod patches;
mod winograd;

use std::ops::Range;

use filter::Kind;
pub use filter::{Algorithm, Filter, FilterForm};
pub use geometry::{ConvGeometry, GeometryError};
use operand::{Bytes, LeftFilter, PackedGroups, RightFilter};
use patches::Patches;

use crate::byte_rows::ByteRows;
use crate::error::{check_len, check_same};
use crate::gemm::{Activation, Batch, Bias, MatRef, Product, RightOperand, Tail, run};
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

fn conv_on(
    isa: Isa,
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    let tail = ConvTail { bias, ..ConvTail::default() };
    conv_fused_on(isa, threads, geometry, input, Filter::Plain(filter), &tail, output)
}

/// What becomes of the sums of a convolution while they are in the cache: `activation(sum * scale + bias + residual)`.
/// Nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ConvTail<'a> {
    /// A factor for each filter, only where there is a bias too; none are all 1.
    pub scale: Option<&'a [f32]>,
    /// What is added for each filter.
    pub bias: Option<&'a [f32]>,
    /// What is added to each element: as many as the output has, in its order.
    pub residual: Option<&'a [f32]>,
    /// What is applied at last.
    pub activation: Activation,
}

impl<'a> ConvTail<'a> {
    fn check(&self, geometry: &ConvGeometry) -> Result<(), KernelError> {
        if let Some(bias) = self.bias {
            check_len("bias of the convolution", geometry.filters(), bias.len())?;
        }
        if let Some(scale) = self.scale {
            check_len("scale of the convolution", geometry.filters(), scale.len())?;
            check_len("bias beside a scale", geometry.filters(), self.bias.map_or(0, <[f32]>::len))?;
        }
        match self.residual {
            Some(residual) => check_len("residual of the convolution", geometry.output_len(), residual.len()),
            None => Ok(()),
        }
    }

    /// The tail of a product whose rows, or columns (`by`), are some of the filters.
    fn of(&self, filters: Range<usize>, by: fn(&'a [f32]) -> Bias<'a>) -> Tail<'a> {
        Tail {
            scale: self.scale.map(|scale| &scale[filters.clone()]),
            bias: self.bias.map_or(Bias::None, |bias| by(&bias[filters])),
            residual: self.residual,
            activation: self.activation,
        }
    }
}

/// Writes `activation(convolution * scale + bias + residual)` to `output`.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::conv::{ConvGeometry, ConvTail, Filter, conv_fused};
/// use caffe2_kernels::gemm::Activation;
/// use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
///
/// let axis = Axis::new(3, Window::new(2), PadRule::Explicit)?;
/// let geometry = ConvGeometry::new(Order::Nchw, 1, 1, 1, 1, &[axis])?;
/// let (filter, mut output) = (Filter::Plain(&[1.0, 1.0]), [0.0; 2]);
/// let tail = ConvTail {
///     scale: Some(&[10.0]),
///     bias: Some(&[0.5]),
///     residual: Some(&[1.0, -100.0]),
///     activation: Activation::Relu,
/// };
/// conv_fused(&Threads::single(), &geometry, &[1.0, 2.0, 3.0], filter, &tail, &mut output)?;
/// assert_eq!(output, [31.5, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Length`] if a slice does not have the elements that `geometry` says, [`KernelError::Mismatch`] if a
/// packed filter is of another geometry.
pub fn conv_fused(
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: Filter<'_>,
    tail: &ConvTail<'_>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    conv_fused_on(Isa::current(), threads, geometry, input, filter, tail, output)
}

fn conv_fused_on(
    isa: Isa,
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: Filter<'_>,
    tail: &ConvTail<'_>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    filter.check(geometry)?;
    check_lens(geometry, input, tail, output)?;
    match filter {
        Filter::Plain(filter) => {
            let call = Call { isa, threads, geometry, input, filter, tail: *tail };
            match (geometry.order(), geometry.strategy()) {
                (Order::Nchw, Strategy::Depthwise) => depthwise::nchw(&call, output),
                (Order::Nhwc, Strategy::Depthwise) => depthwise::nhwc(&call, output),
                _ => products(&call, output),
            }
        }
        Filter::Packed(form, data) => {
            // Packed for one instruction set, it is multiplied on that.
            let isa = form.isa();
            match form.kind {
                Kind::Winograd(layout) => {
                    let filter = PackedGroups { layout, data };
                    let call = Call { isa, threads, geometry, input, filter, tail: *tail };
                    winograd::nchw(&call, output);
                }
                Kind::Product(layout) => {
                    let filter = PackedGroups { layout, data };
                    nchw_products(&Call { isa, threads, geometry, input, filter, tail: *tail }, output);
                }
            }
        }
    }
    Ok(())
}

/// [`conv_fused`] with a filter that is kept as bytes: a row of `filter` for each filter, with its elements in their
/// order. The result has the bits that the expanded filter gives.
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
    tail: &ConvTail<'_>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    conv_bytes_on(Isa::current(), threads, geometry, input, filter, tail, output)
}

fn conv_bytes_on<B: ByteRows>(
    isa: Isa,
    threads: &Threads,
    geometry: &ConvGeometry,
    input: &[f32],
    filter: &B,
    tail: &ConvTail<'_>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    check_same("filters of the convolution", geometry.filters(), filter.rows())?;
    check_same("elements of a filter", geometry.depth(), filter.width())?;
    check_lens(geometry, input, tail, output)?;
    if geometry.strategy() != Strategy::Depthwise {
        products(&Call { isa, threads, geometry, input, filter: Bytes(filter), tail: *tail }, output);
        return Ok(());
    }
    scratch::with(geometry.filter_len(), |floats| {
        for (row, values) in floats.chunks_exact_mut(geometry.depth()).enumerate() {
            filter.expand(row, 0, values);
        }
        conv_fused_on(isa, threads, geometry, input, Filter::Plain(floats), tail, output)
    })
}

/// Checks all lengths but that of the filter.
fn check_lens(
    geometry: &ConvGeometry,
    input: &[f32],
    tail: &ConvTail<'_>,
    output: &[f32],
) -> Result<(), KernelError> {
    check_len("input of the convolution", geometry.input_len(), input.len())?;
    check_len("output of the convolution", geometry.output_len(), output.len())?;
    tail.check(geometry)
}

/// The strategies that are products of matrices.
fn products<F: LeftFilter + RightFilter>(call: &Call<'_, F>, output: &mut [f32]) {
    match (call.geometry.order(), call.geometry.strategy()) {
        (Order::Nchw, _) => nchw_products(call, output),
        (Order::Nhwc, Strategy::Pointwise) => nhwc::pointwise(call, output),
        (Order::Nhwc, _) => nhwc::patches(call, output),
    }
}

/// NCHW: the filters times the channels, or their patches.
fn nchw_products<F: LeftFilter>(call: &Call<'_, F>, output: &mut [f32]) {
    let g = call.geometry;
    let channels_len = g.group_channels() * g.input_size();
    let channels = |index: usize| &call.input[index * channels_len..][..channels_len];
    if g.strategy() == Strategy::Pointwise {
        let (rows, columns) = (g.group_channels(), g.output_size());
        let right = |index| MatRef::within(channels(index), rows, columns, columns);
        nchw(call, 0..g.batch(), output, right);
    } else if banded::suits(g) {
        banded::products(call, output);
    } else {
        nchw(call, 0..g.batch(), output, |index| Patches::new(g, channels(index)));
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
    tail: ConvTail<'a>,
}

/// NCHW: for each group of some images the filter times what `right` makes of the group, counted from the first of these
/// images.
fn nchw<F: LeftFilter, R: RightOperand>(
    call: &Call<'_, F>,
    images: Range<usize>,
    output: &mut [f32],
    right: impl Fn(usize) -> R + Sync + Send,
) {
    let g = call.geometry;
    let (rows, columns, depth) = (g.group_filters(), g.output_size(), g.depth());
    let batch = Batch { count: images.len() * g.groups(), rows, columns, depth, row_stride: columns };
    let first = images.start * g.groups();
    let product = |index: usize| {
        let group = index % g.groups();
        let left = call.filter.left(g, group);
        let tail = call.tail.of(group * rows..(group + 1) * rows, Bias::PerRow);
        let start = (first + index) * rows * columns;
        Product { left, right: right(index), alpha: 1.0, beta: 0.0, tail, start }
    };
    // SAFETY: product `index` writes `rows * columns` contiguous elements from `(first + index) * rows * columns` on.
    #[allow(unsafe_code)]
    unsafe {
        run(call.isa, call.threads, &batch, output, product);
    }
}

#[cfg(test)]
mod tests;
