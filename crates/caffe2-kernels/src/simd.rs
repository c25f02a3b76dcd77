//! Vectors of floats, for the few kernels whose loops compilers do not vectorise well by themselves.
//!
//! A [`Kernel`] is written once, over a [`Vector`], and compiled for each instruction set.
#![allow(unsafe_code)]

use crate::Isa;

/// As many floats as a vector register holds.
///
/// # Safety of all methods
///
/// The processor has the instruction set of the vector, as it has within [`Kernel::run`].
pub(crate) trait Vector: Copy {
    /// Floats of a vector.
    const LANES: usize;
    /// Vectors that a loop can keep in registers, with a few left for operands.
    const KEPT: usize;

    /// `x` in all lanes.
    unsafe fn splat(x: f32) -> Self;

    /// # Safety
    /// `from` is readable for `LANES` floats.
    unsafe fn load(from: *const f32) -> Self;

    /// Bytes as floats, 0 to 255.
    ///
    /// # Safety
    /// `from` is readable for `LANES` bytes.
    unsafe fn load_bytes(from: *const u8) -> Self;

    /// # Safety
    /// `to` is writable for `LANES` floats.
    unsafe fn store(self, to: *mut f32);

    unsafe fn add(self, other: Self) -> Self;

    unsafe fn sub(self, other: Self) -> Self;

    /// Negative lanes become 0; NaN and -0 stay.
    unsafe fn positive_part(self) -> Self;

    /// The larger of the two; `self` where they are equal, NaN where one is.
    unsafe fn larger(self, other: Self) -> Self;

    /// `self * b + c`, rounded once where there is an instruction for it.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
}

/// Code that is compiled for each instruction set.
pub(crate) trait Kernel {
    type Output;

