//! Choice of the vector instruction set, once per process.
//!
//! A kernel is one generic body that the compiler vectorises. [`Isa::dispatch`] compiles that body once
//! for each instruction set and calls the right clone:
//!
//! ```
//! use caffe2_kernels::Isa;
//!
//! fn double(isa: Isa, xs: &mut [f32]) {
//!     isa.dispatch(
//!         #[inline(always)]
//!         move || {
//!             for x in xs {
//!                 *x *= 2.0;
//!             }
//!         },
//!     );
//! }
//!
//! for isa in Isa::available() {
//!     let mut xs = [1.0, 2.5];
//!     double(isa, &mut xs);
//!     assert_eq!(xs, [2.0, 5.0]);
//! }
//! ```
//!
//! The `#[inline(always)]` on the closure, and on all that it calls, matters: code which is not inlined
//! into the clone is compiled for the baseline instruction set. So does `move`: a value captured by
//! reference might, for all the compiler knows, be overwritten by the output, and is then loaded again for
//! each element. The compiler never contracts `a * b + c`
//! into a fused operation by itself, so a body without explicit `mul_add` gives the same bits everywhere.

use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    /// The set that [`Isa::scope`] has chosen for this thread.
    static SCOPE: Cell<Option<Isa>> = const { Cell::new(None) };
}

/// Name of the environment variable that forces a lower instruction set.
pub const ISA_VARIABLE: &str = "CAFFE2_ISA";

/// A vector instruction set that the kernels are compiled for, in ascending order of width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every processor of the target has (SSE2 on x86-64).
    Portable,
    /// x86-64 with AVX2 and FMA: 256-bit vectors.
    Avx2,
    /// x86-64 with AVX-512 F, BW, VL and DQ, and AVX2 and FMA: 512-bit vectors.
    Avx512,
}

impl Isa {
    /// All instruction sets, narrowest first.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// The set in use: the widest one that the processor has, or a lower one if the environment variable
    /// `CAFFE2_ISA` says `portable`, `avx2` or `avx512`. A value that names no set, or one that the
    /// processor lacks, leaves the widest available. Read once per process.
    ///
    /// Within [`scope`](Isa::scope) it is the set of the scope.
    #[inline]
    pub fn current() -> Isa {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        SCOPE.get().unwrap_or_else(|| {
            *CURRENT.get_or_init(|| {
                let forced = std::env::var(ISA_VARIABLE).ok();
                Isa::choose(forced.as_deref(), Isa::detected())
            })
        })
    }

