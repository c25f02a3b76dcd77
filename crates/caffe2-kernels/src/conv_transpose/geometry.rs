//! Shapes of a transposed convolution, checked once.

use std::ops::Range;

use crate::conv::GeometryError;
use crate::geometry::Order;

/// A window of a transposed convolution along one dimension, as an operator's arguments give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransposedWindow {
    /// Elements of the window, each of which a pixel is spread over.
    pub kernel: i64,
    /// Distance between the windows of neighbouring pixels.
    pub stride: i64,
    /// Elements cut off before the first.
    pub head: i64,
    /// Elements cut off after the last.
    pub tail: i64,
    /// Elements appended at the end, which no window reaches unless something is cut off there.
    pub adj: i64,
}

/// One spatial dimension of a transposed convolution, checked.
///
/// Input element `i` adds to the output elements `i * stride + k - head`, for all k below `kernel`, of which
/// some may not exist. All fields and the sum `input * stride + kernel + head` are below 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransposedAxis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    head: usize,
}

/// Why a window cannot be spread along a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransposedAxisError {
    /// The input has no elements.
    #[error("the input has size 0")]
    EmptyInput,
    /// A size of the window is too small.
    #[error("{what} must be at least {least}, not {value}")]
    TooSmall {
        /// Which size.
        what: &'static str,
        /// What it must be at least.
        least: i64,
        /// Its value.
        value: i64,
    },
    /// More is cut off than there is.
    #[error("padding cuts {cut} elements off an output of {full}")]
    CutTooLarge {
        /// Elements to cut off, at both ends together.
        cut: i64,
        /// Elements of the output before that.
        full: i64,
    },
    /// The sizes are too large to compute with.
    #[error("sizes overflow")]
    Overflow,
}

/// Sizes beyond this are refused, so that the arithmetic on a few of them cannot overflow.
const LIMIT: i64 = 1 << 59;

impl TransposedAxis {
    /// The output of `(input - 1) * stride + kernel + adj - head - tail` elements, which may be none.
    ///
    /// ```
    /// use caffe2_kernels::conv_transpose::{TransposedAxis, TransposedWindow};
    ///
    /// let window = TransposedWindow { kernel: 4, stride: 2, head: 1, tail: 1, adj: 0 };
    /// assert_eq!(TransposedAxis::new(8, window).unwrap().output(), 16);
    /// ```
    ///
    /// # Errors
    ///
    /// See [`TransposedAxisError`].
    pub fn new(input: usize, window: TransposedWindow) -> Result<TransposedAxis, TransposedAxisError> {
        let TransposedWindow { kernel, stride, head, tail, adj } = window;
        let sizes = [
            ("kernel", kernel, 1),
            ("stride", stride, 1),
            ("pad", head, 0),
            ("pad", tail, 0),
            ("adj", adj, 0),
        ];
        if let Some(&(what, value, least)) = sizes.iter().find(|(_, value, least)| value < least) {
            return Err(TransposedAxisError::TooSmall { what, least, value });
        }
        if input == 0 {
            return Err(TransposedAxisError::EmptyInput);
        }
        let in_limits = |n: &i64| *n <= LIMIT;
        let size = i64::try_from(input).ok().filter(in_limits).ok_or(TransposedAxisError::Overflow)?;
        let span = size.checked_mul(stride).filter(in_limits);
        let span = span.filter(|_| [kernel, head, tail, adj].iter().all(in_limits));
        let full = span.ok_or(TransposedAxisError::Overflow)? - stride + kernel + adj;
        let cut = head + tail;
        if cut > full {
            return Err(TransposedAxisError::CutTooLarge { cut, full });
        }
        Ok(TransposedAxis {
            input,
            output: (full - cut) as usize,
            kernel: kernel as usize,
            stride: stride as usize,
            head: head as usize,
        })
    }

    /// Elements of the input.
    pub fn input(&self) -> usize {
        self.input
    }

    /// Elements of the output.
    pub fn output(&self) -> usize {
        self.output
    }

    /// Elements of a window.
    pub fn kernel(&self) -> usize {
        self.kernel
    }

    /// Distance between windows.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Elements cut off before the first.
    pub fn head(&self) -> usize {
        self.head
    }

    /// The element of the output that tap `k` of input element `i` adds to, which must exist.
    #[inline(always)]
    pub(super) fn target(&self, i: usize, k: usize) -> usize {
        i * self.stride + k - self.head
    }

