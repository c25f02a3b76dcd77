//! Text to wire bytes, by `prost-reflect`, with errors that say where and what.

use std::sync::OnceLock;

use bytes::Bytes;
use miette::Diagnostic as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, text_format::ParseError};

use super::{
    TokenKind, guard,
    locate::{self, Place},
    near::did_you_mean,
    token::Token,
};
use crate::{
    ProtoError, ProtoErrorKind as Kind, WireLimits,
    error::Position,
    schema::{Field, MessageType, Type},
    wire::{Strictness, scan},
};

/// Parses `text` as a message of type `root` and gives its binary form, vetted.
pub(crate) fn to_wire(
    text: &[u8],
    root: &'static MessageType,
    limits: &WireLimits,
) -> Result<Bytes, ProtoError> {
    let utf8 = guard::check(text, limits).map_err(|e| e.in_message(root.name, String::new()))?;
    let descriptor = pool()?
        .get_message_by_name(&format!("caffe2.{}", root.name))
        .ok_or_else(|| ProtoError::new(Kind::Malformed, "the schema has no such message").found(root.name))?;
    let message = DynamicMessage::parse_text_format(descriptor, utf8).map_err(|e| explain(text, root, &e))?;
    let wire = Bytes::from(message.encode_to_vec());
    drop(message);
    // Wire offsets mean nothing to the reader of a text: the path is found again in it.
    scan(&wire, root, limits, Strictness::Tolerant).map_err(|error| {
        match locate::find(text, root, error.message_path()) {
            Some(offset) => error.at(Position::in_text(text, offset)),
            None => error.at(Position::in_text(text, text.len())),
        }
    })?;
    Ok(wire)
}

fn pool() -> Result<&'static DescriptorPool, ProtoError> {
    static POOL: OnceLock<Result<DescriptorPool, String>> = OnceLock::new();
    POOL.get_or_init(|| {
        let descriptors: &[u8] = include_bytes!("../generated/descriptors.bin");
        DescriptorPool::decode(descriptors).map_err(|error| error.to_string())
    })
    .as_ref()
    .map_err(|why| ProtoError::new(Kind::Malformed, "the descriptors cannot be read").found(why.as_str()))
}

/// The library says what it met and at which byte; the rest is read from the text around it.
fn explain(text: &[u8], root: &'static MessageType, error: &ParseError) -> ProtoError {
    let label = error.labels().and_then(|mut labels| labels.next());
    let Some(offset) = label.map(|label| label.offset()) else {
        let place = locate::locate(text, root, text.len());
        return ProtoError::new(Kind::Truncated, "the text ends too early")
            .at(Position::in_text(text, text.len()))
            .in_message(root.name, place.path)
            .found(error.to_string());
    };
    let place = locate::locate(text, root, offset);
    let detail = match (place.token, place.field, place.message) {
        (Some(token), None, Some(message)) if place.is_name && token.kind == TokenKind::Word => {
            unknown_field(&token.of(text), message)
        }
        (Some(token), Some(field), _) => bad_value(text, token, field, &place),
        _ => None,
    };
    detail
        .unwrap_or_else(|| {
            ProtoError::new(Kind::Syntax, "the text cannot be parsed").found(error.to_string())
        })
        .at(Position::in_text(text, offset))
        .in_message(root.name, place.path)
}

fn unknown_field(name: &str, message: &'static MessageType) -> Option<ProtoError> {
    if message.field_named(name).is_some() {
        return None;
    }
    let known = || message.all_fields().map(|f| f.name);
    let help = did_you_mean(name, known())
        .unwrap_or_else(|| format!("it has {}", known().collect::<Vec<_>>().join(", ")));
    Some(
        ProtoError::new(Kind::UnknownField, "unknown field")
            .found(format!("`{name}`"))
            .expected(format!("a field of {}", message.name))
            .help(Some(help)),
    )
}

fn bad_value(text: &[u8], token: Token, field: &'static Field, place: &Place) -> Option<ProtoError> {
    let found = token.of(text);
    if token.kind == TokenKind::Word
        && let Some(ty) = field.enumeration()
        && !ty.values.iter().any(|(_, name)| *name == found)
    {
        return Some(
            ProtoError::new(Kind::UnknownEnumValue, "unknown enum value")
                .expected(format!("a value of {}", ty.name))
                .help(did_you_mean(&found, ty.values.iter().map(|(_, name)| *name)))
                .found(format!("`{found}`")),
        );
    }
    if place.is_again {
        return Some(
            ProtoError::new(Kind::DuplicateField, "a single field stands twice")
                .found(format!("another `{}`", field.name)),
        );
    }
    if !matches!(token.kind, TokenKind::Word | TokenKind::Number | TokenKind::Text | TokenKind::Open) {
        return None;
    }
    if token.kind == TokenKind::Number && is_integer_type(field.ty) && is_integer(&found) {
        return Some(
            ProtoError::new(Kind::OutOfRange, "an integer is out of range")
                .found(found)
                .expected(expected_value(field)),
        );
    }
    if fits(token.kind, field.ty) {
        return None;
    }
    Some(
        ProtoError::new(Kind::WrongValue, "a value of another type")
            .found(found)
            .expected(expected_value(field)),
    )
}

fn is_integer_type(ty: Type) -> bool {
    matches!(ty, Type::Int32 | Type::Int64 | Type::Uint32 | Type::Uint64 | Type::Enum(_))
}

fn is_integer(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    match hex {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Whether a token of this kind can begin a value of this type, so that something else is wrong.
fn fits(token: TokenKind, ty: Type) -> bool {
    match ty {
        Type::String | Type::Bytes => token == TokenKind::Text,
        Type::Float | Type::Double => token == TokenKind::Number,
        Type::Message(_) => token == TokenKind::Open,
        _ => false,
    }
}

fn expected_value(field: &'static Field) -> String {
    let value = match field.ty {
        Type::Bool => "true or false",
        Type::Int32 => "a signed 32-bit integer",
        Type::Int64 => "a signed 64-bit integer",
        Type::Uint32 => "an unsigned 32-bit integer",
        Type::Uint64 => "an unsigned 64-bit integer",
        Type::Float | Type::Double => "a number",
        Type::String | Type::Bytes => "a string in quotes",
        Type::Enum(_) => {
            return format!("a value of {}", field.enumeration().map_or("an enum", |ty| ty.name));
        }
        Type::Message(_) => {
            return format!("`{{` and the fields of {}", field.message().map_or("a message", |ty| ty.name));
        }
    };
    format!("{value} for `{}`", field.name)
}
