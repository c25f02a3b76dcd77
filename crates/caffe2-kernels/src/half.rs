//! Half floats (IEEE binary16) to and from floats, as the F16C instructions of x86-64 convert them.
//!
//! Conversions to half round to nearest, ties to even; NaN keeps its sign and the upper bits of its payload, and
//! becomes quiet. Every version gives the same bits.

pub use half::f16;

use crate::{Isa, Threads};

/// The value of a half as a float; exact. Without branches, unlike `f16::to_f32`, so that loops become vector
/// code.
#[inline(always)]
pub fn to_f32(half: f16) -> f32 {
    let half = u32::from(half.to_bits());
    // The exponent is too small by the difference of the biases, 112; the product is exact.
    let scaled = f32::from_bits((half & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    let special = if scaled >= 65536.0 { 0x7f80_0000 } else { 0 };
    let quiet = if scaled > 65536.0 { 0x0040_0000 } else { 0 };
    f32::from_bits(scaled.to_bits() | special | quiet | (half & 0x8000) << 16)
}

/// The half nearest to a float. Without branches, as [`to_f32`].
#[inline(always)]
pub fn from_f32(x: f32) -> f16 {
    const EXPONENT: u32 = (127 - 15) << 23;
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    // Half a unit of the last place that stays, less one for ties to even.
    let half_unit = 0xfff + (magnitude >> 13 & 1);
    let normal = magnitude.wrapping_sub(EXPONENT).wrapping_add(half_unit) >> 13;
    // Adding 0.5 rounds to a multiple of the smallest half, which then stands in the low bits.
    let denormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let nan = 0x7e00 | magnitude >> 13 & 0x3ff;
    let special = if magnitude > 0x7f80_0000 { nan } else { 0x7c00 };
    let finite = if magnitude < EXPONENT + (1 << 23) { denormal } else { normal };
    let half = if magnitude >= (127 + 16) << 23 { special } else { finite };
    f16::from_bits((half | bits >> 16 & 0x8000) as u16)
}

/// Writes the value of each half to `out`.
///
/// # Panics
///
/// If the lengths differ.
pub fn widen(threads: &Threads, halves: &[f16], out: &mut [f32]) {
    widen_on(Isa::current(), threads, halves, out);
}

fn widen_on(isa: Isa, threads: &Threads, halves: &[f16], out: &mut [f32]) {
    assert_eq!(halves.len(), out.len(), "as many halves as floats");
    threads.for_each_block(out, BLOCK, GRAIN, |index, out| {
        let halves = &halves[index * BLOCK..][..out.len()];
        let converted = by_instruction::widen(isa, halves, out);
        let (halves, out) = (&halves[converted..], &mut out[converted..]);
        isa.dispatch(
            #[inline(always)]
            move || out.iter_mut().zip(halves).for_each(|(y, x)| *y = to_f32(*x)),
        );
    });
}

/// Writes the half nearest to each float to `out`. What is beyond `limit` becomes `limit`, with its own sign: 65504
/// gives finite halves only, infinity all. NaN stays.
///
/// # Panics
///
/// If the lengths differ.
pub fn narrow(threads: &Threads, floats: &[f32], limit: f32, out: &mut [f16]) {
    narrow_on(Isa::current(), threads, floats, limit, out);
}

fn narrow_on(isa: Isa, threads: &Threads, floats: &[f32], limit: f32, out: &mut [f16]) {
    assert_eq!(floats.len(), out.len(), "as many floats as halves");
    threads.for_each_block(out, BLOCK, GRAIN, |index, out| {
        let floats = &floats[index * BLOCK..][..out.len()];
        let converted = by_instruction::narrow(isa, floats, limit, out);
        let (floats, out) = (&floats[converted..], &mut out[converted..]);
        isa.dispatch(
            #[inline(always)]
            move || {
                for (y, &x) in out.iter_mut().zip(floats) {
                    let above = if x < -limit { -limit } else { x };
                    *y = from_f32(if above > limit { limit } else { above });
                }
            },
        );
    });
}

/// Elements that one thread converts at a time.
const BLOCK: usize = 128 * 1024;
/// Elements below which waking a pool costs more than it gains.
const GRAIN: usize = 512 * 1024;

/// Conversion with the F16C instructions, eight at a time; tells how many elements were converted, which is none
/// where there are no such instructions or `isa` rules them out.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod by_instruction {
    use std::arch::x86_64::{
        __m128i, _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128, _mm_storeu_si128, _mm256_cvtph_ps,
        _mm256_cvtps_ph, _mm256_loadu_ps, _mm256_max_ps, _mm256_min_ps, _mm256_set1_ps, _mm256_storeu_ps,
    };

    use super::{Isa, f16};

    const LANES: usize = 8;

    fn available(isa: Isa) -> bool {
        isa.min(Isa::detected()) >= Isa::Avx2 && std::is_x86_feature_detected!("f16c")
    }

    pub(super) fn widen(isa: Isa, halves: &[f16], out: &mut [f32]) -> usize {
        // SAFETY: the processor has AVX and F16C.
        if available(isa) { unsafe { widen_eights(halves, out) } } else { 0 }
    }

    pub(super) fn narrow(isa: Isa, floats: &[f32], limit: f32, out: &mut [f16]) -> usize {
        // SAFETY: the processor has AVX and F16C.
        if available(isa) { unsafe { narrow_eights(floats, limit, out) } } else { 0 }
    }

    #[target_feature(enable = "avx,f16c")]
    fn widen_eights(halves: &[f16], out: &mut [f32]) -> usize {
        let (halves, (out, _)) = (halves.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>());
        for (y, x) in out.iter_mut().zip(halves) {
            // SAFETY: eight halves, which are plain 16 bits each, are read, and eight floats written.
            unsafe {
                let x = _mm_loadu_si128(x.as_ptr().cast::<__m128i>());
                _mm256_storeu_ps(y.as_mut_ptr(), _mm256_cvtph_ps(x));
            }
        }
        halves.len().min(out.len()) * LANES
    }

    #[target_feature(enable = "avx,f16c")]
    fn narrow_eights(floats: &[f32], limit: f32, out: &mut [f16]) -> usize {
        let (floats, (out, _)) = (floats.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>());
        let (low, high) = (_mm256_set1_ps(-limit), _mm256_set1_ps(limit));
        for (y, x) in out.iter_mut().zip(floats) {
            // SAFETY: eight floats are read, and eight halves, which are plain 16 bits each, written.
            unsafe {
                // Of two operands, if one is NaN, the second is returned.
                let x = _mm256_max_ps(low, _mm256_min_ps(high, _mm256_loadu_ps(x.as_ptr())));
                let halves = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x);
                _mm_storeu_si128(y.as_mut_ptr().cast::<__m128i>(), halves);
            }
        }
        floats.len().min(out.len()) * LANES
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod by_instruction {
    use super::{Isa, f16};

    pub(super) fn widen(_: Isa, _: &[f16], _: &mut [f32]) -> usize {
        0
    }

    pub(super) fn narrow(_: Isa, _: &[f32], _: f32, _: &mut [f16]) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Threads = Threads::single();

    #[test]
    fn every_half_becomes_the_same_float_and_comes_back() {
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let mut floats = vec![0.0; halves.len()];
        for isa in Isa::available() {
            widen_on(isa, &ONE, &halves, &mut floats);
            let mut back = vec![f16::ZERO; halves.len()];
            narrow_on(isa, &ONE, &floats, f32::INFINITY, &mut back);
            for ((half, float), back) in halves.iter().zip(&floats).zip(&back) {
                assert_eq!(float.to_bits(), to_f32(*half).to_bits(), "{isa:?} {half:?}");
                if half.is_nan() {
                    assert!(float.is_nan() && back.to_bits() == half.to_bits() | 0x200, "{isa:?} {half:?}");
                } else {
                    assert_eq!(*float, half.to_f32(), "{isa:?}");
                    assert_eq!(back.to_bits(), half.to_bits(), "{isa:?}");
                }
            }
        }
    }

    /// Floats at and beside every boundary between two halves, and many others.
    fn floats() -> Vec<f32> {
        let mut floats = Vec::new();
        for half in (0..0x7c00).map(f16::from_bits) {
            let next = f64::from(f16::from_bits(half.to_bits() + 1).to_f32().min(65536.0));
            let middle = ((f64::from(half.to_f32()) + next) / 2.0) as f32;
            floats.extend([half.to_f32(), middle.next_down(), middle, middle.next_up()]);
        }
        floats.extend((0..u32::MAX).step_by(9973).map(f32::from_bits));
        floats.iter().flat_map(|x| [*x, -x]).collect()
    }

    #[test]
    fn every_version_rounds_to_the_nearest() {
        let floats = floats();
        let mut halves = vec![f16::ZERO; floats.len()];
        for (isa, limit) in Isa::available().flat_map(|isa| [(isa, f32::INFINITY), (isa, 65504.0)]) {
            narrow_on(isa, &ONE, &floats, limit, &mut halves);
            for (x, y) in floats.iter().zip(&halves) {
                let want = if x.is_nan() { *x } else { x.clamp(-limit, limit) };
                assert_eq!(y.to_bits(), from_f32(want).to_bits(), "{isa:?} {x:e}");
                let nearest = f16::from_f32(want);
                assert!(y.to_bits() == nearest.to_bits() || x.is_nan() && y.is_nan(), "{isa:?} {x:e} {y}");
            }
        }
    }

    #[test]
    fn any_length_on_any_number_of_threads() {
        let n = GRAIN + 5;
        let floats: Vec<f32> = (0..n).map(|i| i as f32 * 0.37 - 1e5).collect();
        for len in (0..20).chain([n]) {
            for threads in [ONE, Threads::new(2)] {
                let mut halves = vec![f16::NAN; len];
                narrow(&threads, &floats[..len], 65504.0, &mut halves);
                let mut back = vec![0.0; len];
                widen(&threads, &halves, &mut back);
                let same = |(x, y): (&f32, &f32)| f16::from_f32(x.clamp(-65504.0, 65504.0)).to_f32() == *y;
                assert!(floats.iter().zip(&back).all(same), "{len}");
            }
        }
    }
}
