//! Codes of 4 or 2 bits, with a scale and a bias that are halves.

use super::{Beyond, Bits, CodeRule, Packing, Parameter, Rounding, RowFormat};
use crate::dequant::Affine;
use crate::half::f16;

/// Codes of `N` bits, 4 or 2, of which a byte holds several, the first in its lowest bits; then scale and bias as
/// halves: `FloatToFused4BitRowwiseQuantized` and `FloatToFused2BitRowwiseQuantized`.
///
/// The bias is the smallest value, rounded to half; the scale is the range from there to the largest value, divided by
/// the largest code and rounded to half, or 1 where that gives 0 (Caffe2 `fused_nbit_rowwise_conversion.cc`, fbgemm
/// `QuantUtilsAvx2.cc`).
#[derive(Debug)]
pub enum FusedBits<const N: usize> {}

impl<const N: usize> RowFormat for FusedBits<N>
where
    Bits<N>: Packing,
{
    type Packing = Bits<N>;
    type Parameter = f16;
    // The product of a half and a code is exact.
    const ROUNDING: Rounding = Rounding::Twice;

    #[inline(always)]
    fn fit(low: f32, high: f32) -> (Affine, CodeRule) {
        fit_halves(low, high, Bits::<N>::TOP, Beyond::Saturate)
    }
}

/// The smallest value as a half, and the range from there to the largest.
#[inline(always)]
pub(super) fn half_bias(low: f32, high: f32) -> (f32, f32) {
    let bias = f16::round(low);
    let range = high - bias;
    // The NaN that a processor makes of two infinities has no sign that one could rely on.
    let made = range.is_nan() && !high.is_nan() && !bias.is_nan();
    (bias, if made { -f32::NAN.abs() } else { range })
}

/// Scale and bias that are halves, and the rule for codes from 0 to `top`.
#[inline(always)]
pub(super) fn fit_halves(low: f32, high: f32, top: u8, beyond: Beyond) -> (Affine, CodeRule) {
    let (bias, range) = half_bias(low, high);
    let rounded = f16::round(if range == 0.0 { 1.0 } else { range / f32::from(top) });
    let scale = if rounded == 0.0 { 1.0 } else { rounded };
    let rule = CodeRule { bias, inverse: 1.0 / scale, top, beyond, beyond_in_rest: Beyond::ClampLowWord };
    (Affine { scale, bias }, rule)
}
