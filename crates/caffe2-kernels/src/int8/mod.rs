//! Floats to codes with one scale and one zero point: `value = (code - zero_point) * scale`.
//!
//! Caffe2 has two ways to round, and both are here: [`quantize`] is that of its own operators, [`quantize_server`] that
//! of the engine `DNNLOWP`, whose parameters [`choose_quantization`] finds. The way back is
//! [`CodeMap::ZeroPoint`](crate::dequant::CodeMap::ZeroPoint).

mod choose;

pub use choose::{RangeRule, choose_quantization};

use crate::isa::multiply_add_once;
use crate::{Isa, Threads};

/// Scale and zero point of quantized values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// Difference between the values of neighbouring codes.
    pub scale: f32,
    /// The code whose value is 0.
    pub zero_point: i32,
}

/// Writes `zero_point + round(x / scale)`, ties to even, of each value, kept within 0 and 255; NaN gives 0
/// (Caffe2 `int8_utils.h`).
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::int8::{Quantization, quantize};
///
/// let mut codes = [0; 4];
/// quantize(&Threads::single(), &[0.25, 0.75, -9.0, 1e30], Quantization { scale: 0.5, zero_point: 3 }, &mut codes);
/// assert_eq!(codes, [3, 5, 0, 255]);
/// ```
///
/// # Panics
///
/// If the lengths differ.
pub fn quantize(threads: &Threads, values: &[f32], to: Quantization, codes: &mut [u8]) {
    let Quantization { scale, zero_point } = to;
    if zero_point.unsigned_abs() > EXACT {
        let code = move |x: f32| {
            let steps = if x.is_nan() { i32::MIN } else { (x / scale).round_ties_even() as i32 };
            (i64::from(steps) + i64::from(zero_point)).clamp(0, 255) as u8
        };
        return each(threads, values, codes, move |_, x| code(x));
    }
    // Kept within bounds before it is rounded, which is the same since these are integers.
    let (low, high) = (-zero_point as f32, (255 - zero_point) as f32);
    each(
        threads,
        values,
        codes,
        #[inline(always)]
        move |_, x| (to_integer(keep_within(x / scale, low, high)) + zero_point) as u8,
    );
}

/// A type of codes: `uint8` or `uint16`.
pub trait Code: Copy + Send + 'static {
    /// Its bits.
    const BITS: u32;

    /// The code of a number that has at most as many bits.
    fn from_integer(value: i32) -> Self;
}

impl Code for u8 {
    const BITS: u32 = u8::BITS;

    #[inline(always)]
    fn from_integer(value: i32) -> u8 {
        value as u8
    }
}

impl Code for u16 {
    const BITS: u32 = u16::BITS;

    #[inline(always)]
    fn from_integer(value: i32) -> u16 {
        value as u16
    }
}

/// Writes `round(x * (1 / scale) + zero_point)`, ties to even, of each value, kept within 0 and the largest code of
/// `bits` bits. Bytes of all 8 bits are found with a fused multiply-add, and NaN gives the largest code; otherwise there
/// are two roundings, and NaN gives 0 (fbgemm `QuantUtils.h`, `QuantUtilsAvx2.cc`).
///
/// # Panics
///
/// If the lengths differ, or `bits` is 0 or more than the type has.
pub fn quantize_server<C: Code>(
    threads: &Threads,
    values: &[f32],
    to: Quantization,
    bits: u32,
    codes: &mut [C],
) {
    assert!((1..=C::BITS).contains(&bits), "codes have 1 to {} bits, not {bits}", C::BITS);
    let top = ((1u32 << bits) - 1) as f32;
    let (inverse, zero_point) = (1.0 / to.scale, to.zero_point as f32);
    if C::BITS == 8 && bits == 8 {
        return each(
            threads,
            values,
            codes,
            #[inline(always)]
            move |fused, x| {
                let code = multiply_add_once(fused, x, inverse, zero_point);
                let code = if code < top { code } else { top };
                C::from_integer(to_integer(if code > 0.0 { code } else { 0.0 }))
            },
        );
    }
    each(
        threads,
        values,
        codes,
        #[inline(always)]
        move |_, x| C::from_integer(to_integer(keep_within(x * inverse + zero_point, 0.0, top))),
    );
}

/// The largest integer that [`to_integer`] is used for.
const EXACT: u32 = 1 << 21;

