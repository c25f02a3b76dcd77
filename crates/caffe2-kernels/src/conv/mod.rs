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
//! by piece, straight into the panels of a matrix product. [`conv_fused`] does more to the output while it is in the
//! cache.

mod depthwise;
mod filter;
mod geometry;
mod nhwc;
mod patches;
mod winograd;

use std::ops::Range;

use filter::Kind;
pub use filter::{Algorithm, Filter, FilterForm};
pub use geometry::{ConvGeometry, GeometryError};
use patches::Patches;

use crate::error::check_len;
use crate::gemm::{Activation, Batch, Bias, LeftOperand, MatRef, Product, RightOperand, Tail, run};
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
    let operands = Operands { bias, ..Operands::new(input, Filter::Plain(filter)) };
    conv_fused_on(isa, threads, geometry, &operands, output)
}

/// What [`conv_fused`] reads.
#[derive(Debug, Clone, Copy)]
pub struct Operands<'a> {
    /// The images.
    pub input: &'a [f32],
    /// The filters.
    pub filter: Filter<'a>,
    /// A factor for each filter's sums, where there is a bias too; none are all 1.
    pub scale: Option<&'a [f32]>,
    /// What is added for each filter, after the factor.
    pub bias: Option<&'a [f32]>,
    /// What is added to each element: as many as the output has.
    pub residual: Option<&'a [f32]>,
    /// What is applied at last.
    pub activation: Activation,
}

impl<'a> Operands<'a> {
    /// Images and filters, and nothing else.
    pub fn new(input: &'a [f32], filter: Filter<'a>) -> Operands<'a> {
        Operands { input, filter, scale: None, bias: None, residual: None, activation: Activation::None }
    }
}

/// Writes `activation(convolution * scale + bias + residual)` to `output`.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::conv::{ConvGeometry, Filter, Operands, conv_fused};
/// use caffe2_kernels::gemm::Activation;
/// use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
///
/// let axis = Axis::new(3, Window::new(2), PadRule::Explicit)?;
/// let geometry = ConvGeometry::new(Order::Nchw, 1, 1, 1, 1, &[axis])?;
/// let mut output = [0.0; 2];
/// let operands = Operands {
///     scale: Some(&[10.0]),
///     bias: Some(&[0.5]),
///     residual: Some(&[1.0, -100.0]),
///     activation: Activation::Relu,
///     ..Operands::new(&[1.0, 2.0, 3.0], Filter::Plain(&[1.0, 1.0]))
/// };
/// conv_fused(&Threads::single(), &geometry, &operands, &mut output)?;
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
    operands: &Operands<'_>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    conv_fused_on(Isa::current(), threads, geometry, operands, output)
}

fn conv_fused_on(
    isa: Isa,
    threads: &Threads,
    geometry: &ConvGeometry,
    operands: &Operands<'_>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    check_len("input of the convolution", geometry.input_len(), operands.input.len())?;
    check_len("output of the convolution", geometry.output_len(), output.len())?;
    operands.filter.check(geometry)?;
    if let Some(bias) = operands.bias {
        check_len("bias of the convolution", geometry.filters(), bias.len())?;
    }
    if let Some(scale) = operands.scale {
        check_len("scale of the convolution", geometry.filters(), scale.len())?;
        check_len("bias beside a scale", geometry.filters(), operands.bias.map_or(0, <[f32]>::len))?;
    }
    if let Some(residual) = operands.residual {
        check_len("residual of the convolution", geometry.output_len(), residual.len())?;
    }
    let Operands { input, scale, bias, residual, activation, .. } = *operands;
    let call =
        |isa, filter| Call { isa, threads, geometry, input, filter, scale, bias, residual, activation };
    match operands.filter {
        Filter::Plain(filter) => {
            let call = call(isa, filter);
            let left = |group: usize| {
                let (rows, depth) = (geometry.group_filters(), geometry.depth());
                LeftOperand::Matrix(MatRef::within(&filter[group * rows * depth..], rows, depth, depth))
            };
            match (geometry.order(), geometry.strategy()) {
                (Order::Nchw, Strategy::Depthwise) => depthwise::nchw(&call, output),
                (Order::Nchw, _) => products(&call, left, output),
                (Order::Nhwc, Strategy::Pointwise) => nhwc::pointwise(&call, output),
                (Order::Nhwc, Strategy::Patches) => nhwc::patches(&call, output),
                (Order::Nhwc, Strategy::Depthwise) => depthwise::nhwc(&call, output),
            }
        }
        Filter::Packed(form, filter) => {
            // Packed for one instruction set, it is multiplied on that.
            match form.kind {
                Kind::Winograd(layout) => {
                    winograd::nchw(&call(layout.isa(), filter), &layout, filter, output);
                }
                Kind::Product(layout) => {
                    let left = |group: usize| {
                        LeftOperand::packed(layout, &filter[group * layout.len()..][..layout.len()])
                    };
                    products(&call(layout.isa(), filter), left, output);
                }
            }
        }
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
    scale: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    activation: Activation,
}

impl<'a> Call<'a> {
    /// What becomes of the sums of all filters, which are rows.
    fn tail(&self) -> Tail<'a> {
        self.tail_of(0..self.geometry.filters(), Bias::PerRow)
    }

    /// What becomes of the sums of some filters.
    fn tail_of(&self, filters: Range<usize>, by: fn(&'a [f32]) -> Bias<'a>) -> Tail<'a> {
        Tail {
            scale: self.scale.map(|scale| &scale[filters.clone()]),
            bias: self.bias.map_or(Bias::None, |bias| by(&bias[filters])),
            residual: self.residual,
            activation: self.activation,
        }
    }
}

/// NCHW: for each image and group the filters times the patches of the group's channels.
fn products<'a>(call: &Call<'a>, left: impl Fn(usize) -> LeftOperand<'a> + Sync + Send, output: &mut [f32]) {
    let g = call.geometry;
    if g.strategy() == Strategy::Pointwise {
        let columns = g.output_size();
        nchw(call, left, output, |channels| MatRef::within(channels, g.group_channels(), columns, columns));
    } else {
        nchw(call, left, output, |channels| Patches::new(g, channels));
    }
}

/// NCHW: for each image and group the filters times the group's channels, of which `right` makes a matrix.
fn nchw<'a, R: RightOperand>(
    call: &Call<'a>,
    left: impl Fn(usize) -> LeftOperand<'a> + Sync + Send,
    output: &mut [f32],
    right: impl Fn(&'a [f32]) -> R + Sync + Send,
) {
    let g = call.geometry;
    let (rows, columns, depth) = (g.group_filters(), g.output_size(), g.depth());
    let channels_len = g.group_channels() * g.input_size();
    let batch = Batch { count: g.batch() * g.groups(), rows, columns, depth, row_stride: columns };
    let product = |index: usize| {
        let group = index % g.groups();
        let right = right(&call.input[index * channels_len..][..channels_len]);
        let tail = call.tail_of(group * rows..(group + 1) * rows, Bias::PerRow);
        Product { left: left(group), right, alpha: 1.0, beta: 0.0, tail, start: index * rows * columns }
    };
    // SAFETY: product `index` writes `rows * columns` contiguous elements from `index * rows * columns` on.
    #[allow(unsafe_code)]
    unsafe {
        run(call.isa, call.threads, &batch, output, product);
    }
}

#[cfg(test)]
mod tests;
