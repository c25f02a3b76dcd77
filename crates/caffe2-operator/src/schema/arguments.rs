//! What a schema says of an operator's arguments.

use bytes::Bytes;
use caffe2_proto::{Argument, NetDef, TensorProto};

use crate::{ArgError, ArgProblem};

/// The kind of value that an argument holds, and with it the field of the message that is read.
///
/// Caffe2 converts nothing: an integer in a float argument is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// A number in field `f`.
    Float,
    /// An integer in field `i`.
    Int,
    /// A truth value: 0 or another integer in field `i`.
    Bool,
    /// Bytes in field `s`.
    String,
    /// A net in field `n`.
    Net,
    /// A tensor in field `t`.
    Tensor,
    /// Numbers in field `floats`.
    Floats,
    /// Integers in field `ints`.
    Ints,
    /// Truth values in field `ints`.
    Bools,
    /// Byte strings in field `strings`.
    Strings,
    /// Nets in field `nets`.
    Nets,
    /// Tensors in field `tensors`.
    Tensors,
    /// Whatever another argument or the value itself tells: the operator reads it as any kind.
    Any,
}

impl ArgKind {
    /// The field of `Argument` that holds a value of this kind.
    pub const fn field(self) -> &'static str {
        match self {
            ArgKind::Float => "f",
            ArgKind::Int | ArgKind::Bool => "i",
            ArgKind::String => "s",
            ArgKind::Net => "n",
            ArgKind::Tensor => "t",
            ArgKind::Floats => "floats",
            ArgKind::Ints | ArgKind::Bools => "ints",
            ArgKind::Strings => "strings",
            ArgKind::Nets => "nets",
            ArgKind::Tensors => "tensors",
            ArgKind::Any => "any",
        }
    }

    /// Whether an argument of this kind may be read as `wanted`.
    pub fn serves(self, wanted: ArgKind) -> bool {
        self == wanted || self == ArgKind::Any
    }

    /// The name in messages and reference pages.
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::Float => "float",
            ArgKind::Int => "int",
            ArgKind::Bool => "bool",
            ArgKind::String => "string",
            ArgKind::Net => "net",
            ArgKind::Tensor => "tensor",
            ArgKind::Floats => "list of floats",
            ArgKind::Ints => "list of ints",
            ArgKind::Bools => "list of bools",
            ArgKind::Strings => "list of strings",
            ArgKind::Nets => "list of nets",
            ArgKind::Tensors => "list of tensors",
            ArgKind::Any => "any kind",
        }
    }
}

/// What an argument is when it is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArgDefault {
    /// Verification fails.
    Required,
    /// There is no value: its absence means something of its own, or nothing.
    Absent,
    /// This number.
    Float(f32),
    /// This integer.
    Int(i64),
    /// This truth value.
    Bool(bool),
    /// These bytes.
    String(&'static str),
}

impl std::fmt::Display for ArgDefault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArgDefault::Required => f.write_str("required"),
            ArgDefault::Absent => f.write_str("none"),
            ArgDefault::Float(v) => write!(f, "{v:?}"),
            ArgDefault::Int(v) => write!(f, "{v}"),
            ArgDefault::Bool(v) => write!(f, "{v}"),
            ArgDefault::String(v) => write!(f, "{v:?}"),
        }
    }
}

/// One argument of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgSpec {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ArgKind,
    /// What holds when it is not given.
    pub default: ArgDefault,
    /// What it means.
    pub doc: &'static str,
}

/// A default value written as a plain Rust value.
pub trait IntoArgDefault {
    /// The kind of the argument, and its default.
    fn into_arg_default(self) -> (ArgKind, ArgDefault);
}

impl IntoArgDefault for f32 {
    fn into_arg_default(self) -> (ArgKind, ArgDefault) {
        (ArgKind::Float, ArgDefault::Float(self))
    }
}

impl IntoArgDefault for i64 {
    fn into_arg_default(self) -> (ArgKind, ArgDefault) {
        (ArgKind::Int, ArgDefault::Int(self))
    }
}

impl IntoArgDefault for i32 {
    fn into_arg_default(self) -> (ArgKind, ArgDefault) {
        (ArgKind::Int, ArgDefault::Int(self.into()))
    }
}

