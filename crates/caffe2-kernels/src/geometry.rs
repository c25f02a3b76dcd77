//! Sizes of sliding windows: the rule that convolution, pooling and shape inference share.
//!
//! The rule is that of `ComputeSizeAndPad` in Caffe2's `conv_pool_op_base.h`, computed in integers. (The
//! original divides in float, which is inexact from 2^24 on, lets a stride of 0 divide, and accepts windows
//! larger than the input; here these are errors.)

/// Order of the dimensions of an image batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Batch, channels, then spatial dimensions.
    #[default]
    Nchw,
    /// Batch, spatial dimensions, then channels.
    Nhwc,
}

/// How padding and the size of the output follow from the arguments: Caffe2's `legacy_pad`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PadRule {
    /// Explicit padding, sizes rounded down (`NOTSET`, 0).
    #[default]
    Explicit,
    /// No padding (`VALID`, 1).
    Valid,
    /// As much padding as makes the output `ceil(input / stride)`; an odd element goes to the end
    /// (`SAME`, 2).
    Same,
    /// Caffe's pooling: explicit padding at the head, sizes rounded up, and as much padding at the tail as
    /// this takes (`CAFFE_LEGACY_POOLING`, 3).
    CaffePooling,
}

impl PadRule {
    /// The rule that an argument `legacy_pad` stands for.
    pub fn from_legacy_pad(value: i64) -> Option<PadRule> {
        [PadRule::Explicit, PadRule::Valid, PadRule::Same, PadRule::CaffePooling]
            .into_iter()
            .find(|&rule| rule as i64 == value)
    }
}

/// A window sliding along one dimension, as an operator's arguments give it. Negative padding crops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Elements of the window.
    pub kernel: i64,
    /// Distance between windows.
    pub stride: i64,
    /// Distance between elements of a window.
    pub dilation: i64,
    /// Padding before the first element.
    pub head: i64,
    /// Padding after the last element.
    pub tail: i64,
}

impl Window {
    /// A window of `kernel` elements with stride and dilation 1 and no padding.
    pub const fn new(kernel: i64) -> Window {
        Window { kernel, stride: 1, dilation: 1, head: 0, tail: 0 }
    }
}

/// One spatial dimension of a convolution or pooling, checked.
///
/// Element `k` of window `o` is input element `o * stride + k * dilation - head`, if there is one. All
/// fields and the sums `(output - 1) * stride + (kernel - 1) * dilation + |head| + |tail| + input` are below
/// 2^62.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    head: isize,
    tail: isize,
}

/// Why a window cannot slide along a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AxisError {
    /// The input has no elements.
    #[error("the input has size 0")]
    EmptyInput,
    /// Kernel, stride or dilation is zero or negative.
    #[error("{what} must be positive, not {value}")]
    NotPositive {
        /// Which of the three.
        what: &'static str,
        /// Its value.
        value: i64,
    },
    /// The window, spread by its dilation, exceeds the padded input.
    #[error("a window of {window} elements (dilation included) exceeds the padded input of {padded}")]
    WindowTooLarge {
        /// `dilation * (kernel - 1) + 1`
        window: i64,
        /// Input plus padding.
        padded: i64,
    },
    /// The padding rules of Caffe do not provide for dilation.
    #[error("dilation {dilation} cannot be combined with legacy padding")]
    DilationWithLegacyPad {
        /// The dilation asked for.
        dilation: i64,
    },
    /// Caffe's pooling rule takes no negative padding.
    #[error("padding {pad} is negative, which Caffe's pooling rule does not allow")]
    NegativePad {
        /// The padding asked for.
        pad: i64,
    },
    /// A pooling window lies in the padding altogether.
    #[error("padding {pad} is not smaller than the kernel {kernel}")]
    PadNotBelowKernel {
        /// The padding asked for.
        pad: i64,
        /// The kernel.
        kernel: i64,
    },
    /// The sizes are too large to compute with.
    #[error("sizes overflow")]
    Overflow,
}

/// Sizes beyond this are refused, so that the arithmetic on a few of them cannot overflow.
const LIMIT: i64 = 1 << 59;

impl Axis {
    /// A dimension of one element, for what has fewer dimensions than a loop.
    pub(crate) const ONE: Axis =
        Axis { input: 1, output: 1, kernel: 1, stride: 1, dilation: 1, head: 0, tail: 0 };

