//! Bytes, with a float scale and a float bias.

use super::{Beyond, Bits, CodeRule, Rounding, RowFormat};
use crate::dequant::Affine;

/// A byte for each value, then scale and bias as floats: `FloatToFused8BitRowwiseQuantized`.
///
/// `scale = (high - low) / 255`, `bias = low`; codes are found with a range that is larger by 1e-8, so that rows of
/// equal values have codes of 0 (Caffe2 `fused_nbit_rowwise_conversion.cc`, fbgemm `QuantUtilsAvx2.cc`).
#[derive(Debug)]
pub enum Fused8 {}

impl RowFormat for Fused8 {
    type Packing = Bits<8>;
    type Parameter = f32;
    const ROUNDING: Rounding = Rounding::Once;

    #[inline(always)]
    fn fit(low: f32, high: f32) -> (Affine, CodeRule) {
        let range = high - low;
        let line = Affine { scale: range / 255.0, bias: low };
        let inverse = 255.0 / (range + 1e-8);
        let (beyond, beyond_in_rest) = (Beyond::Saturate, Beyond::LowByte);
        (line, CodeRule { bias: low, inverse, top: 255, beyond, beyond_in_rest })
    }
}