impl IntoArgDefault for bool {
    fn into_arg_default(self) -> (ArgKind, ArgDefault) {
        (ArgKind::Bool, ArgDefault::Bool(self))
    }
}

impl IntoArgDefault for &'static str {
    fn into_arg_default(self) -> (ArgKind, ArgDefault) {
        (ArgKind::String, ArgDefault::String(self))
    }
}

/// A Rust type that an argument with a single value can be read as.
pub trait ArgType: Sized {
    /// The kind of argument.
    const KIND: ArgKind;

    /// The value in the field of [`ArgType::KIND`]; `None` when that field is not set.
    ///
    /// # Errors
    /// When `Self` cannot hold it.
    fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem>;

    /// The default as `Self`; `None` when it is none, or of another kind.
    fn from_default(default: &ArgDefault) -> Option<Self>;
}

/// A Rust type that the elements of an argument with a list can be read as.
pub trait ArgElement: Sized {
    /// The kind of argument.
    const KIND: ArgKind;

    /// The elements in the field of [`ArgElement::KIND`]; an error in the place of each that `Self` cannot
    /// hold.
    fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>>;
}

macro_rules! float_args {
    ($($rust:ty),*) => {$(
        impl ArgType for $rust {
            const KIND: ArgKind = ArgKind::Float;
            fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem> {
                Ok(arg.f.map(Into::into))
            }
            fn from_default(default: &ArgDefault) -> Option<Self> {
                match default {
                    ArgDefault::Float(v) => Some((*v).into()),
                    _ => None,
                }
            }
        }
        impl ArgElement for $rust {
            const KIND: ArgKind = ArgKind::Floats;
            fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>> {
                arg.floats.iter().map(|&v| Ok(v.into()))
            }
        }
    )*};
}
float_args!(f32, f64);

macro_rules! int_args {
    ($($rust:ty),*) => {$(
        impl ArgType for $rust {
            const KIND: ArgKind = ArgKind::Int;
            fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem> {
                arg.i.map(narrow).transpose()
            }
            fn from_default(default: &ArgDefault) -> Option<Self> {
                match default {
                    ArgDefault::Int(v) => (*v).try_into().ok(),
                    _ => None,
                }
            }
        }
        impl ArgElement for $rust {
            const KIND: ArgKind = ArgKind::Ints;
            fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>> {
                arg.ints.iter().map(|&v| narrow(v))
            }
        }
    )*};
}
int_args!(i8, i16, i32, i64, u8, u16, u32, usize);

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, ArgProblem> {
    T::try_from(value).map_err(|_| ArgProblem::Range { value, target: std::any::type_name::<T>() })
}

impl ArgType for bool {
    const KIND: ArgKind = ArgKind::Bool;

    fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem> {
        Ok(arg.i.map(|v| v != 0))
    }

    fn from_default(default: &ArgDefault) -> Option<Self> {
        match default {
            ArgDefault::Bool(v) => Some(*v),
            _ => None,
        }
    }
}

impl ArgElement for bool {
    const KIND: ArgKind = ArgKind::Bools;

    fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>> {
        arg.ints.iter().map(|&v| Ok(v != 0))
    }
}

impl ArgType for Bytes {
    const KIND: ArgKind = ArgKind::String;

    fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem> {
        Ok(arg.s.clone())
    }

    fn from_default(default: &ArgDefault) -> Option<Self> {
        match default {
            ArgDefault::String(v) => Some(Bytes::from_static(v.as_bytes())),
            _ => None,
        }
    }
}

impl ArgElement for Bytes {
    const KIND: ArgKind = ArgKind::Strings;

    fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>> {
        arg.strings.iter().cloned().map(Ok)
    }
}

fn utf8(bytes: &Bytes) -> Result<String, ArgProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| ArgProblem::Value("expected UTF-8 text".into()))?;
    Ok(text.to_owned())
}

impl ArgType for String {
    const KIND: ArgKind = ArgKind::String;

    fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem> {
        arg.s.as_ref().map(utf8).transpose()
    }

    fn from_default(default: &ArgDefault) -> Option<Self> {
        match default {
            ArgDefault::String(v) => Some((*v).to_owned()),
            _ => None,
        }
    }
}

impl ArgElement for String {
    const KIND: ArgKind = ArgKind::Strings;

    fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>> {
        arg.strings.iter().map(utf8)
    }
}

macro_rules! message_args {
    ($($rust:ty: $single:ident $field:ident, $list:ident $fields:ident);*) => {$(
        impl ArgType for $rust {
            const KIND: ArgKind = ArgKind::$single;
            fn read(arg: &Argument) -> Result<Option<Self>, ArgProblem> {
                Ok(arg.$field.as_deref().cloned())
            }
            fn from_default(_: &ArgDefault) -> Option<Self> {
                None
            }
        }
        impl ArgElement for $rust {
            const KIND: ArgKind = ArgKind::$list;
            fn elements(arg: &Argument) -> impl ExactSizeIterator<Item = Result<Self, ArgProblem>> {
                arg.$fields.iter().cloned().map(Ok)
            }
        }
    )*};
}
message_args!(NetDef: Net n, Nets nets; TensorProto: Tensor t, Tensors tensors);

/// The fields of an argument that are set, in words.
fn fields_set(arg: &Argument) -> String {
    let set = [
        ("f", arg.f.is_some()),
        ("i", arg.i.is_some()),
        ("s", arg.s.is_some()),
        ("n", arg.n.is_some()),
        ("t", arg.t.is_some()),
        ("floats", !arg.floats.is_empty()),
        ("ints", !arg.ints.is_empty()),
        ("strings", !arg.strings.is_empty()),
        ("nets", !arg.nets.is_empty()),
        ("tensors", !arg.tensors.is_empty()),
        ("qtensors", !arg.qtensors.is_empty()),
    ];
    let names: Vec<_> =
        set.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| format!("`{name}`")).collect();
    if names.is_empty() { "no value".into() } else { names.join(" and ") }
}

/// The single value of `arg`.
///
/// The rule is Caffe2's: the field of the wanted type must be set; other fields that are set as well
/// are ignored, which is reported through `tracing`.
pub(crate) fn read_single<T: ArgType>(arg: &Argument) -> Result<T, ArgError> {
    let wrong = |problem| ArgError::new(arg.name(), problem);
    match T::read(arg).map_err(wrong)? {
        Some(value) => {
            warn_of_ignored_fields(arg, T::KIND);
            Ok(value)
        }
        None => Err(wrong(ArgProblem::Field { wanted: T::KIND.field(), found: fields_set(arg) })),
    }
}

/// The net in `arg`, not copied.
pub(crate) fn read_net(arg: &Argument) -> Result<&NetDef, ArgError> {
    let wrong = || ArgProblem::Field { wanted: ArgKind::Net.field(), found: fields_set(arg) };
    let net = arg.n.as_deref().ok_or_else(|| ArgError::new(arg.name(), wrong()))?;
    warn_of_ignored_fields(arg, ArgKind::Net);
    Ok(net)
}

/// The list in `arg`. An argument without any value is an empty list. Where Caffe2 silently reads
/// an argument whose list stands in another field as empty, this is an error.
pub(crate) fn read_elements<T: ArgElement>(
    arg: &Argument,
) -> Result<impl ExactSizeIterator<Item = Result<T, ArgError>>, ArgError> {
    let values = T::elements(arg);
    if values.len() == 0 {
        let found = fields_set(arg);
        if found != "no value" {
            return Err(ArgError::new(arg.name(), ArgProblem::Field { wanted: T::KIND.field(), found }));
        }
    } else {
        warn_of_ignored_fields(arg, T::KIND);
    }
    Ok(values.map(|value| value.map_err(|problem| ArgError::new(arg.name(), problem))))
}

fn warn_of_ignored_fields(arg: &Argument, kind: ArgKind) {
    let singles = [arg.f.is_some(), arg.i.is_some(), arg.s.is_some(), arg.n.is_some(), arg.t.is_some()];
    let lists = [
        !arg.floats.is_empty(),
        !arg.ints.is_empty(),
        !arg.strings.is_empty(),
        !arg.nets.is_empty(),
        !arg.tensors.is_empty(),
        !arg.qtensors.is_empty(),
    ];
    if singles.iter().chain(&lists).filter(|is_set| **is_set).count() > 1 {
        tracing::warn!(
            argument = arg.name(),
            "fields {} are set; only `{}` is read",
            fields_set(arg),
            kind.field()
        );
    }
}