    /// Applies `rule` to an input of `input` elements.
    ///
    /// ```
    /// use caffe2_kernels::geometry::{Axis, PadRule, Window};
    ///
    /// let window = Window { stride: 2, ..Window::new(3) };
    /// assert_eq!(Axis::new(6, window, PadRule::Explicit).unwrap().output(), 2);
    /// assert_eq!(Axis::new(6, window, PadRule::CaffePooling).unwrap().output(), 3);
    /// ```
    ///
    /// # Errors
    ///
    /// See [`AxisError`].
    pub fn new(input: usize, window: Window, rule: PadRule) -> Result<Axis, AxisError> {
        let Window { kernel, stride, dilation, head, tail } = window;
        let size = i64::try_from(input).map_err(|_| AxisError::Overflow)?;
        for (what, value) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
            if value < 1 {
                return Err(AxisError::NotPositive { what, value });
            }
        }
        if size == 0 {
            return Err(AxisError::EmptyInput);
        }
        let in_limits = [size, kernel, stride, dilation].iter().all(|&n| n <= LIMIT)
            && [head, tail].iter().all(|&n| (-LIMIT..=LIMIT).contains(&n));
        let span = (kernel - 1).checked_mul(dilation).filter(|&n| in_limits && n < LIMIT);
        let span = span.ok_or(AxisError::Overflow)? + 1;
        if matches!(rule, PadRule::Same | PadRule::CaffePooling) && dilation != 1 {
            return Err(AxisError::DilationWithLegacyPad { dilation });
        }
        let (output, head, tail) = match rule {
            PadRule::Explicit => (windows(size + head + tail, span, stride)?, head, tail),
            PadRule::Valid => (windows(size, span, stride)?, 0, 0),
            PadRule::Same => same(size, kernel, stride)?,
            PadRule::CaffePooling => caffe_pooling(size, kernel, stride, head)?,
        };
        if output.checked_mul(stride).is_none_or(|n| n > LIMIT) {
            return Err(AxisError::Overflow);
        }
        Ok(Axis {
            input,
            output: output as usize,
            kernel: kernel as usize,
            stride: stride as usize,
            dilation: dilation as usize,
            head: head as isize,
            tail: tail as isize,
        })
    }

    /// One window over the whole input: global pooling.
    ///
    /// # Errors
    ///
    /// [`AxisError::EmptyInput`], or [`AxisError::Overflow`].
    pub fn global(input: usize) -> Result<Axis, AxisError> {
        let kernel = i64::try_from(input).map_err(|_| AxisError::Overflow)?;
        if kernel == 0 {
            return Err(AxisError::EmptyInput);
        }
        Axis::new(input, Window::new(kernel), PadRule::Valid)
    }

    /// Like [`new`](Axis::new) for pooling, where each padding must be smaller than the kernel and windows
    /// are not dilated.
    ///
    /// # Errors
    ///
    /// See [`AxisError`].
    pub fn pooling(input: usize, window: Window, rule: PadRule) -> Result<Axis, AxisError> {
        let Window { kernel, dilation, head, tail, .. } = window;
        if let Some(&pad) = [head, tail].iter().find(|&&pad| kernel > 0 && pad >= kernel) {
            return Err(AxisError::PadNotBelowKernel { pad, kernel });
        }
        if dilation != 1 {
            return Err(AxisError::DilationWithLegacyPad { dilation });
        }
        Axis::new(input, window, rule)
    }

    /// Elements of the input.
    pub fn input(&self) -> usize {
        self.input
    }

    /// Elements of the output: the number of windows.
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

    /// Distance between elements of a window.
    pub fn dilation(&self) -> usize {
        self.dilation
    }

    /// Padding before the first element, as the rule has determined it; negative padding crops.
    pub fn head(&self) -> isize {
        self.head
    }

    /// Padding after the last element, as the rule has determined it; negative padding crops.
    pub fn tail(&self) -> isize {
        self.tail
    }

    /// Whether each window is one element, and window `o` is element `o`.
    pub fn is_identity(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.head == 0 && self.tail == 0
    }

    /// Input element `k` of window `o`; none if it lies in the padding.
    #[inline(always)]
    pub fn element(&self, o: usize, k: usize) -> Option<usize> {
        let at = (o * self.stride + k * self.dilation) as isize - self.head;
        usize::try_from(at).ok().filter(|&at| at < self.input)
    }

    /// The windows whose element `k` lies within the input.
    #[inline(always)]
    pub(crate) fn windows_with(&self, k: usize) -> std::ops::Range<usize> {
        let offset = (k * self.dilation) as isize - self.head;
        let first = if offset < 0 { offset.unsigned_abs().div_ceil(self.stride) } else { 0 };
        let room = self.input as isize - offset;
        let end = if room <= 0 { 0 } else { (room as usize).div_ceil(self.stride).min(self.output) };
        first.min(end)..end
    }

    /// The elements of window `o` that lie within the input, if the dilation is 1.
    #[inline(always)]
    pub(crate) fn clipped(&self, o: usize) -> std::ops::Range<usize> {
        let start = (o * self.stride) as isize - self.head;
        let end = (start + self.kernel as isize).clamp(0, self.input as isize) as usize;
        (start.max(0) as usize).min(end)..end
    }
}

