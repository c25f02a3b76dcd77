//! Values to codes.

use super::packing::Packing;

/// How codes are found: `round((x - bias) * inverse)`, ties to even.
#[derive(Debug, Clone, Copy)]
pub struct CodeRule {
    /// The value of code 0.
    pub bias: f32,
    /// Codes per unit.
    pub inverse: f32,
    /// The largest code.
    pub top: u8,
    /// What becomes of results beyond the codes, in whole groups of 32 values.
    pub beyond: Beyond,
    /// The same, in the values behind the last whole group.
    pub beyond_in_rest: Beyond,
}

/// What becomes of results that are no code, which come of rows with NaN. The parts of Caffe2's kernels differ here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// NaN and what no int32 can hold are 0, the rest becomes the nearest code: `_mm256_cvtps_epi32`, then packing.
    Saturate,
    /// Low 32 bits of an int64, in which NaN and what it cannot hold are 0; of these the nearest code: `lrintf`, and a
    /// clamp of int.
    ClampLowWord,
    /// The lowest byte of such an int64: `lrintf`, and a cast to `uint8_t`.
    LowByte,
}

impl Beyond {
    /// The code of any value.
    fn code(self, value: f32, top: u8) -> u8 {
        const INT32_END: f32 = 2_147_483_648.0;
        const INT64_END: f32 = 9_223_372_036_854_775_808.0;
        let int64 = if value < INT64_END { value.round_ties_even() as i64 } else { i64::MIN };
        match self {
            Beyond::Saturate if value < INT32_END => int64.clamp(0, top.into()) as u8,
            Beyond::Saturate => 0,
            Beyond::ClampLowWord => (int64 as i32).clamp(0, top.into()) as u8,
            Beyond::LowByte => int64 as u8,
        }
    }
}

/// Values that are made codes at a time, and the length of the groups that [`CodeRule`] speaks of.
const GROUP: usize = 32;

/// Adding this rounds to the nearest integer, ties to even, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Writes the codes of `values` to the bytes that they fill.
#[inline(always)]
pub(super) fn write_codes<P: Packing>(values: &[f32], rule: CodeRule, bytes: &mut [u8]) {
    let top = f32::from(rule.top);
    for (values, bytes) in values.chunks(GROUP).zip(bytes.chunks_mut(GROUP / P::PER_BYTE)) {
        let mut results = [0.0; GROUP];
        for (result, x) in results.iter_mut().zip(values) {
            *result = (x - rule.bias) * rule.inverse;
        }
        let results = &results[..values.len()];
        let mut codes = [0; GROUP];
        let codes = &mut codes[..values.len()];
        // Rounded they are codes, or half a step beyond.
        if results.iter().fold(true, |all, &r| all & (r > -0.5) & (r < top + 0.5)) {
            for (code, &r) in codes.iter_mut().zip(results) {
                *code = (r + ROUND).to_bits() as u8;
            }
        } else {
            let beyond = if values.len() == GROUP { rule.beyond } else { rule.beyond_in_rest };
            codes.iter_mut().zip(results).for_each(|(code, r)| *code = beyond.code(*r, rule.top));
        }
        P::pack(codes, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::packing::Bits;
    use super::*;

    #[test]
    fn rounding_is_to_even_and_stays_within_the_codes() {
        let rule = CodeRule {
            bias: -1.0,
            inverse: 2.0,
            top: 15,
            beyond: Beyond::Saturate,
            beyond_in_rest: Beyond::ClampLowWord,
        };
        let values = [-1.0, -0.75, -0.25, 0.25, 6.5, 9.0, -3.0, f32::NAN, f32::INFINITY, 1e15];
        // The low word of 2e15 is positive.
        for (len, last) in [(10, 15), (GROUP, 0)] {
            let mut row: Vec<f32> = values.to_vec();
            row.resize(len, 0.0);
            let mut bytes = vec![0; len / 2];
            write_codes::<Bits<4>>(&row, rule, &mut bytes);
            let codes: Vec<u8> = (0..10).map(|i| Bits::<4>::code(&bytes, i)).collect();
            assert_eq!(codes[..9], [0, 0, 2, 2, 15, 15, 0, 0, 0]);
            assert_eq!(codes[9], last);
        }
    }

    #[test]
    fn what_is_beyond_wraps_saturates_or_is_zero() {
        let codes = |beyond: Beyond| {
            [-1.0, 257.0, 3e9, -3e9, 1e19, -1e19, f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
                .map(|v| beyond.code(v, 255))
        };
        assert_eq!(codes(Beyond::Saturate), [0, 255, 0, 0, 0, 0, 0, 0, 0]);
        // 3e9 is 0xb2d05e00: negative in 32 bits; -3e9 is 0x4d2fa200.
        assert_eq!(codes(Beyond::ClampLowWord), [0, 255, 0, 255, 0, 0, 0, 0, 0]);
        assert_eq!(codes(Beyond::LowByte), [255, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
}
