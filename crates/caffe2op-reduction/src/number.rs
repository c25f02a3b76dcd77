//! Numbers that can be reduced.

use caffe2_operator::Element;

/// A number that can be reduced.
pub(crate) trait Number: Element + PartialOrd {
    /// Zero.
    const ZERO: Self;
    /// Nothing is smaller, not even infinity.
    const BOTTOM: Self;
    /// Nothing is greater, not even infinity.
    const TOP: Self;
    /// The smallest finite number.
    const LOWEST: Self;
    /// The greatest finite number.
    const HIGHEST: Self;

    /// The sum; that of integers wraps around.
    fn plus(self, other: Self) -> Self;

    /// This divided by a number of elements; `None` for an integer divided by 0.
    fn over(self, count: usize) -> Option<Self>;
}

/// A number with fractions.
pub(crate) trait Real: Number {
    /// The absolute value.
    fn magnitude(self) -> Self;
    /// The square.
    fn square(self) -> Self;
    /// The square root.
    fn root(self) -> Self;
}

macro_rules! integers {
    ($($rust:ty),*) => {$(
        impl Number for $rust {
            const ZERO: Self = 0;
            const BOTTOM: Self = <$rust>::MIN;
            const TOP: Self = <$rust>::MAX;
            const LOWEST: Self = <$rust>::MIN;
            const HIGHEST: Self = <$rust>::MAX;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn over(self, count: usize) -> Option<Self> {
                // The quotient is no farther from zero than the dividend, unless count is 0.
                (self as i64).checked_div(count as i64).map(|quotient| quotient as $rust)
            }
        }
    )*};
}

macro_rules! reals {
    ($($rust:ty),*) => {$(
        impl Number for $rust {
            const ZERO: Self = 0.0;
            const BOTTOM: Self = <$rust>::NEG_INFINITY;
            const TOP: Self = <$rust>::INFINITY;
            const LOWEST: Self = <$rust>::MIN;
            const HIGHEST: Self = <$rust>::MAX;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            fn over(self, count: usize) -> Option<Self> {
                Some(self / count as $rust)
            }
        }

        impl Real for $rust {
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }

            #[inline(always)]
            fn square(self) -> Self {
                self * self
            }

            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
        }
    )*};
}

integers!(i32, i64);
reals!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_and_divide_toward_zero() {
        assert_eq!(i32::MAX.plus(1), i32::MIN);
        assert_eq!((i32::MIN.over(1), (-7i64).over(2), 1i32.over(0)), (Some(i32::MIN), Some(-3), None));
        assert_eq!(1f32.over(0), Some(f32::INFINITY));
    }
}