/// The nearest of `low`, `high` and what is between them; NaN becomes `low`.
#[inline(always)]
fn keep_within(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// The nearest integer to a number of at most [`EXACT`] and 255, ties to even.
#[inline(always)]
fn to_integer(x: f32) -> i32 {
    // The sum is rounded to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    (x + ROUND).to_bits() as i32 - ROUND.to_bits() as i32
}

/// Values that one thread quantizes at a time.
const BLOCK: usize = 128 * 1024;
/// Values below which waking a pool costs more than it gains.
const GRAIN: usize = 256 * 1024;

fn each<C: Code>(
    threads: &Threads,
    values: &[f32],
    codes: &mut [C],
    code: impl Fn(bool, f32) -> C + Copy + Send + Sync,
) {
    assert_eq!(values.len(), codes.len(), "as many codes as values");
    let isa = Isa::current();
    threads.for_each_block(codes, BLOCK, GRAIN, |index, codes| {
        let values = &values[index * BLOCK..][..codes.len()];
        isa.dispatch_fused(
            #[inline(always)]
            move |fused| codes.iter_mut().zip(values).for_each(|(y, x)| *y = code(fused, *x)),
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Threads = Threads::single();

    fn values() -> Vec<f32> {
        let mut values: Vec<f32> = (-3000..3000).map(|i| i as f32 * 0.125).collect();
        values.extend((0..2000).map(|i| f32::from_bits(i * 2_147_483)));
        values.extend([
            f32::NAN,
            -f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN,
            -0.0,
            1e-45,
        ]);
        values
    }

    const PARAMETERS: [(f32, i32); 9] = [
        (0.25, 0),
        (0.25, 128),
        (1.0, 255),
        (0.3, -7),
        (1e-4, 300),
        (0.25, 1 << 21),
        (0.25, (1 << 21) + 1),
        (1.0, i32::MAX),
        (1.0, i32::MIN),
    ];

    #[test]
    fn steps_are_rounded_then_added_to_the_zero_point() {
        for (isa, (scale, zero_point)) in Isa::available().flat_map(|isa| PARAMETERS.map(|p| (isa, p))) {
            let values = values();
            let mut codes = vec![0; values.len()];
            isa.scope(|| quantize(&ONE, &values, Quantization { scale, zero_point }, &mut codes));
            for (x, code) in values.iter().zip(codes) {
                let steps = f64::from((x / scale).round_ties_even()).clamp(-2_147_483_648.0, 2_147_483_647.0);
                let want = if x.is_nan() { f64::NEG_INFINITY } else { steps + f64::from(zero_point) };
                assert_eq!(code, want.clamp(0.0, 255.0) as u8, "{isa:?} {x} {scale} {zero_point}");
            }
        }
    }

    #[test]
    fn the_server_rounds_the_sum() {
        for (isa, (scale, zero_point)) in Isa::available().flat_map(|isa| PARAMETERS.map(|p| (isa, p))) {
            let values = values();
            let (mut bytes, mut few, mut wide) =
                (vec![0u8; values.len()], vec![0u8; values.len()], vec![0u16; values.len()]);
            isa.scope(|| {
                let to = Quantization { scale, zero_point };
                quantize_server(&ONE, &values, to, 8, &mut bytes);
                quantize_server(&ONE, &values, to, 3, &mut few);
                quantize_server(&ONE, &values, to, 16, &mut wide);
            });
            for (i, x) in values.iter().enumerate() {
                let (inverse, zero) = (1.0 / scale, zero_point as f32);
                let fused = x.mul_add(inverse, zero).round_ties_even();
                let want = if x.is_nan() { 255 } else { fused as u8 };
                assert_eq!(bytes[i], want, "{isa:?} {x} {scale} {zero_point}");
                let twice = (x * inverse + zero).round_ties_even();
                assert_eq!(few[i], (twice as u8).min(7), "{isa:?} {x} {scale} {zero_point}");
                assert_eq!(wide[i], twice as u16, "{isa:?} {x} {scale} {zero_point}");
            }
        }
    }

    #[test]
    fn the_two_ways_differ_at_ties() {
        let to = Quantization { scale: 1.0, zero_point: 3 };
        let (mut own, mut server) = ([0u8; 2], [0u8; 2]);
        quantize(&ONE, &[0.5, 1.5], to, &mut own);
        quantize_server(&ONE, &[0.5, 1.5], to, 8, &mut server);
        assert_eq!((own, server), ([3, 5], [4, 4]));
    }
}
