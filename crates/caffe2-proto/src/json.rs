//! Protobuf's JSON form.
//!
//! An object for a message, fields by their names; bytes in base64; 64-bit integers, and what is no number among
//! floats, as strings; enum values by name. Field names are written as the schema has them (`external_input`) and
//! read in camel case too (`externalInput`).

mod parse;
mod print;

pub(crate) use parse::{names, to_wire};
pub(crate) use print::print;

use crate::schema::{Field, MessageType};

/// The field that a name means.
pub(crate) fn field(message: &'static MessageType, name: &str) -> Option<&'static Field> {
    message.field_named(name).or_else(|| message.all_fields().find(|field| is_camel_case(field.name, name)))
}

/// Whether `name` is the camel case of a field's name.
fn is_camel_case(field: &str, name: &str) -> bool {
    let mut upper = false;
    let mut camel = field.bytes().filter_map(|byte| {
        let before = std::mem::replace(&mut upper, byte == b'_');
        (byte != b'_').then(|| if before { byte.to_ascii_uppercase() } else { byte })
    });
    name.bytes().all(|byte| camel.next() == Some(byte)) && camel.next().is_none()
}

/// Whether `content` can be JSON: it begins as an object.
pub(crate) fn looks_like_json(content: &[u8]) -> bool {
    content.trim_ascii_start().first() == Some(&b'{')
}

#[cfg(test)]
mod tests;
