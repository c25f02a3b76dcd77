//! Elementary functions in plain arithmetic, which the compiler vectorises within
//! [`Isa::dispatch`](crate::Isa::dispatch) and which give the same bits on every instruction set.

/// `e^x`, within 1.5 units in the last place; overflows to infinity, underflows gradually to 0, keeps NaN.
///
/// Cody and Waite's reduction to `|r| <= ln(2) / 2` followed by a polynomial of degree 6.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding and subtracting this rounds to the nearest integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln(2) in two parts; the first has few enough bits that n * LN2_HIGH is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Beyond these the result is 0 or infinity. NaN passes.
    let clamped = if x < -104.0 { -104.0 } else { x };
    let clamped = if clamped > 89.0 { 89.0 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    // 2^n in two factors, since n reaches -150 and 128.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let y = p * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    if x.is_nan() { x } else { y }
}

/// `2^n` for `n` from -126 to 127; any other `n` gives any float.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `tanh(x)`, within 6 units in the last place; keeps NaN, -0 and denormals.
///
/// A quotient of two polynomials, of degree 13 and 6, up to where the result rounds to 1.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    // The last float whose result is below 1 - 2^-25.
    const LIMIT: f32 = 7.905_311;
    let clamped = if x < -LIMIT { -LIMIT } else { x };
    let clamped = if clamped > LIMIT { LIMIT } else { clamped };
    let s = clamped * clamped;
    let mut p = -2.760_768_5e-16;
    p = p * s + 2.000_188e-13;
    p = p * s - 8.604_672e-11;
    p = p * s + 5.122_297e-8;
    p = p * s + 1.485_722_4e-5;
    p = p * s + 6.372_619e-4;
    p = p * s + 4.893_524_6e-3;
    let mut q = 1.198_258_4e-6;
    q = q * s + 1.185_347_1e-4;
    q = q * s + 2.268_434_6e-3;
    q = q * s + 4.893_525e-3;
    // Near 0 the result is x, which would lose bits in a product of denormals.
    if x.abs() < 4e-4 { x } else { clamped * p / q }
}

/// `1 / (1 + e^-x)`, within 4 units in the last place down to -88, below which `e^-x` overflows and the
/// result is 0.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance from the exact value in units of the last place of the float nearest to it.
    fn ulps(got: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        if got == nearest {
            return 0.0;
        }
        let unit = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
        (f64::from(got) - exact).abs() / unit
    }

    #[test]
    fn exp_is_accurate_over_its_whole_range() {
        let mut worst: (f64, f32) = (0.0, 0.0);
        // Every 509th float between the limits.
        for bits in (0..=0x42b1_7217u32).step_by(509) {
            for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                let error = ulps(exp(x), f64::from(x).exp());
                if error > worst.0 {
                    worst = (error, x);
                }
            }
        }
        assert!(worst.0 < 1.5, "{worst:?}");
    }

    #[test]
    fn exp_at_its_limits() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(88.8), f32::INFINITY);
        assert!(exp(88.72).is_finite());
        assert_eq!(exp(-103.9).to_bits(), 1);
        assert_eq!(exp(-104.0), 0.0);
        assert_eq!(exp(f32::MIN), 0.0);
        assert_eq!(exp(f32::from_bits(0x7fc0_0001)).to_bits(), 0x7fc0_0001);
        assert!(exp(-f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_accurate_over_its_whole_range() {
        let mut worst: (f64, f32) = (0.0, 0.0);
        // Every 509th float up to 16.
        for bits in (0..=0x4180_0000u32).step_by(509) {
            let x = f32::from_bits(bits);
            let error = ulps(tanh(x), f64::from(x).tanh());
            if error > worst.0 {
                worst = (error, x);
            }
            assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits());
        }
        assert!(worst.0 < 6.0, "{worst:?}");
        for (x, y) in [(f32::INFINITY, 1.0), (f32::MAX, 1.0), (0.0, 0.0), (1e-40, 1e-40)] {
            assert!((tanh(x) - y).abs() <= f32::EPSILON / 2.0 && tanh(x) <= 1.0, "{x}");
        }
        assert!(tanh(f32::NAN).is_nan());
    }

    #[test]
    fn sigmoid_is_accurate() {
        for i in -17_600..=20_000 {
            let x = i as f32 * 0.005;
            let exact = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!(ulps(sigmoid(x), exact) < 4.0, "{x}: {} {exact}", sigmoid(x));
        }
        assert_eq!(sigmoid(f32::INFINITY), 1.0);
        assert_eq!(sigmoid(f32::NEG_INFINITY), 0.0);
        assert_eq!(sigmoid(0.0), 0.5);
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
