//! JSON to wire bytes, by `serde_json`, with errors that say where and what.

use std::{cell::RefCell, fmt, fmt::Write as _};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use prost::encoding::{WireType as Wire, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{
    ProtoError, ProtoErrorKind as Kind, WireLimits,
    error::Position,
    schema::{Field, MessageType, Type},
    text::did_you_mean,
    wire::{Strictness, over_limit, scan},
};

/// Parses JSON as a message of type `root` and gives its binary form, vetted.
///
/// What is written on the way is no longer than the text.
pub(crate) fn to_wire(
    text: &[u8],
    root: &'static MessageType,
    limits: &WireLimits,
) -> Result<Bytes, ProtoError> {
    let most = limits.max_text_bytes.min(limits.max_bytes);
    if text.len() > most {
        return Err(over_limit("bytes of text", most, text.len()).in_message(root.name, String::new()));
    }
    let state = State { path: RefCell::default(), error: RefCell::default(), depth: limits.depth() };
    let mut wire = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(text);
    let message = MessageSeed { ty: root, state: &state, depth: 0, wire: &mut wire };
    message.deserialize(&mut json).and_then(|()| json.end()).map_err(|error| state.explain(&error, root))?;
    let wire = Bytes::from(wire);
    // Wire offsets mean nothing to the reader of a text; the path in the message does.
    scan(&wire, root, limits, Strictness::Tolerant).map_err(ProtoError::nowhere)?;
    Ok(wire)
}

/// The names in the outermost object, the first ones of a long text; none when it is no JSON.
pub(crate) fn names(text: &[u8]) -> Vec<String> {
    struct Names(Vec<String>);

    impl<'de> Visitor<'de> for &mut Names {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key()? {
                self.0.push(name);
                if self.0.len() == 16 {
                    break;
                }
                map.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut names = Names(Vec::new());
    // What is wrong further on does not matter here.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_map(&mut names);
    names.0
}

/// Where the parser is, and what it found wrong.
struct State {
    path: RefCell<String>,
    error: RefCell<Option<ProtoError>>,
    depth: usize,
}

impl State {
    /// Does `work` one step further down. After a failure the path stays where it was met.
    fn at<T, E>(&self, step: impl fmt::Display, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let before = self.path.borrow().len();
        let _ = write!(self.path.borrow_mut(), "{step}");
        let result = work()?;
        self.path.borrow_mut().truncate(before);
        Ok(result)
    }

    fn fail<E: serde::de::Error>(&self, error: ProtoError) -> E {
        *self.error.borrow_mut() = Some(error);
        E::custom("")
    }

    fn explain(&self, error: &serde_json::Error, root: &'static MessageType) -> ProtoError {
        let position = Position::LineColumn { line: error.line(), column: error.column() };
        let ours = self.error.take().unwrap_or_else(|| {
            let words = error.to_string();
            let end = words.rfind(" at line ").unwrap_or(words.len());
            let kind = if error.is_eof() { Kind::Truncated } else { Kind::Syntax };
            ProtoError::new(kind, "the JSON cannot be parsed").found(&words[..end])
        });
        ours.at(position).in_message(root.name, self.path.borrow().trim_start_matches('.').to_owned())
    }
}

/// Reads an object as a message and appends its wire form.
struct MessageSeed<'s> {
    ty: &'static MessageType,
    state: &'s State,
    depth: usize,
    wire: &'s mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the fields of {}", self.ty.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { ty, state, depth, wire } = self;
        if depth > state.depth {
            return Err(state.fail(over_limit("levels of messages", state.depth, depth)));
        }
        let mut seen = 0u64;
        while let Some(name) = map.next_key::<String>()? {
            let Some(field) = super::field(ty, &name) else {
                return Err(state.fail(unknown_field(&name, ty)));
            };
            if seen & 1 << field.number != 0 {
                let error = ProtoError::new(Kind::DuplicateField, "a field stands twice");
                return Err(state.fail(error.found(format!("another `{name}`"))));
            }
            seen |= 1 << field.number;
            let value = ValueSeed { field, state, depth, wire, in_list: false };
            state.at(format_args!(".{}", field.name), || map.next_value_seed(value))?;
        }
        Ok(())
    }
}

fn unknown_field(name: &str, message: &'static MessageType) -> ProtoError {
    let known = || message.all_fields().map(|f| f.name);
    let help = did_you_mean(name, known())
        .unwrap_or_else(|| format!("it has {}", known().collect::<Vec<_>>().join(", ")));
    ProtoError::new(Kind::UnknownField, "unknown field")
        .found(format!("`{name}`"))
        .expected(format!("a field of {}", message.name))
        .help(Some(help))
}

/// Reads the value of a field, or an element of one that is a list, and appends it with its key.
struct ValueSeed<'s> {
    field: &'static Field,
    state: &'s State,
    depth: usize,
    wire: &'s mut Vec<u8>,
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl ValueSeed<'_> {
    fn wants_list(&self) -> bool {
        self.field.is_repeated() && !self.in_list
    }

    fn key(&mut self, wire: Wire) {
        encode_key(self.field.number, wire, self.wire);
    }

    fn integer<E: serde::de::Error>(mut self, value: i128) -> Result<(), E> {
        let in_range = match self.field.ty {
            Type::Int32 | Type::Enum(_) => i32::try_from(value).is_ok(),
            Type::Int64 => i64::try_from(value).is_ok(),
            Type::Uint32 => u32::try_from(value).is_ok(),
            Type::Uint64 => u64::try_from(value).is_ok(),
            Type::Float | Type::Double => return self.float(value as f64),
            _ => return Err(self.wrong(value)),
        };
        if self.wants_list() {
            return Err(self.wrong(value));
        }
        if !in_range {
            let error = ProtoError::new(Kind::OutOfRange, "an integer is out of range");
            return Err(self.state.fail(error.found(value.to_string()).expected(self.expected())));
        }
        self.key(Wire::Varint);
        // Negative numbers are sign-extended to 64 bits.
        encode_varint(value as u64, self.wire);
        Ok(())
    }

    fn float<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        if self.wants_list() {
            return Err(self.wrong(value));
        }
        match self.field.ty {
            Type::Float => {
                self.key(Wire::ThirtyTwoBit);
                self.wire.extend((value as f32).to_le_bytes());
            }
            Type::Double => {
                self.key(Wire::SixtyFourBit);
                self.wire.extend(value.to_le_bytes());
            }
            _ if value.fract() == 0.0 && value.abs() < 2f64.powi(64) => return self.integer(value as i128),
            _ => return Err(self.wrong(value)),
        }
        Ok(())
    }

    fn bytes(mut self, value: &[u8]) {
        self.key(Wire::LengthDelimited);
        encode_varint(value.len() as u64, self.wire);
        self.wire.extend_from_slice(value);
    }

    fn wrong<E: serde::de::Error>(&self, found: impl fmt::Display) -> E {
        let error = ProtoError::new(Kind::WrongValue, "a value of another type");
        self.state.fail(error.found(found.to_string()).expected(self.expected()))
    }

    fn expected(&self) -> String {
        let value = match self.field.ty {
            Type::Bool => "true or false",
            Type::Int32 => "a signed 32-bit integer",
            Type::Int64 => "a signed 64-bit integer",
            Type::Uint32 => "an unsigned 32-bit integer",
            Type::Uint64 => "an unsigned 64-bit integer",
            Type::Float | Type::Double => "a number",
            Type::String => "a string",
            Type::Bytes => "a string with base64",
            Type::Enum(_) => "the name of a value",
            Type::Message(_) => "an object",
        };
        let list = if self.wants_list() { "a list, each element " } else { "" };
        format!("{list}{value}, for `{}`", self.field.name)
    }

    fn enum_value(&self, name: &str) -> Option<i32> {
        self.field.enumeration()?.values.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expected())
    }

    /// What is null is absent.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if self.in_list { Err(self.wrong("null")) } else { Ok(()) }
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        if self.field.ty != Type::Bool || self.wants_list() {
            return Err(self.wrong(value));
        }
        self.key(Wire::Varint);
        encode_varint(value.into(), self.wire);
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.float(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        if self.wants_list() {
            return Err(self.wrong(format!("{value:?}")));
        }
        let wrong = |this: Self| Err(this.wrong(format!("{value:?}")));
        match self.field.ty {
            Type::String => self.bytes(value.as_bytes()),
            Type::Bytes => match decode_base64(value) {
                Some(bytes) => self.bytes(&bytes),
                None => return wrong(self),
            },
            Type::Float | Type::Double => match (value, value.parse::<f64>()) {
                ("NaN", _) => return self.float(f64::NAN),
                ("Infinity", _) => return self.float(f64::INFINITY),
                ("-Infinity", _) => return self.float(f64::NEG_INFINITY),
                (_, Ok(number)) if number.is_finite() => return self.float(number),
                _ => return wrong(self),
            },
            Type::Enum(_) => {
                let Some(number) = self.enum_value(value) else {
                    let values = self.field.enumeration().map_or(&[][..], |ty| ty.values);
                    let error = ProtoError::new(Kind::UnknownEnumValue, "unknown enum value")
                        .found(format!("`{value}`"))
                        .expected(self.expected())
                        .help(did_you_mean(value, values.iter().map(|(_, name)| *name)));
                    return Err(self.state.fail(error));
                };
                return self.integer(number.into());
            }
            Type::Bool | Type::Message(_) => return wrong(self),
            _ => match value.parse::<i128>() {
                Ok(number) => return self.integer(number),
                Err(_) => return wrong(self),
            },
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if !self.wants_list() {
            return Err(self.wrong("a list"));
        }
        let Self { field, state, depth, wire, .. } = self;
        let mut index = 0usize;
        loop {
            let value = ValueSeed { field, state, depth, wire, in_list: true };
            if state.at(format_args!("[{index}]"), || list.next_element_seed(value))?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let Some(ty) = self.field.message().filter(|_| !self.wants_list()) else {
            return Err(self.wrong("an object"));
        };
        let mut wire = Vec::new();
        MessageSeed { ty, state: self.state, depth: self.depth + 1, wire: &mut wire }.visit_map(map)?;
        self.bytes(&wire);
        Ok(())
    }
}

/// Standard or URL-safe base64, with or without padding, as the JSON form allows.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const INDIFFERENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, INDIFFERENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, INDIFFERENT);
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}
