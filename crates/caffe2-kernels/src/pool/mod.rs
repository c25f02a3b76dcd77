//! Maximum and average over sliding windows, in one, two or three dimensions.
//!
//! Windows are clipped to the input. The maximum is NaN if an element of the window is, and minus infinity if
//! all are. (In the original the treatment of NaN depends on the order of the elements, and minus infinity
//! becomes the lowest float in NHWC order.)

mod nchw;
mod nhwc;

use smallvec::SmallVec;

use crate::error::check_len;
use crate::geometry::{Axis, AxisError, Order};
use crate::{Isa, KernelError, Threads};

/// What is computed of the elements of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The largest.
    Max,
    /// Their mean.
    Average {
        /// Divides by the full volume of the window, even where it overhangs the input, instead of by the
        /// number of elements within the input.
        include_pad: bool,
    },
}

/// The shapes of a pooling. Once one exists, all counts of elements fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolGeometry {
    order: Order,
    batch: usize,
    channels: usize,
    axes: SmallVec<[Axis; 3]>,
    input_size: usize,
    output_size: usize,
}

/// Why sizes do not make a pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolGeometryError {
    /// There are no spatial dimensions, or more than three.
    #[error("{0} spatial dimensions; 1 to 3 are supported")]
    Dimensions(usize),
    /// There are no channels.
    #[error("the input has no channels")]
    NoChannels,
    /// Windows are dilated.
    #[error(transparent)]
    Axis(#[from] AxisError),
    /// A tensor has more elements than can be addressed.
    #[error("the {what} has too many elements")]
    Overflow {
        /// Which tensor.
        what: &'static str,
    },
}

impl PoolGeometry {
    /// The shapes of `batch` images with `channels` channels, pooled along `axes`, outermost first. A batch
    /// of 0 is allowed. For global pooling use [`Axis::global`].
    ///
    /// # Errors
    ///
    /// See [`PoolGeometryError`].
    pub fn new(
        order: Order,
        batch: usize,
        channels: usize,
        axes: &[Axis],
    ) -> Result<PoolGeometry, PoolGeometryError> {
        if !(1..=3).contains(&axes.len()) {
            return Err(PoolGeometryError::Dimensions(axes.len()));
        }
        if channels == 0 {
            return Err(PoolGeometryError::NoChannels);
        }
        if let Some(axis) = axes.iter().find(|axis| axis.dilation() != 1) {
            let dilation = axis.dilation() as i64;
            return Err(AxisError::DilationWithLegacyPad { dilation }.into());
        }
        let checked = |what, size: fn(&Axis) -> usize| {
            let size = axes.iter().map(size).try_fold(1usize, usize::checked_mul);
            let total = size.and_then(|size| size.checked_mul(channels)?.checked_mul(batch.max(1)));
            match (size, total) {
                (Some(size), Some(total)) if total <= isize::MAX as usize / size_of::<f32>() => Ok(size),
                _ => Err(PoolGeometryError::Overflow { what }),
            }
        };
        let input_size = checked("input", Axis::input)?;
        let output_size = checked("output", Axis::output)?;
        checked("window", Axis::kernel)?;
        let axes = SmallVec::from_slice(axes);
        Ok(PoolGeometry { order, batch, channels, axes, input_size, output_size })
    }

    /// Order of the dimensions.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Number of images.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The spatial dimensions, outermost first.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.channels * self.input_size
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.channels * self.output_size
    }

    /// Elements of a window that overhangs nothing.
    fn volume(&self) -> usize {
        self.axes.iter().map(Axis::kernel).product()
    }

    /// Elements of the output below which waking a pool of threads costs more than it gains.
    fn grain(&self) -> usize {
        if self.output_len().saturating_mul(self.volume()) < 256 * 1024 { self.output_len() } else { 0 }
    }
}

/// Writes the maximum or mean of each window of `input` to `output` (Caffe2 `MaxPool`, `AveragePool`).
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
/// use caffe2_kernels::pool::{PoolGeometry, Pooling, pool};
///
/// let axis = Axis::pooling(4, Window { stride: 2, ..Window::new(2) }, PadRule::Explicit)?;
/// let geometry = PoolGeometry::new(Order::Nchw, 1, 1, &[axis])?;
/// let mut output = [0.0; 2];
/// pool(&Threads::single(), &geometry, Pooling::Max, &[1.0, 3.0, 2.0, 0.0], &mut output)?;
/// assert_eq!(output, [3.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Length`] if a slice does not have the elements that `geometry` says.
pub fn pool(
    threads: &Threads,
    geometry: &PoolGeometry,
    pooling: Pooling,
    input: &[f32],
    output: &mut [f32],
) -> Result<(), KernelError> {
    pool_on(Isa::current(), threads, geometry, pooling, input, output)
}

fn pool_on(
    isa: Isa,
    threads: &Threads,
    geometry: &PoolGeometry,
    pooling: Pooling,
    input: &[f32],
    output: &mut [f32],
) -> Result<(), KernelError> {
    check_len("input of the pooling", geometry.input_len(), input.len())?;
    check_len("output of the pooling", geometry.output_len(), output.len())?;
    let call = Call { isa, threads, geometry, input };
    let run = match geometry.order {
        Order::Nchw => nchw::run,
        Order::Nhwc => nhwc::run,
    };
    run(&call, pooling, output);
    Ok(())
}

/// The operands of a pooling, of checked lengths, but for the output.
struct Call<'a> {
    isa: Isa,
    threads: &'a Threads,
    geometry: &'a PoolGeometry,
    input: &'a [f32],
}

/// The larger of two floats; NaN if one is.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    // Without a branch, which would keep loops from being vectorised.
    if (b > a) | b.is_nan() { b } else { a }
}

#[cfg(test)]
mod tests;
