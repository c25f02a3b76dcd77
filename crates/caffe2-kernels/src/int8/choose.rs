//! The scale and the zero point for a range of values: fbgemm's `ChooseQuantizationParams`.

use super::Quantization;
use crate::extremes::by_eights;

/// How a range becomes a scale and a zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRule {
    /// Bits of the codes, 1 to 16.
    pub bits: u32,
    /// Whether 0 is the middle of the codes where there are values on both sides of it.
    pub preserve_sparsity: bool,
    /// Whether the scale is a power of two: the next one above.
    pub power_of_two: bool,
}

/// The scale and the zero point with which codes reach from the smallest to the largest of the values, and to 0. Without
/// values the scale is 0.1, as for a range of 0.
///
/// The result need not be finite if the values are not.
pub fn choose_quantization(values: &[f32], rule: RangeRule) -> Quantization {
    let first = values.first().copied().unwrap_or(0.0);
    let (mut low, mut high) = by_eights(values, (first, first));
    let top = (1u32 << rule.bits) - 1;
    let symmetric = rule.preserve_sparsity && low < 0.0 && high > 0.0;
    if symmetric {
        let (below, above) = ((top / 2 + 1) as f32, (top / 2) as f32);
        let step = (low / below).abs().max((high / above).abs());
        (low, high) = (-step * below, step * above);
    }
    // Not `min` and `max`, which would pass over NaN.
    let low = f64::from(if 0.0 < low { 0.0 } else { low });
    let high = f64::from(if high < 0.0 { 0.0 } else { high });
    let middle = f64::from(top / 2 + 1);
    let top = f64::from(top);
    let mut scale = (high - low) / top;
    if scale as f32 == 0.0 || (1.0 / scale as f32).is_infinite() {
        scale = 0.1;
    }
    if rule.power_of_two {
        scale = if scale < 1.0 { (-(1.0 / scale).log2().floor()).exp2() } else { scale.log2().ceil().exp2() };
    }
    // From the end that loses less when it is divided by the scale.
    let (from_low, from_high) = (-low / scale, top - high / scale);
    let zero_point = if symmetric {
        middle
    } else if (low / scale).abs() < top + (high / scale).abs() {
        from_low
    } else {
        from_high
    };
    Quantization { scale: scale as f32, zero_point: zero_point.clamp(0.0, top).round_ties_even() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: RangeRule = RangeRule { bits: 8, preserve_sparsity: false, power_of_two: false };

    fn chosen(values: &[f32], rule: RangeRule) -> (f32, i32) {
        let Quantization { scale, zero_point } = choose_quantization(values, rule);
        (scale, zero_point)
    }

    /// What the original chooses.
    #[test]
    fn scales_and_zero_points_of_the_original() {
        assert_eq!(chosen(&[-1.0, 3.0], BYTES), (0.015_686_275, 64));
        assert_eq!(chosen(&[1.0, 3.0], BYTES), (0.011_764_706, 0));
        assert_eq!(chosen(&[-3.0, -1.0], BYTES), (0.011_764_706, 255));
        assert_eq!(chosen(&[0.0, 1e-6], BYTES), (3.921_568_4e-9, 0));
        assert_eq!(chosen(&[-1e-7, 2e-7], BYTES), (1.176_470_6e-9, 85));
        assert_eq!(chosen(&[-3e38, 3e38], BYTES), (2.352_941_1e36, 128));
        for none in [&[] as &[f32], &[0.0], &[1e-40]] {
            assert_eq!(chosen(none, BYTES), (0.1, 0));
        }
        let symmetric = RangeRule { preserve_sparsity: true, ..BYTES };
        assert_eq!(chosen(&[-1.0, 3.0], symmetric), (0.023_622_047, 128));
        assert_eq!(chosen(&[1.0, 3.0], symmetric), (0.011_764_706, 0));
        let power = RangeRule { power_of_two: true, ..BYTES };
        assert_eq!(chosen(&[-1.0, 3.0], power), (0.031_25, 32));
        assert_eq!(chosen(&[0.0], power), (0.125, 0));
        assert_eq!(chosen(&[-3.0, -1.0], power), (0.015_625, 192));
        let few = RangeRule { bits: 4, ..BYTES };
        assert_eq!(chosen(&[-1.0, 0.26, 3.0, 2.1, 1.9], few), (0.266_666_68, 4));
        let wide = RangeRule { bits: 16, ..BYTES };
        assert_eq!(chosen(&[-1.0, 3.0], wide), (6.103_609e-5, 16384));
    }

    #[test]
    fn values_that_are_no_numbers_count_where_they_count_there() {
        assert_eq!(chosen(&[1.0, f32::NAN, 2.0], BYTES), (0.007_843_138, 0));
        assert!(choose_quantization(&[f32::NAN, 1.0], BYTES).scale.is_nan());
        assert!(choose_quantization(&[f32::INFINITY, 1.0], BYTES).scale.is_infinite());
    }
}