    /// Calls `work` such that the kernels that it calls, on this thread, use this set (or the widest
    /// available, if the processor lacks it): for tests and measurements.
    ///
    /// ```
    /// use caffe2_kernels::{Isa, Threads, elementwise::{InOut, relu}};
    ///
    /// for isa in Isa::available() {
    ///     let mut x = [-1.0, 2.0];
    ///     isa.scope(|| relu(&Threads::single(), InOut::InPlace(&mut x)));
    ///     assert_eq!(x, [0.0, 2.0]);
    /// }
    /// ```
    pub fn scope<R>(self, work: impl FnOnce() -> R) -> R {
        struct Restore(Option<Isa>);
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPE.set(self.0);
            }
        }
        let _restore = Restore(SCOPE.replace(Some(self.min(Isa::detected()))));
        work()
    }

    /// The widest set that this processor (and operating system) can run.
    pub fn detected() -> Isa {
        static DETECTED: OnceLock<Isa> = OnceLock::new();
        *DETECTED.get_or_init(detect)
    }

    /// The sets that this processor can run, narrowest first. Never empty.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// Whether this processor can run the set.
    #[inline]
    pub fn is_available(self) -> bool {
        self <= Isa::detected()
    }

    /// The name by which `CAFFE2_ISA` calls the set.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// The set called `name`, if there is one.
    pub fn from_name(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }

    fn choose(forced: Option<&str>, detected: Isa) -> Isa {
        forced.and_then(Isa::from_name).map_or(detected, |isa| isa.min(detected))
    }

    /// Runs `body` compiled for this instruction set; for the widest available one if the processor lacks
    /// it. See the [module documentation](self) for what `body` must look like to profit.
    #[inline(always)]
    pub fn dispatch<R>(self, body: impl FnOnce() -> R) -> R {
        #[cfg(target_arch = "x86_64")]
        {
            match self.min(Isa::detected()) {
                Isa::Portable => body(),
                // SAFETY: `detected` is at least this set, so the processor has its features.
                #[allow(unsafe_code)]
                Isa::Avx2 => unsafe { clones::avx2(body) },
                // SAFETY: as above.
                #[allow(unsafe_code)]
                Isa::Avx512 => unsafe { clones::avx512(body) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        body()
    }

    /// Like [`dispatch`](Isa::dispatch), and tells `body` whether the set has a fused multiply-add, for
    /// use with [`multiply_add`]. Results then differ in rounding between [`Isa::Portable`] and the others.
    #[inline(always)]
    pub fn dispatch_fused<R>(self, body: impl FnOnce(bool) -> R) -> R {
        match self.min(Isa::detected()) {
            Isa::Portable => body(false),
            isa => isa.dispatch(
                #[inline(always)]
                move || body(true),
            ),
        }
    }
}

/// `a * b + c`, rounded once if `fused`, else twice. `fused` should be what [`Isa::dispatch_fused`] says:
/// without hardware for it a fused operation is very slow.
#[inline(always)]
pub fn multiply_add(fused: bool, a: f32, b: f32, c: f32) -> f32 {
    if fused { a.mul_add(b, c) } else { a * b + c }
}

/// `a * b + c`, rounded once: with a fused operation if `fused`, which should be what [`Isa::dispatch_fused`] says,
/// else in double precision, without a call or a branch. The bits are the same, but for those of NaN.
#[inline(always)]
pub fn multiply_add_once(fused: bool, a: f32, b: f32, c: f32) -> f32 {
    if fused { a.mul_add(b, c) } else { fused_in_double(a, b, c) }
}

#[inline(always)]
fn fused_in_double(a: f32, b: f32, c: f32) -> f32 {
    // The product is exact. The sum is rounded to odd, so that rounding it once more gives what rounding the exact sum
    // would: a double has more than twice the digits of a float.
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + c;
    let of_c = sum - product;
    let error = (product - (sum - of_c)) + (c - of_c);
    let bits = sum.to_bits();
    // Away from zero is up in the bits, whatever the sign.
    let away = (error > 0.0) == (sum > 0.0);
    let odd = if away { bits | 1 } else { bits.wrapping_sub(1) | 1 };
    let inexact = error != 0.0 && !error.is_nan() && bits & 1 == 0;
    f64::from_bits(if inexact { odd } else { bits }) as f32
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    use std::arch::is_x86_feature_detected as has;
    if !(has!("avx2") && has!("fma")) {
        Isa::Portable
    } else if has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512dq") {
        Isa::Avx512
    } else {
        Isa::Avx2
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Portable
}

#[cfg(target_arch = "x86_64")]
mod clones {
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2<R>(body: impl FnOnce() -> R) -> R {
        body()
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
    pub(super) fn avx512<R>(body: impl FnOnce() -> R) -> R {
        body()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_set_never_exceeds_the_detected_one() {
        assert_eq!(Isa::choose(None, Isa::Avx2), Isa::Avx2);
        assert_eq!(Isa::choose(Some("portable"), Isa::Avx512), Isa::Portable);
        assert_eq!(Isa::choose(Some("avx2"), Isa::Avx512), Isa::Avx2);
        assert_eq!(Isa::choose(Some("avx512"), Isa::Avx2), Isa::Avx2);
        assert_eq!(Isa::choose(Some("neon"), Isa::Avx512), Isa::Avx512);
    }

    #[test]
    fn names_go_both_ways() {
        for isa in Isa::ALL {
            assert_eq!(Isa::from_name(isa.name()), Some(isa));
        }
        assert_eq!(Isa::from_name("AVX2"), None);
    }

    #[test]
    fn a_scope_ends_with_its_work() {
        let outside = Isa::current();
        Isa::Portable.scope(|| {
            assert_eq!(Isa::current(), Isa::Portable);
            Isa::Avx512.scope(|| assert_eq!(Isa::current(), Isa::detected()));
            assert_eq!(Isa::current(), Isa::Portable);
        });
        assert!(std::panic::catch_unwind(|| Isa::Portable.scope(|| panic!("within"))).is_err());
        assert_eq!(Isa::current(), outside);
    }

    #[test]
    fn fused_operations_are_rounded_once() {
        let (a, b) = (1.0 + f32::EPSILON, 1.0 - f32::EPSILON);
        assert_eq!(multiply_add(true, a, b, -1.0), -f32::EPSILON * f32::EPSILON);
        assert_eq!(multiply_add(false, a, b, -1.0), 0.0);
        for isa in Isa::available() {
            assert_eq!(
                isa.dispatch_fused(
                    #[inline(always)]
                    |fused| fused
                ),
                isa != Isa::Portable
            );
        }
    }

    #[test]
    fn one_rounding_in_double_is_that_of_the_fused_operation() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        let special = [0.0, -0.0, 1.0, f32::MAX, f32::MIN_POSITIVE, 1e-45, f32::INFINITY, f32::NAN];
        let special = special.iter().flat_map(|x| [*x, -x]).collect::<Vec<_>>();
        let check = |a: f32, b: f32, c: f32| {
            let (got, want) = (multiply_add_once(false, a, b, c), a.mul_add(b, c));
            assert!(got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{a:e} {b:e} {c:e}");
        };
        for (a, b) in special.iter().flat_map(|a| special.iter().map(move |b| (*a, *b))) {
            special.iter().for_each(|c| check(a, b, *c));
        }
        for i in 0..2_000_000 {
            let (a, b) = (f32::from_bits(next()), f32::from_bits(next()));
            // Sums near the product, and near half a unit of its last place.
            let near = (-a * b) * (1.0 + f32::EPSILON * (next() % 5) as f32);
            let c = match i % 4 {
                0 => f32::from_bits(next()),
                1 => near,
                2 => near * f32::EPSILON / 2.0,
                _ => near / f32::EPSILON * 2.0,
            };
            check(a, b, c);
            check((next() % 256) as f32, b, c);
        }
    }

    #[test]
    fn every_set_runs_the_body_once() {
        for isa in Isa::ALL {
            let mut calls = 0;
            let result = isa.dispatch(
                #[inline(always)]
                || {
                    calls += 1;
                    42
                },
            );
            assert_eq!((calls, result), (1, 42), "{isa:?}");
        }
        assert_eq!(Isa::available().next(), Some(Isa::Portable));
        assert!(Isa::current().is_available());
    }
}
