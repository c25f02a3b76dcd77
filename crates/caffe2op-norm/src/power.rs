//! Powers of floats, vectorised.

/// `base` to the power of `exponent`, which is not 0, correct but for the last place; NaN below 0.
///
/// In plain double-precision arithmetic, so that a body given to [`Isa::dispatch`](caffe2_kernels::Isa::dispatch) is
/// vectorised and gives the same bits on every instruction set.
#[inline(always)]
pub(crate) fn power(base: f32, exponent: f64) -> f32 {
    exp2(log2(base.into()) * exponent) as f32
}

const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const ONE: u64 = 1.0f64.to_bits();
const BIAS: f64 = 1023.0;

/// The base-2 logarithm of what is no denormal, within 1e-10.
#[inline(always)]
fn log2(x: f64) -> f64 {
    /// An integer below 2^52, put into the mantissa of this, is added to it.
    const INTEGER: f64 = (1u64 << MANTISSA_BITS) as f64;
    const ROOT: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    // x = 2^exponent * m with m from sqrt(1/2) to sqrt(2).
    let bits = x.to_bits().wrapping_add(ONE - ROOT);
    let exponent = f64::from_bits((bits >> MANTISSA_BITS) | INTEGER.to_bits()) - INTEGER - BIAS;
    let m = f64::from_bits((bits & ((1 << MANTISSA_BITS) - 1)).wrapping_add(ROOT));
    // ln(m) = 2 artanh(t), of which this is the series.
    let t = (m - 1.0) / (m + 1.0);
    let s = t * t;
    let mut sum = 1.0 / 13.0;
    sum = sum * s + 1.0 / 11.0;
    sum = sum * s + 1.0 / 9.0;
    sum = sum * s + 1.0 / 7.0;
    sum = sum * s + 1.0 / 5.0;
    sum = sum * s + 1.0 / 3.0;
    sum = sum * s + 1.0;
    let log = exponent + 2.0 * std::f64::consts::LOG2_E * t * sum;
    let log = if x < f64::INFINITY { log } else { x };
    let log = if x == 0.0 { f64::NEG_INFINITY } else { log };
    if x < 0.0 { f64::NAN } else { log }
}

/// 2 to the power of `x`, within 1e-8 of itself; beyond the range of floats, what is beyond it too.
#[inline(always)]
fn exp2(x: f64) -> f64 {
    // Adding and subtracting this rounds to the nearest integer, which then stands in the low bits.
    const ROUND: f64 = 1.5 * (1u64 << MANTISSA_BITS) as f64;
    let x = if x < -1000.0 { -1000.0 } else { x };
    let x = if x > 1000.0 { 1000.0 } else { x };
    let shifted = x + ROUND;
    let r = (x - (shifted - ROUND)) * std::f64::consts::LN_2;
    let mut sum = 1.0 / 5040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 1.0 / 2.0;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    let n = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let y = sum * f64::from_bits((n << MANTISSA_BITS).wrapping_add(ONE));
    if x.is_nan() { x } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_library() {
        for exponent in [-0.75, -0.5, -1.0, -2.0, 0.6, 3.0, -0.01, 40.0] {
            // Every 10007th positive float, denormals and infinity among them.
            for bits in (0..=f32::INFINITY.to_bits()).step_by(10_007).chain([f32::INFINITY.to_bits()]) {
                let x = f32::from_bits(bits);
                let (got, want) = (power(x, exponent), f64::from(x).powf(exponent) as f32);
                let near = got.to_bits().abs_diff(want.to_bits()) <= 1;
                assert!(near, "{x}^{exponent}: {got}, expected {want}");
            }
        }
    }

    #[test]
    fn what_has_no_power_is_nan() {
        assert!(power(-1.0, 0.5).is_nan() && power(f32::NAN, 0.5).is_nan());
        assert!(power(f32::NEG_INFINITY, -1.0).is_nan());
        assert_eq!((power(0.0, -0.5), power(-0.0, 0.5)), (f32::INFINITY, 0.0));
    }
}