    /// The input elements whose tap `k` adds to one of these output elements.
    #[inline(always)]
    pub(super) fn inputs(&self, k: usize, outputs: &Range<usize>) -> Range<usize> {
        let below = |y: usize| {
            let offset = (y + self.head).saturating_sub(k);
            // A division takes longer than all the rest where few pixels follow.
            let count = if self.stride == 1 { offset } else { offset.div_ceil(self.stride) };
            count.min(self.input)
        };
        let end = below(outputs.end);
        below(outputs.start).min(end)..end
    }

    /// The input elements any tap of which may add to one of these output elements.
    pub(super) fn reach(&self, outputs: &Range<usize>) -> Range<usize> {
        let end = self.inputs(0, outputs).end;
        self.inputs(self.kernel - 1, outputs).start.min(end)..end
    }

    /// The taps that may add to one of these output elements.
    pub(super) fn reaching(&self, outputs: &Range<usize>) -> Range<usize> {
        let end = self.kernel.min(outputs.end + self.head);
        (outputs.start + self.head).saturating_sub((self.input - 1) * self.stride).min(end)..end
    }

    /// The taps of input element `i` for which there is an element of the output.
    #[inline(always)]
    pub(super) fn taps(&self, i: usize) -> Range<usize> {
        let below = |y: usize| (y + self.head).saturating_sub(i * self.stride).min(self.kernel);
        below(0)..below(self.output)
    }
}

/// The shapes of a transposed convolution of planes. Once one exists, all counts of elements fit and all indices
/// lie within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvTransposeGeometry {
    pub(super) order: Order,
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) filters: usize,
    pub(super) groups: usize,
    pub(super) rows: TransposedAxis,
    pub(super) columns: TransposedAxis,
}

/// Elements beyond this cannot be addressed as floats.
const ELEMENTS: usize = isize::MAX as usize / size_of::<f32>();

/// As if no factor were 0: sizes that follow from some of the factors fit then, too.
fn checked(what: &'static str, factors: &[usize]) -> Result<(), GeometryError> {
    let product = factors.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
    product.filter(|&n| n <= ELEMENTS).map(drop).ok_or(GeometryError::Overflow { what })
}

impl ConvTransposeGeometry {
    /// The shapes of `batch` images with `channels` channels, each of which is spread over `filters` channels, in
    /// `groups` groups. `batch` and `filters` may be 0.
    ///
    /// # Errors
    ///
    /// See [`GeometryError`].
    pub fn new(
        order: Order,
        batch: usize,
        channels: usize,
        filters: usize,
        groups: usize,
        [rows, columns]: [TransposedAxis; 2],
    ) -> Result<ConvTransposeGeometry, GeometryError> {
        let splits = |n: usize| n.is_multiple_of(groups);
        if groups == 0 || channels == 0 || !splits(channels) || !splits(filters) {
            return Err(GeometryError::Groups { channels, filters, groups });
        }
        checked("input", &[batch, channels, rows.input, columns.input])?;
        checked("output", &[batch, filters, rows.output, columns.output])?;
        checked("filter", &[channels, filters / groups, rows.kernel, columns.kernel])?;
        // A column of ones is as well a row of ones, and whole rows are faster.
        let one = |axis: &TransposedAxis| axis.input == 1 && axis.output == 1 && axis.kernel == 1;
        let (rows, columns) = if one(&columns) { (columns, rows) } else { (rows, columns) };
        Ok(ConvTransposeGeometry { order, batch, channels, filters, groups, rows, columns })
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.channels * self.input_size()
    }

    /// Elements of the filter.
    pub fn filter_len(&self) -> usize {
        self.channels * self.group_filters() * self.taps()
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.batch * self.filters * self.output_size()
    }

    /// Multiplications, saturating.
    pub fn multiplications(&self) -> usize {
        self.input_len().saturating_mul(self.group_filters().saturating_mul(self.taps()))
    }

    pub(super) fn input_size(&self) -> usize {
        self.rows.input * self.columns.input
    }

    pub(super) fn output_size(&self) -> usize {
        self.rows.output * self.columns.output
    }

    pub(super) fn taps(&self) -> usize {
        self.rows.kernel * self.columns.kernel
    }

    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    pub(super) fn group_filters(&self) -> usize {
        self.filters / self.groups
    }
}
