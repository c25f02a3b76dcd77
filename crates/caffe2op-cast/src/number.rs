//! How a number becomes one of another type.

use std::fmt::{Display, Write};

use caffe2_operator::Element;

/// What the types of numbers are converted through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Any {
    /// A truth value or an integer.
    Int(i64),
    /// A number with a fraction.
    Float(f32),
    /// A number with a fraction.
    Double(f64),
}

/// An element that can be converted.
pub(crate) trait From: Element {
    /// The number, exactly.
    fn to_any(self) -> Any;

    /// Appends it in decimal, floats as C's `%f`.
    fn write(self, text: &mut String);
}

/// An element that can be converted to.
pub(crate) trait Into: Element {
    /// The number as this type, as C++ on x86 converts it.
    fn from_any(any: Any) -> Self;
}

/// An integer type that floats are truncated to.
trait Truncate<F>: Sized {
    /// Truncates; what does not fit is the smallest number.
    fn truncate(x: F) -> Self;
}

macro_rules! truncations {
    ($($float:ty => $integer:ty),*) => {$(
        impl Truncate<$float> for $integer {
            #[inline(always)]
            fn truncate(x: $float) -> $integer {
                // Exact: a power of two. What is too small becomes the smallest number by itself.
                if x < -(<$integer>::MIN as $float) { x as $integer } else { <$integer>::MIN }
            }
        }
    )*};
}

truncations!(f32 => i32, f32 => i64, f64 => i32, f64 => i64);

/// Writing to a string cannot fail.
fn append(text: &mut String, value: impl Display) {
    let _ = write!(text, "{value}");
}

macro_rules! integers {
    ($($type:ty => $through:ty),*) => {$(
        impl From for $type {
            #[inline(always)]
            fn to_any(self) -> Any {
                Any::Int(self as i64)
            }

            fn write(self, text: &mut String) {
                append(text, self);
            }
        }

        impl Into for $type {
            #[inline(always)]
            fn from_any(any: Any) -> $type {
                match any {
                    Any::Int(x) => x as $type,
                    Any::Float(x) => <$through>::truncate(x) as $type,
                    Any::Double(x) => <$through>::truncate(x) as $type,
                }
            }
        }
    )*};
}

macro_rules! floats {
    ($($type:ty => $any:ident),*) => {$(
        impl From for $type {
            #[inline(always)]
            fn to_any(self) -> Any {
                Any::$any(self)
            }

            fn write(self, text: &mut String) {
                let sign = if self.is_sign_negative() { "-" } else { "" };
                if self.is_nan() {
                    append(text, format_args!("{sign}nan"));
                } else {
                    append(text, format_args!("{self:.6}"));
                }
            }
        }

        impl Into for $type {
            #[inline(always)]
            fn from_any(any: Any) -> $type {
                match any {
                    Any::Int(x) => x as $type,
                    Any::Float(x) => x as $type,
                    Any::Double(x) => x as $type,
                }
            }
        }
    )*};
}

integers!(i8 => i32, u8 => i32, i16 => i32, u16 => i32, i32 => i32,
          i64 => i64);
floats!(f32 => Float, f64 => Double);

impl From for bool {
    #[inline(always)]
    fn to_any(self) -> Any {
        Any::Int(self.into())
    }

    fn write(self, text: &mut String) {
        append(text, u8::from(self));
    }
}

impl Into for bool {
    #[inline(always)]
    fn from_any(any: Any) -> bool {
        match any {
            Any::Int(x) => x != 0,
            Any::Float(x) => x != 0.0,
            Any::Double(x) => x != 0.0,
        }
    }
}
