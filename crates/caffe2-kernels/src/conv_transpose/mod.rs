//! Transposed convolution of planes, forward: each pixel is spread over a window of the output, weighted by the
//! filter, and windows that overlap add up (Caffe2 `ConvTranspose`).
//!
//! | order | input | filter | output |
//! |---|---|---|---|
//! | NCHW | \[N, C, H, W] | \[C, M / groups, kernel, kernel] | \[N, M, H', W'] |
//! | NHWC | \[N, H, W, C] | \[C, kernel, kernel, M / groups] | \[N, H', W', M] |
//!
//! The output is cut into blocks by its shape alone. For each, products of some pixels with the filter are written
//! to a small piece of memory and added from there to the block, until all that reach it have been. Groups of one
//! channel need no such product.

mod geometry;
mod nchw;
mod nhwc;

pub use geometry::{ConvTransposeGeometry, TransposedAxis, TransposedAxisError, TransposedWindow};

use crate::error::check_len;
use crate::gemm::{Bias, MatMut, MatRef, matmul};
use crate::geometry::Order;
use crate::{Isa, KernelError, Threads};

/// Writes the transposed convolution of `input` with `filter`, plus a bias per output channel, to `output`.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::conv_transpose::*;
/// use caffe2_kernels::geometry::Order;
///
/// // Two pixels, each spread over 1x2 pixels, side by side.
/// let row = TransposedAxis::new(1, TransposedWindow { kernel: 1, stride: 1, head: 0, tail: 0, adj: 0 })?;
/// let column = TransposedAxis::new(2, TransposedWindow { kernel: 2, stride: 2, head: 0, tail: 0, adj: 0 })?;
/// let geometry = ConvTransposeGeometry::new(Order::Nchw, 1, 1, 1, 1, [row, column])?;
/// let mut output = [0.0; 4];
/// conv_transpose(&Threads::single(), &geometry, &[1.0, 2.0], &[10.0, 20.0], Some(&[0.5]), &mut output)?;
/// assert_eq!(output, [10.5, 20.5, 20.5, 40.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Length`] if a slice does not have the elements that `geometry` says.
pub fn conv_transpose(
    threads: &Threads,
    geometry: &ConvTransposeGeometry,
    input: &[f32],
    filter: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) -> Result<(), KernelError> {
    check_len("input of the transposed convolution", geometry.input_len(), input.len())?;
    check_len("filter of the transposed convolution", geometry.filter_len(), filter.len())?;
    check_len("output of the transposed convolution", geometry.output_len(), output.len())?;
    if let Some(bias) = bias {
        check_len("bias of the transposed convolution", geometry.filters, bias.len())?;
    }
    if output.is_empty() {
        return Ok(());
    }
    let call = Call { isa: Isa::current(), threads, geometry, input, filter, bias };
    match geometry.order {
        Order::Nchw => nchw::run(&call, output),
        Order::Nhwc => nhwc::run(&call, output),
    }
    Ok(())
}

/// The operands of a transposed convolution, of checked lengths, but for the output, which is not empty.
struct Call<'a> {
    isa: Isa,
    threads: &'a Threads,
    geometry: &'a ConvTransposeGeometry,
    input: &'a [f32],
    filter: &'a [f32],
    bias: Option<&'a [f32]>,
}

/// Multiplications below which waking a pool costs more than it gains.
const GRAIN: usize = 1 << 20;
/// Floats of a product that a thread holds at a time: 256 KiB, half of a usual second-level cache.
const PRODUCT: usize = 64 * 1024;

impl Call<'_> {
    /// Elements of the output up to which the work is not shared.
    fn grain(&self, output: &[f32]) -> usize {
        if self.geometry.multiplications() < GRAIN { output.len() } else { 0 }
    }

    fn bias(&self, filter: usize) -> f32 {
        self.bias.map_or(0.0, |bias| bias[filter])
    }

    /// Writes `left * right` to `product`, on this thread.
    ///
    /// # Panics
    ///
    /// If the sizes do not fit together.
    fn multiply(&self, left: MatRef<'_>, right: MatRef<'_>, product: &mut [f32]) {
        let result = MatMut::new(product, left.rows(), right.cols())
            .and_then(|product| matmul(&Threads::single(), left, right, Bias::None, product));
        if let Err(error) = result {
            panic!("product of a transposed convolution: {error}");
        }
    }
}

/// `range` in pieces of `len` elements, the last of which may be shorter.
fn pieces(range: std::ops::Range<usize>, len: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let end = range.end;
    range.step_by(len).map(move |start| start..end.min(start + len))
}

#[cfg(test)]
mod tests;
