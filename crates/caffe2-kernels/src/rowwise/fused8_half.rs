//! Bytes, with a scale and a bias that are halves.

use super::fused_bits::fit_halves;
use super::{Beyond, Bits, CodeRule, Rounding, RowFormat};
use crate::dequant::Affine;
use crate::half::f16;

/// A byte for each value, then scale and bias as halves: `FloatToFused8BitRowwiseQuantizedHalfScaleBias`. Scale and
/// codes are found as for [`FusedBits`](super::FusedBits).
#[derive(Debug)]
pub enum Fused8Half {}

impl RowFormat for Fused8Half {
    type Packing = Bits<8>;
    type Parameter = f16;
    // The product of a half and a byte is exact.
    const ROUNDING: Rounding = Rounding::Twice;

    #[inline(always)]
    fn fit(low: f32, high: f32) -> (Affine, CodeRule) {
        fit_halves(low, high, 255, Beyond::ClampLowWord)
    }
}
