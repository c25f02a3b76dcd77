//! Arguments from Rust values.

use bytes::Bytes;

use crate::{Argument, NetDef, QTensorProto, TensorProto};

/// A value that an [`Argument`] can hold.
///
/// Each type goes to the field to which Caffe2's own Python argument builder
/// (`caffe2/python/utils.py`, `MakeArgument`) takes it; operators find it in no other field.
///
/// | Rust | field |
/// |---|---|
/// | `bool`, `i8` to `i64`, `u8` to `u32` | `i` |
/// | `f32`, `f64` (rounded to `f32`) | `f` |
/// | `&str`, `String`, `Bytes`, `&[u8]`, `Vec<u8>` | `s` |
/// | [`NetDef`] | `n` |
/// | [`TensorProto`] | `t` |
/// | `Vec`, slice or array of integers | `ints` |
/// | … of floats | `floats` |
/// | … of strings | `strings` |
/// | … of nets, tensors, quantised tensors | `nets`, `tensors`, `qtensors` |
///
/// An empty list sets no field at all; `Vec<u8>` and `&[u8]` are byte strings, not lists.
pub trait ArgumentValue {
    /// Puts the value into its field.
    fn store(self, argument: &mut Argument);
}

/// A value that stands in the lists of an [`Argument`].
pub trait ArgumentElement: Sized {
    /// Puts the values into their field.
    fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument);
}

impl Argument {
    /// An argument called `name`.
    ///
    /// ```
    /// use caffe2_proto::Argument;
    ///
    /// assert_eq!(Argument::new("kernel", 3).i, Some(3));
    /// assert_eq!(Argument::new("scales", [1.0f32, 2.0]).floats, [1.0, 2.0]);
    /// ```
    pub fn new(name: impl Into<String>, value: impl ArgumentValue) -> Self {
        let mut argument = Self { name: Some(name.into()), ..Self::default() };
        value.store(&mut argument);
        argument
    }
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl ArgumentValue for $ty {
            fn store(self, argument: &mut Argument) {
                argument.i = Some(i64::from(self));
            }
        }
    )*};
}
integers!(bool, i8, i16, i32, i64, u8, u16, u32);

macro_rules! lists_of_integers {
    ($($ty:ty),*) => {$(
        impl ArgumentElement for $ty {
            fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
                argument.ints.extend(values.map(i64::from));
            }
        }
    )*};
}
lists_of_integers!(bool, i8, i16, i32, i64, u16, u32);

/// A list of bytes is a byte string.
impl ArgumentElement for u8 {
    fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
        argument.s = Some(values.collect());
    }
}

impl ArgumentValue for f32 {
    fn store(self, argument: &mut Argument) {
        argument.f = Some(self);
    }
}

impl ArgumentValue for f64 {
    fn store(self, argument: &mut Argument) {
        argument.f = Some(self as f32);
    }
}

impl ArgumentElement for f32 {
    fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
        argument.floats.extend(values);
    }
}

impl ArgumentElement for f64 {
    fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
        argument.floats.extend(values.map(|value| value as f32));
    }
}

macro_rules! strings {
    ($($ty:ty: $value:ident => $bytes:expr),* $(,)?) => {$(
        impl ArgumentValue for $ty {
            fn store(self, argument: &mut Argument) {
                let $value = self;
                argument.s = Some($bytes);
            }
        }
        impl ArgumentElement for $ty {
            fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
                argument.strings.extend(values.map(|$value| $bytes));
            }
        }
    )*};
}
strings! {
    &str: text => Bytes::copy_from_slice(text.as_bytes()),
    &String: text => Bytes::copy_from_slice(text.as_bytes()),
    String: text => Bytes::from(text),
    Bytes: bytes => bytes,
}

/// Byte strings in a list; alone they are lists of bytes, which comes to the same field `s`.
macro_rules! lists_of_byte_strings {
    ($($ty:ty),*) => {$(
        impl ArgumentElement for $ty {
            fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
                argument.strings.extend(values.map(|value| Bytes::copy_from_slice(value.as_ref())));
            }
        }
    )*};
}
lists_of_byte_strings!(&[u8], Vec<u8>);

impl ArgumentValue for NetDef {
    fn store(self, argument: &mut Argument) {
        argument.n = Some(Box::new(self));
    }
}

impl ArgumentValue for TensorProto {
    fn store(self, argument: &mut Argument) {
        argument.t = Some(Box::new(self));
    }
}

