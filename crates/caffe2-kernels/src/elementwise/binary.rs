//! Kernels of two operands with broadcasting: Add, Sub, Mul, Div.

use super::broadcast::{Pair, Segment};
use super::{BLOCK, Broadcast, GRAIN};
use crate::error::check_len;
use crate::{Isa, KernelError, Threads};

/// An arithmetic operation on two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
}

/// A number type that the arithmetic kernels work on: `f32`, `f64`, `i32`, `i64`.
///
/// Integers wrap around on overflow (so `MIN / -1` is `MIN`) and divide towards zero.
pub trait Arithmetic: Copy + Default + Send + Sync + PartialEq + sealed::Sealed {
    /// Whether a division by zero has no result. Such a division is refused before anything is computed.
    const ZERO_DIVISOR_FAILS: bool;
    /// `self + b`
    fn add(self, b: Self) -> Self;
    /// `self - b`
    fn sub(self, b: Self) -> Self;
    /// `self * b`
    fn mul(self, b: Self) -> Self;
    /// `self / b`
    ///
    /// # Panics
    ///
    /// For integers, if `b` is 0.
    fn div(self, b: Self) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! floats {
    ($($t:ty),*) => {$(
        impl sealed::Sealed for $t {}
        impl Arithmetic for $t {
            const ZERO_DIVISOR_FAILS: bool = false;
            #[inline(always)]
            fn add(self, b: $t) -> $t { self + b }
            #[inline(always)]
            fn sub(self, b: $t) -> $t { self - b }
            #[inline(always)]
            fn mul(self, b: $t) -> $t { self * b }
            #[inline(always)]
            fn div(self, b: $t) -> $t { self / b }
        }
    )*};
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl sealed::Sealed for $t {}
        impl Arithmetic for $t {
            const ZERO_DIVISOR_FAILS: bool = true;
            #[inline(always)]
            fn add(self, b: $t) -> $t { self.wrapping_add(b) }
            #[inline(always)]
            fn sub(self, b: $t) -> $t { self.wrapping_sub(b) }
            #[inline(always)]
            fn mul(self, b: $t) -> $t { self.wrapping_mul(b) }
            #[inline(always)]
            fn div(self, b: $t) -> $t { self.wrapping_div(b) }
        }
    )*};
}

floats!(f32, f64);
integers!(i32, i64);

/// The operands of a kernel of two inputs and one output, which may replace either input, or both if they
/// are one and the same.
#[derive(Debug)]
pub enum BinaryIo<'a, T> {
    /// `out = a op b`, all different memory (the inputs may be the same).
    Apart {
        /// First operand.
        a: &'a [T],
        /// Second operand.
        b: &'a [T],
        /// Result.
        out: &'a mut [T],
    },
    /// `a = a op b`; the result must have the shape of `a`.
    IntoA {
        /// First operand and result.
        a: &'a mut [T],
        /// Second operand.
        b: &'a [T],
    },
    /// `b = a op b`; the result must have the shape of `b`.
    IntoB {
        /// First operand.
        a: &'a [T],
        /// Second operand and result.
        b: &'a mut [T],
    },
    /// `both = both op both`
    IntoBoth(&'a mut [T]),
}

impl<T> BinaryIo<'_, T> {
    fn lens(&self) -> (usize, usize, usize) {
        match self {
            BinaryIo::Apart { a, b, out } => (a.len(), b.len(), out.len()),
            BinaryIo::IntoA { a, b } => (a.len(), b.len(), a.len()),
            BinaryIo::IntoB { a, b } => (a.len(), b.len(), b.len()),
            BinaryIo::IntoBoth(both) => (both.len(), both.len(), both.len()),
        }
    }
}

/// Computes `op` element by element over operands that `broadcast` brings together (Caffe2 `Add`, `Sub`,
/// `Mul`, `Div`).
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::elementwise::{BinaryIo, BinaryOp, Broadcast, binary};
///
/// let (a, b, mut out) = ([1.0, 2.0, 3.0, 4.0], [10.0, 20.0], [0.0; 4]);
/// let broadcast = Broadcast::new(&[2, 2], &[2])?;
/// let io = BinaryIo::Apart { a: &a, b: &b, out: &mut out };
/// binary(&Threads::single(), BinaryOp::Add, &broadcast, io)?;
/// assert_eq!(out, [11.0, 22.0, 13.0, 24.0]);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Length`] if an operand has not as many elements as `broadcast` says (in place: if the
/// result has another shape than the operand it replaces), [`KernelError::DivisionByZero`] for integers,
/// before anything is written.
pub fn binary<T: Arithmetic>(
    threads: &Threads,
    op: BinaryOp,
    broadcast: &Broadcast,
    io: BinaryIo<'_, T>,
) -> Result<(), KernelError> {
    binary_on(Isa::current(), threads, op, broadcast, io)
}

