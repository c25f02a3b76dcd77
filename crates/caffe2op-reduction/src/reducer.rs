//! How many numbers become one.

use crate::number::{Number, Real};

/// How many elements become one.
pub(crate) trait Reducer<T: Number>: 'static {
    /// What joins with any value to that value.
    const NEUTRAL: T;
    /// What no elements at all become.
    const EMPTY: T;

    /// What one element counts as.
    fn lift(x: T) -> T;

    /// What two values become, the left one coming first.
    fn join(a: T, b: T) -> T;

    /// The value of the first elements, of which `joined` may not tell all.
    #[inline(always)]
    fn open(first: T, joined: T) -> T {
        let _ = first;
        joined
    }

    /// The result for `count` elements; `None` when it would be an integer divided by 0.
    fn finish(joined: T, count: usize) -> Option<T> {
        let _ = count;
        Some(joined)
    }
}

/// The sum.
#[derive(Debug)]
pub(crate) enum Sum {}

/// The sum divided by the number of elements.
#[derive(Debug)]
pub(crate) enum Mean {}

/// The greatest; NaN counts only if it comes first.
#[derive(Debug)]
pub(crate) enum Max {}

/// The smallest; NaN counts only if it comes first.
#[derive(Debug)]
pub(crate) enum Min {}

/// The sum of absolute values.
#[derive(Debug)]
pub(crate) enum L1 {}

/// The square root of the sum of squares.
#[derive(Debug)]
pub(crate) enum L2 {}

/// The sum of squares.
#[derive(Debug)]
pub(crate) enum Squares {}

/// The sum of squares divided by the number of elements.
#[derive(Debug)]
pub(crate) enum MeanSquares {}

macro_rules! sums {
    ($($name:ident: $bound:ident, |$x:ident| $lift:expr, |$sum:ident, $count:ident| $finish:expr;)*) => {$(
        impl<T: $bound> Reducer<T> for $name {
            const NEUTRAL: T = T::ZERO;
            const EMPTY: T = T::ZERO;

            #[inline(always)]
            fn lift($x: T) -> T {
                $lift
            }

            #[inline(always)]
            fn join(a: T, b: T) -> T {
                a.plus(b)
            }

            #[inline(always)]
            fn finish($sum: T, $count: usize) -> Option<T> {
                $finish
            }
        }
    )*};
}

sums! {
    Sum: Number, |x| x, |sum, _count| Some(sum);
    Mean: Number, |x| x, |sum, count| sum.over(count);
    L1: Real, |x| x.magnitude(), |sum, _count| Some(sum);
    L2: Real, |x| x.square(), |sum, _count| Some(sum.root());
    Squares: Real, |x| x.square(), |sum, _count| Some(sum);
    MeanSquares: Real, |x| x.square(), |sum, count| sum.over(count);
}

macro_rules! extremes {
    ($($name:ident: $neutral:ident, $empty:ident, $worse:tt;)*) => {$(
        impl<T: Number> Reducer<T> for $name {
            const NEUTRAL: T = T::$neutral;
            const EMPTY: T = T::$empty;

            #[inline(always)]
            fn lift(x: T) -> T {
                x
            }

            #[inline(always)]
            fn join(a: T, b: T) -> T {
                if a $worse b { b } else { a }
            }

            #[inline(always)]
            #[allow(clippy::eq_op)] // only NaN differs from itself
            fn open(first: T, joined: T) -> T {
                if first != first { first } else { joined }
            }
        }
    )*};
}

extremes! {
    Max: BOTTOM, LOWEST, <;
    Min: TOP, HIGHEST, >;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_counts_only_in_front() {
        assert!(<Max as Reducer<f32>>::join(f32::NAN, 1.0).is_nan());
        assert_eq!(<Max as Reducer<f32>>::join(1.0, f32::NAN), 1.0);
        assert!(<Min as Reducer<f32>>::open(f32::NAN, 1.0).is_nan());
    }
}
