//! Codes of 4 or 2 bits in whole bytes, with a float scale and a float bias.

use super::fused_bits::half_bias;
use super::{Beyond, Bits, CodeRule, Packing, Parameter, Rounding, RowFormat};
use crate::dequant::Affine;
use crate::half::f16;

/// Rows of [`Fused8`](super::Fused8) with codes of `N` bits only, 4 or 2, to see what these do to a net:
/// `FloatToFused4BitFakeRowwiseQuantized` and `FloatToFused2BitFakeRowwiseQuantized`.
///
/// As in [`FusedBits`](super::FusedBits), but that a scale which half cannot hold is 0 (Caffe2
/// `fused_rowwise_nbitfake_conversion_ops.h`).
#[derive(Debug)]
pub enum FakeBits<const N: usize> {}

impl<const N: usize> RowFormat for FakeBits<N>
where
    Bits<N>: Packing,
{
    type Packing = Bits<8>;
    type Parameter = f32;
    const ROUNDING: Rounding = Rounding::Once;

    #[inline(always)]
    fn fit(low: f32, high: f32) -> (Affine, CodeRule) {
        let (bias, range) = half_bias(low, high);
        let top = Bits::<N>::TOP;
        let scale = if range == 0.0 { 1.0 } else { f16::round(range / f32::from(top)) };
        let beyond = Beyond::ClampLowWord;
        let rule = CodeRule { bias, inverse: 1.0 / scale, top, beyond, beyond_in_rest: beyond };
        (Affine { scale, bias }, rule)
    }
}