macro_rules! lists_of_messages {
    ($($ty:ty => $field:ident),*) => {$(
        impl ArgumentElement for $ty {
            fn store_list(values: impl Iterator<Item = Self>, argument: &mut Argument) {
                argument.$field.extend(values);
            }
        }
    )*};
}
lists_of_messages!(NetDef => nets, TensorProto => tensors, QTensorProto => qtensors);

impl<T: ArgumentElement> ArgumentValue for Vec<T> {
    fn store(self, argument: &mut Argument) {
        T::store_list(self.into_iter(), argument);
    }
}

impl<T: ArgumentElement, const N: usize> ArgumentValue for [T; N] {
    fn store(self, argument: &mut Argument) {
        T::store_list(self.into_iter(), argument);
    }
}

impl<T: ArgumentElement + Clone> ArgumentValue for &[T] {
    fn store(self, argument: &mut Argument) {
        T::store_list(self.iter().cloned(), argument);
    }
}

impl<T: ArgumentElement + Clone, const N: usize> ArgumentValue for &[T; N] {
    fn store(self, argument: &mut Argument) {
        self.as_slice().store(argument);
    }
}

impl<T: ArgumentElement + Clone> ArgumentValue for &Vec<T> {
    fn store(self, argument: &mut Argument) {
        self.as_slice().store(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(set: impl FnOnce(&mut Argument)) -> Argument {
        let mut argument = Argument { name: Some("a".into()), ..Argument::default() };
        set(&mut argument);
        argument
    }

    #[test]
    fn single_values_go_where_caffe2_puts_them() {
        for argument in [Argument::new("a", 1), Argument::new("a", true), Argument::new("a", 1u8)] {
            assert_eq!(argument, only(|a| a.i = Some(1)));
        }
        for argument in [Argument::new("a", 0.5), Argument::new("a", 0.5f32)] {
            assert_eq!(argument, only(|a| a.f = Some(0.5)));
        }
        let owned = String::from("x");
        for argument in [
            Argument::new("a", "x"),
            Argument::new("a", &owned),
            Argument::new("a", owned.clone()),
            Argument::new("a", Bytes::from_static(b"x")),
            Argument::new("a", b"x"),
            Argument::new("a", b"x".as_slice()),
            Argument::new("a", vec![b'x']),
        ] {
            assert_eq!(argument, only(|a| a.s = Some(Bytes::from_static(b"x"))));
        }
        assert_eq!(Argument::new("a", NetDef::new("n")), only(|a| a.n = Some(Box::new(NetDef::new("n")))));
        assert_eq!(Argument::new("a", TensorProto::default()), only(|a| a.t = Some(Box::default())));
    }

    #[test]
    fn lists_go_where_caffe2_puts_them() {
        for argument in [
            Argument::new("a", [1, 0]),
            Argument::new("a", vec![true, false]),
            Argument::new("a", [1i64, 0].as_slice()),
        ] {
            assert_eq!(argument, only(|a| a.ints = vec![1, 0]));
        }
        let owned = vec![0.5f32, 2.0];
        for argument in [Argument::new("a", [0.5, 2.0]), Argument::new("a", &owned)] {
            assert_eq!(argument, only(|a| a.floats = vec![0.5, 2.0]));
        }
        for argument in [
            Argument::new("a", ["x", ""]),
            Argument::new("a", vec!["x".to_owned(), String::new()]),
            Argument::new("a", [vec![b'x'], vec![]]),
            Argument::new("a", [&b"x"[..], b""]),
        ] {
            assert_eq!(argument, only(|a| a.strings = vec!["x".into(), "".into()]));
        }
        let nets = || vec![NetDef::new("n")];
        assert_eq!(Argument::new("a", nets()), only(|a| a.nets = nets()));
        let tensors = || vec![TensorProto::default()];
        assert_eq!(Argument::new("a", tensors()), only(|a| a.tensors = tensors()));
        let qtensors = || vec![QTensorProto::default()];
        assert_eq!(Argument::new("a", qtensors()), only(|a| a.qtensors = qtensors()));
    }

    #[test]
    fn an_empty_list_sets_nothing_and_an_empty_string_does() {
        assert_eq!(Argument::new("a", Vec::<i64>::new()), only(|_| ()));
        assert_eq!(Argument::new("a", ""), only(|a| a.s = Some(Bytes::new())));
        assert_eq!(Argument::new("a", Vec::<u8>::new()), only(|a| a.s = Some(Bytes::new())));
    }
}