    /// Does the work. To be `#[inline(always)]`, as all that it calls in its loops.
    ///
    /// # Safety
    /// The processor has the instruction set of `V`.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

/// Runs `kernel` compiled for `isa`, or for the widest set available if the processor lacks it.
#[inline]
pub(crate) fn dispatch<K: Kernel>(isa: Isa, kernel: K) -> K::Output {
    match isa.min(Isa::detected()) {
        // SAFETY: vectors of the portable set are plain arrays.
        Isa::Portable => unsafe { kernel.run::<[f32; 4]>() },
        // SAFETY: `detected` is at least this set, so the processor has its features.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { x86::avx2(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { x86::avx512(kernel) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("no such instruction set on this target"),
    }
}

/// The lanes of the vectors of `isa`.
pub(crate) fn lanes(isa: Isa) -> usize {
    struct Lanes;
    impl Kernel for Lanes {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<V: Vector>(self) -> usize {
            V::LANES
        }
    }
    dispatch(isa, Lanes)
}

impl Vector for [f32; 4] {
    const LANES: usize = 4;
    const KEPT: usize = 12;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; 4]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; the read needs no alignment.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[u8; 4]>().read_unaligned() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise; the write needs no alignment.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] - other[i])
    }

    #[inline(always)]
    unsafe fn positive_part(self) -> Self {
        self.map(|x| if x < 0.0 { 0.0 } else { x })
    }

    #[inline(always)]
    unsafe fn larger(self, other: Self) -> Self {
        std::array::from_fn(|i| if (other[i] > self[i]) | other[i].is_nan() { other[i] } else { self[i] })
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        std::array::from_fn(|i| self[i] * b[i] + c[i])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Kernel, Vector};

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: this function has the features, so whoever calls it knows that the processor has them.
        unsafe { kernel.run::<__m256>() }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(super) fn avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: as above.
        unsafe { kernel.run::<__m512>() }
    }

    /// The methods of a [`Vector`], each an instruction or two.
    macro_rules! vector {
        ($vector:ty, $lanes:literal, $kept:literal, $splat:ident, $load:ident, $from:ident => $load_bytes:expr,
         $store:ident, $add:ident, $sub:ident, $max:ident, $mul_add:ident,
         ($larger:ident, $other:ident) => $with_nan:expr) => {
            impl Vector for $vector {
                const LANES: usize = $lanes;
                const KEPT: usize = $kept;

                #[inline(always)]
                unsafe fn splat(x: f32) -> Self {
                    // SAFETY: the caller knows that the processor has the instruction set; here and below.
                    unsafe { $splat(x) }
                }

                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    // SAFETY: the caller's promise.
                    unsafe { $load(from) }
                }

                #[inline(always)]
                unsafe fn load_bytes($from: *const u8) -> Self {
                    // SAFETY: the caller's promise; the load needs no alignment.
                    unsafe { $load_bytes }
                }

                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    // SAFETY: the caller's promise.
                    unsafe { $store(to, self) }
                }

                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $add(self, other) }
                }

                #[inline(always)]
                unsafe fn sub(self, other: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $sub(self, other) }
                }

                #[inline(always)]
                unsafe fn positive_part(self) -> Self {
                    // The second operand is the result where neither is larger.
                    // SAFETY: as for `splat`.
                    unsafe { $max($splat(0.0), self) }
                }

                #[inline(always)]
                unsafe fn larger(self, $other: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe {
                        // `self` where the two are equal or one is NaN.
                        let $larger = $max($other, self);
                        $with_nan
                    }
                }

                #[inline(always)]
                unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                    // SAFETY: as for `splat`.
                    unsafe { $mul_add(self, b, c) }
                }
            }
        };
    }

    vector!(
        __m256,
        8,
        12,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        from => _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))),
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_max_ps,
        _mm256_fmadd_ps,
        (larger, other) => _mm256_blendv_ps(larger, other, _mm256_cmp_ps::<_CMP_UNORD_Q>(other, other))
    );
    vector!(
        __m512,
        16,
        24,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        from => _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))),
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_max_ps,
        _mm512_fmadd_ps,
        (larger, other) => {
            _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(other, other), larger, other)
        }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x * bytes + 1` and what is behind, for one vector.
    struct Line<'a> {
        x: &'a [f32; 17],
        bytes: &'a [u8; 17],
        out: &'a mut [f32; 17],
    }

    impl Kernel for Line<'_> {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<V: Vector>(self) -> usize {
            // SAFETY: vectors have at most 16 lanes, and the arrays 16 elements from the second on.
            unsafe {
                let x = V::load(self.x.as_ptr().add(1));
                let q = V::load_bytes(self.bytes.as_ptr().add(1));
                q.mul_add(x, V::splat(0.5)).add(V::splat(0.5)).store(self.out.as_mut_ptr().add(1));
            }
            V::LANES
        }
    }

    #[test]
    fn vectors_compute_lane_by_lane() {
        let x: [f32; 17] = std::array::from_fn(|i| i as f32 - 3.0);
        let bytes: [u8; 17] = std::array::from_fn(|i| (255 - 15 * i) as u8);
        for isa in Isa::available() {
            let mut out = [-7.0; 17];
            let lanes = dispatch(isa, Line { x: &x, bytes: &bytes, out: &mut out });
            assert_eq!(lanes, super::lanes(isa));
            for i in 0..17 {
                let within = (1..=lanes).contains(&i);
                let wanted = if within { x[i] * f32::from(bytes[i]) + 1.0 } else { -7.0 };
                assert_eq!(out[i], wanted, "{isa:?} {i}");
            }
        }
    }

    /// The larger of `a` and `b`, and what is not negative of their difference, for one vector.
    struct Choice<'a> {
        a: &'a [f32; 16],
        b: &'a [f32; 16],
        larger: &'a mut [f32; 16],
        positive: &'a mut [f32; 16],
    }

    impl Kernel for Choice<'_> {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<V: Vector>(self) -> usize {
            // SAFETY: vectors have at most 16 lanes.
            unsafe {
                let (a, b) = (V::load(self.a.as_ptr()), V::load(self.b.as_ptr()));
                a.larger(b).store(self.larger.as_mut_ptr());
                a.sub(b).positive_part().store(self.positive.as_mut_ptr());
            }
            V::LANES
        }
    }

    #[test]
    fn choices_keep_nan_and_zeros() {
        let nan = f32::NAN;
        let mut a =
            [1.0, -0.0, 0.0, nan, 2.0, nan, -0.0, f32::NEG_INFINITY, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let mut b = [2.0, 0.0, -0.0, 1.0, nan, nan, 0.0, -5.0, 0.5, 1.0, nan, 9.0, 0.0, 0.0, 0.0, 0.0];
        for rotation in 0..16 {
            for isa in Isa::available() {
                let (mut larger, mut positive) = ([0.0; 16], [0.0; 16]);
                let choice = Choice { a: &a, b: &b, larger: &mut larger, positive: &mut positive };
                for i in 0..dispatch(isa, choice) {
                    let want = if b[i] > a[i] || b[i].is_nan() { b[i] } else { a[i] };
                    assert!(larger[i].to_bits() == want.to_bits() || larger[i].is_nan() && want.is_nan());
                    let want = if a[i] - b[i] < 0.0 { 0.0 } else { a[i] - b[i] };
                    assert!(positive[i].to_bits() == want.to_bits() || positive[i].is_nan() && want.is_nan());
                }
            }
            if rotation % 2 == 0 { a.rotate_left(1) } else { b.rotate_left(1) }
        }
    }
}