fn binary_on<T: Arithmetic>(
    isa: Isa,
    threads: &Threads,
    op: BinaryOp,
    broadcast: &Broadcast,
    io: BinaryIo<'_, T>,
) -> Result<(), KernelError> {
    let (a, b, out) = io.lens();
    check_len("first operand", broadcast.a_len(), a)?;
    check_len("second operand", broadcast.b_len(), b)?;
    check_len("result", broadcast.len(), out)?;
    match op {
        BinaryOp::Add => run(
            isa,
            threads,
            broadcast,
            io,
            #[inline(always)]
            |a: T, b| a.add(b),
        ),
        BinaryOp::Sub => run(
            isa,
            threads,
            broadcast,
            io,
            #[inline(always)]
            |a: T, b| a.sub(b),
        ),
        BinaryOp::Mul => run(
            isa,
            threads,
            broadcast,
            io,
            #[inline(always)]
            |a: T, b| a.mul(b),
        ),
        BinaryOp::Div => {
            if T::ZERO_DIVISOR_FAILS && out > 0 && divisors(&io).contains(&T::default()) {
                return Err(KernelError::DivisionByZero);
            }
            run(
                isa,
                threads,
                broadcast,
                io,
                #[inline(always)]
                |a: T, b| a.div(b),
            );
        }
    }
    Ok(())
}

fn divisors<'a, T>(io: &'a BinaryIo<'_, T>) -> &'a [T] {
    match io {
        BinaryIo::Apart { b, .. } | BinaryIo::IntoA { b, .. } => b,
        BinaryIo::IntoB { b, .. } | BinaryIo::IntoBoth(b) => b,
    }
}

/// Computes `out = f(a, b)` over operands that `broadcast` brings together, for any element types: what
/// comparisons and logical operators need.
///
/// Mark the closure `#[inline(always)] move`, so that it is compiled for the vector instruction set in use
/// and the compiler sees that the values it holds are not among the elements.
///
/// # Errors
///
/// [`KernelError::Length`] if an operand has not as many elements as `broadcast` says.
#[inline]
pub fn zip_broadcast<A, B, O>(
    threads: &Threads,
    broadcast: &Broadcast,
    a: &[A],
    b: &[B],
    out: &mut [O],
    f: impl Fn(A, B) -> O + Copy + Sync + Send,
) -> Result<(), KernelError>
where
    A: Copy + Send + Sync,
    B: Copy + Send + Sync,
    O: Send,
{
    check_len("first operand", broadcast.a_len(), a.len())?;
    check_len("second operand", broadcast.b_len(), b.len())?;
    check_len("result", broadcast.len(), out.len())?;
    apart(Isa::current(), threads, broadcast, (a, b, out), f);
    Ok(())
}

/// Computes `out = f(a, b)` over operands that `broadcast` brings together, apart or in place.
///
/// Mark the closure `#[inline(always)] move`, as for [`zip_broadcast`].
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::elementwise::{BinaryIo, Broadcast, binary_with};
///
/// let mut a = [1.0, 5.0, 3.0, 4.0];
/// let broadcast = Broadcast::new(&[2, 2], &[2])?;
/// let io = BinaryIo::IntoA { a: &mut a, b: &[2.0, 4.0] };
/// binary_with(&Threads::single(), &broadcast, io, #[inline(always)] move |a: f32, b| a.max(b))?;
/// assert_eq!(a, [2.0, 5.0, 3.0, 4.0]);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Length`] if an operand has not as many elements as `broadcast` says (in place: if the
/// result has another shape than the operand it replaces).
#[inline]
pub fn binary_with<T: Copy + Send + Sync>(
    threads: &Threads,
    broadcast: &Broadcast,
    io: BinaryIo<'_, T>,
    f: impl Fn(T, T) -> T + Copy + Sync + Send,
) -> Result<(), KernelError> {
    let (a, b, out) = io.lens();
    check_len("first operand", broadcast.a_len(), a)?;
    check_len("second operand", broadcast.b_len(), b)?;
    check_len("result", broadcast.len(), out)?;
    run(Isa::current(), threads, broadcast, io, f);
    Ok(())
}