/// How many windows fit.
fn windows(padded: i64, span: i64, stride: i64) -> Result<i64, AxisError> {
    if padded < span {
        return Err(AxisError::WindowTooLarge { window: span, padded });
    }
    Ok((padded - span) / stride + 1)
}

fn same(size: i64, kernel: i64, stride: i64) -> Result<(i64, i64, i64), AxisError> {
    let output = (size - 1) / stride + 1;
    // Negative where the stride exceeds the kernel: the end of the input is not used then.
    let pad = (output - 1) * stride + kernel - size;
    let head = pad / 2;
    Ok((output, head, pad - head))
}

fn caffe_pooling(size: i64, kernel: i64, stride: i64, head: i64) -> Result<(i64, i64, i64), AxisError> {
    if head < 0 {
        return Err(AxisError::NegativePad { pad: head });
    }
    let room = size + 2 * head - kernel;
    let mut output = (room + stride - 1).div_euclid(stride) + 1;
    // The last window has to start within the image.
    if head > 0 && (output - 1) * stride >= size + head {
        output -= 1;
    }
    if output < 1 {
        return Err(AxisError::WindowTooLarge { window: kernel, padded: size + 2 * head });
    }
    let standard = room.div_euclid(stride) + 1;
    Ok((output, head, head + stride * (output - standard)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn axis(
        input: usize,
        kernel: i64,
        stride: i64,
        pads: (i64, i64),
        rule: PadRule,
    ) -> (usize, isize, isize) {
        let window = Window { stride, head: pads.0, tail: pads.1, ..Window::new(kernel) };
        let axis = Axis::new(input, window, rule).unwrap();
        (axis.output(), axis.head(), axis.tail())
    }

    #[test]
    fn each_rule() {
        assert_eq!(axis(5, 3, 1, (1, 1), PadRule::Explicit), (5, 1, 1));
        assert_eq!(axis(6, 3, 2, (0, 1), PadRule::Explicit), (3, 0, 1));
        assert_eq!(axis(5, 3, 1, (-1, -1), PadRule::Explicit), (1, -1, -1));
        assert_eq!(axis(7, 3, 2, (4, 4), PadRule::Valid), (3, 0, 0));
        assert_eq!(axis(6, 3, 2, (0, 0), PadRule::Same), (3, 0, 1));
        assert_eq!(axis(5, 2, 1, (0, 0), PadRule::Same), (5, 0, 1));
        assert_eq!(axis(5, 1, 3, (0, 0), PadRule::Same), (2, 0, -1));
        assert_eq!(axis(6, 3, 2, (0, 0), PadRule::CaffePooling), (3, 0, 2));
        assert_eq!(axis(7, 3, 2, (0, 0), PadRule::CaffePooling), (3, 0, 0));
        assert_eq!(axis(4, 2, 2, (1, 0), PadRule::CaffePooling), (3, 1, 1));
        assert_eq!(axis(3, 2, 2, (1, 0), PadRule::CaffePooling), (2, 1, 1));
        assert_eq!(axis(2, 3, 2, (0, 0), PadRule::CaffePooling), (1, 0, 2));
        let dilated = Window { dilation: 2, ..Window::new(3) };
        assert_eq!(Axis::new(9, dilated, PadRule::Explicit).unwrap().output(), 5);
        assert_eq!(Axis::global(7).unwrap().output(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let new = |input, window, rule| Axis::new(input, window, rule).unwrap_err();
        let w = Window::new(3);
        assert_eq!(new(0, w, PadRule::Same), AxisError::EmptyInput);
        assert_eq!(
            new(5, Window { stride: 0, ..w }, PadRule::Explicit),
            AxisError::NotPositive { what: "stride", value: 0 }
        );
        assert_eq!(
            new(5, Window::new(-1), PadRule::Valid),
            AxisError::NotPositive { what: "kernel", value: -1 }
        );
        assert_eq!(new(2, w, PadRule::Valid), AxisError::WindowTooLarge { window: 3, padded: 2 });
        assert_eq!(
            new(5, Window { head: -2, tail: -1, ..w }, PadRule::Explicit),
            AxisError::WindowTooLarge { window: 3, padded: 2 }
        );
        assert_eq!(
            new(5, Window { dilation: 2, ..w }, PadRule::Same),
            AxisError::DilationWithLegacyPad { dilation: 2 }
        );
        assert_eq!(
            new(5, Window { head: -1, ..w }, PadRule::CaffePooling),
            AxisError::NegativePad { pad: -1 }
        );
        assert_eq!(new(1, w, PadRule::CaffePooling), AxisError::WindowTooLarge { window: 3, padded: 1 });
        for huge in [
            Window { head: i64::MAX, ..w },
            Window { tail: i64::MIN, ..w },
            Window { dilation: i64::MAX, ..w },
            Window { kernel: i64::MAX, dilation: i64::MAX, ..w },
        ] {
            for rule in [PadRule::Explicit, PadRule::CaffePooling] {
                assert!(Axis::new(5, huge, rule).is_err());
            }
        }
        assert!(Axis::new(usize::MAX, w, PadRule::Explicit).is_err());
        assert_eq!(
            Axis::pooling(9, Window { head: 3, ..w }, PadRule::Explicit),
            Err(AxisError::PadNotBelowKernel { pad: 3, kernel: 3 })
        );
        assert!(Axis::pooling(9, Window { dilation: 2, ..w }, PadRule::Explicit).is_err());
        assert_eq!(PadRule::from_legacy_pad(2), Some(PadRule::Same));
        assert_eq!(PadRule::from_legacy_pad(4), None);
    }

    /// The original's arithmetic, for sizes where float is exact and the result positive.
    fn original(size: i64, kernel: i64, stride: i64, head: i64, tail: i64, rule: PadRule) -> (i64, i64, i64) {
        match rule {
            PadRule::Explicit => {
                (((size + head + tail - kernel) as f32 / stride as f32 + 1.0) as i64, head, tail)
            }
            PadRule::Valid => ((size - kernel) / stride + 1, 0, 0),
            PadRule::Same => {
                let pad = ((size + stride - 1) / stride - 1) * stride + kernel - size;
                ((size + pad - kernel) / stride + 1, pad / 2, pad - pad / 2)
            }
            PadRule::CaffePooling => {
                let exact = (size + head * 2 - kernel) as f32 / stride as f32 + 1.0;
                let mut output = exact.ceil() as i64;
                if head > 0 && (output - 1) * stride >= size + head {
                    output -= 1;
                }
                (output, head, head + stride * (output - exact as i64))
            }
        }
    }

    proptest! {
        #[test]
        fn as_the_original_where_that_is_sound(
            size in 1i64..60, kernel in 1i64..8, stride in 1i64..6, head in 0i64..5, tail in 0i64..5,
            rule in prop::sample::select(vec![PadRule::Explicit, PadRule::Valid, PadRule::Same, PadRule::CaffePooling]),
        ) {
            let window = Window { stride, head, tail, ..Window::new(kernel) };
            if let Ok(axis) = Axis::new(size as usize, window, rule)
                && size + 2 * head >= kernel
            {
                let got = (axis.output() as i64, axis.head() as i64, axis.tail() as i64);
                prop_assert_eq!(got, original(size, kernel, stride, head, tail, rule));
            }
        }

        #[test]
        fn ranges_agree_with_elements(
            size in 1usize..20, kernel in 1i64..6, stride in 1i64..5, dilation in 1i64..4, head in -3i64..6, tail in -3i64..6,
        ) {
            let window = Window { kernel, stride, dilation, head, tail };
            if let Ok(axis) = Axis::new(size, window, PadRule::Explicit) {
                for k in 0..axis.kernel() {
                    let range = axis.windows_with(k);
                    for o in 0..axis.output() {
                        prop_assert_eq!(range.contains(&o), axis.element(o, k).is_some());
                    }
                }
                if dilation == 1 {
                    for o in 0..axis.output() {
                        let inside: Vec<usize> = (0..axis.kernel()).filter_map(|k| axis.element(o, k)).collect();
                        prop_assert_eq!(axis.clipped(o).collect::<Vec<_>>(), inside);
                    }
                }
            }
        }
    }
}