#[inline]
fn run<T: Copy + Send + Sync>(
    isa: Isa,
    threads: &Threads,
    broadcast: &Broadcast,
    io: BinaryIo<'_, T>,
    f: impl Fn(T, T) -> T + Copy + Sync + Send,
) {
    match io {
        BinaryIo::Apart { a, b, out } => apart(isa, threads, broadcast, (a, b, out), f),
        BinaryIo::IntoA { a, b } => into_one(isa, threads, broadcast, (a, b), Side::A, f),
        BinaryIo::IntoB { a, b } => into_one(
            isa,
            threads,
            broadcast,
            (b, a),
            Side::B,
            #[inline(always)]
            move |b, a| f(a, b),
        ),
        BinaryIo::IntoBoth(both) => threads.for_each_block(both, BLOCK, GRAIN, |_, block| {
            isa.dispatch(
                #[inline(always)]
                move || {
                    for y in block {
                        *y = f(*y, *y);
                    }
                },
            );
        }),
    }
}

#[inline]
fn apart<A, B, O>(
    isa: Isa,
    threads: &Threads,
    broadcast: &Broadcast,
    (a, b, out): (&[A], &[B], &mut [O]),
    f: impl Fn(A, B) -> O + Copy + Sync + Send,
) where
    A: Copy + Send + Sync,
    B: Copy + Send + Sync,
    O: Send,
{
    threads.for_each_block(out, BLOCK, GRAIN, |index, block| {
        let start = index * BLOCK;
        for s in broadcast.segments(start, start + block.len()) {
            let out = &mut block[s.out - start..][..s.len];
            isa.dispatch(
                #[inline(always)]
                move || match s.shape {
                    Pair::Slices => {
                        for ((y, &a), &b) in out.iter_mut().zip(&a[s.a..][..s.len]).zip(&b[s.b..][..s.len]) {
                            *y = f(a, b);
                        }
                    }
                    Pair::ScalarA => {
                        let a = a[s.a];
                        for (y, &b) in out.iter_mut().zip(&b[s.b..][..s.len]) {
                            *y = f(a, b);
                        }
                    }
                    Pair::ScalarB => {
                        let b = b[s.b];
                        for (y, &a) in out.iter_mut().zip(&a[s.a..][..s.len]) {
                            *y = f(a, b);
                        }
                    }
                },
            );
        }
    });
}

/// Which operand of the operator receives the result.
#[derive(Clone, Copy)]
enum Side {
    A,
    B,
}

impl Side {
    /// Offset of the other operand, and whether it is one element. The operand that is replaced has the
    /// result's shape, so it is never stretched.
    fn other(self, s: &Segment) -> (usize, bool) {
        match self {
            Side::A => (s.b, s.shape == Pair::ScalarB),
            Side::B => (s.a, s.shape == Pair::ScalarA),
        }
    }
}

/// `into = f(into, other)`
#[inline]
fn into_one<T: Copy + Send + Sync>(
    isa: Isa,
    threads: &Threads,
    broadcast: &Broadcast,
    (into, other): (&mut [T], &[T]),
    side: Side,
    f: impl Fn(T, T) -> T + Copy + Sync + Send,
) {
    threads.for_each_block(into, BLOCK, GRAIN, |index, block| {
        let start = index * BLOCK;
        for s in broadcast.segments(start, start + block.len()) {
            let out = &mut block[s.out - start..][..s.len];
            let (at, scalar) = side.other(&s);
            isa.dispatch(
                #[inline(always)]
                move || {
                    if scalar {
                        let x = other[at];
                        for y in out {
                            *y = f(*y, x);
                        }
                    } else {
                        for (y, &x) in out.iter_mut().zip(&other[at..][..s.len]) {
                            *y = f(*y, x);
                        }
                    }
                },
            );
        }
    });
}

#[cfg(test)]
#[path = "binary_tests.rs"]
mod tests;
