//! Wire bytes to JSON: a field a line, lists of plain values in one line.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    schema::{Field, MessageType, Type},
    text::{push_f32, push_f64},
    wire::{Reader, WireType},
};

/// Prints `wire`, a message of type `root` that this program has encoded.
///
/// Encoding puts the fields in the order of their numbers, so the elements of a list follow one another.
pub(crate) fn print(wire: &[u8], root: &'static MessageType) -> String {
    let mut text = String::new();
    // A fault is impossible in what was just encoded; were there one, the text would end there.
    let _ = push_message(&mut text, Reader::new(wire), root, 0);
    text.push('\n');
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend((0..depth).map(|_| "  "));
}

/// A message at so many levels of indentation, which are no more than messages can nest.
fn push_message(
    text: &mut String,
    mut reader: Reader<'_>,
    ty: &'static MessageType,
    depth: usize,
) -> Option<()> {
    text.push('{');
    let mut list: Option<&'static Field> = None;
    let mut first = true;
    while !reader.is_done() {
        let (number, wire) = reader.key().ok()?;
        let field = ty.field(number)?;
        let goes_on = list.is_some_and(|list| list.number == number);
        if !goes_on {
            close(text, list.take(), depth + 1);
            if !first {
                text.push(',');
            }
            first = false;
            new_line(text, depth + 1);
            push_text(text, field.name);
            text.push_str(": ");
            if field.is_repeated() {
                text.push('[');
                list = Some(field);
            }
        }
        push_values(text, &mut reader, wire, field, goes_on, depth + 1)?;
    }
    close(text, list, depth + 1);
    if !first {
        new_line(text, depth);
    }
    text.push('}');
    Some(())
}

/// Ends a list that is open.
fn close(text: &mut String, list: Option<&'static Field>, depth: usize) {
    if let Some(field) = list {
        if field.message().is_some() {
            new_line(text, depth);
        }
        text.push(']');
    }
}

/// The value behind a key, or the many of a packed list.
fn push_values(
    text: &mut String,
    reader: &mut Reader<'_>,
    wire: WireType,
    field: &'static Field,
    goes_on: bool,
    depth: usize,
) -> Option<()> {
    let separate = |text: &mut String, goes_on: bool| text.push_str(if goes_on { ", " } else { "" });
    match (wire, field.ty) {
        (WireType::Length, Type::Message(_)) => {
            let length = reader.length_delimited().ok()?.len();
            let inner = reader.within(reader.at() - length, reader.at());
            if !field.is_repeated() {
                return push_message(text, inner, field.message()?, depth);
            }
            if goes_on {
                text.push(',');
            }
            new_line(text, depth + 1);
            push_message(text, inner, field.message()?, depth + 1)
        }
        (WireType::Length, Type::String) => {
            separate(text, goes_on);
            push_text(text, std::str::from_utf8(reader.length_delimited().ok()?).ok()?);
            Some(())
        }
        (WireType::Length, Type::Bytes) => {
            separate(text, goes_on);
            text.push('"');
            BASE64_STANDARD.encode_string(reader.length_delimited().ok()?, text);
            text.push('"');
            Some(())
        }
        (WireType::Length, _) => {
            let mut numbers = Reader::new(reader.length_delimited().ok()?);
            let mut goes_on = goes_on;
            while !numbers.is_done() {
                separate(text, goes_on);
                push_number(text, field, &mut numbers)?;
                goes_on = true;
            }
            Some(())
        }
        _ => {
            separate(text, goes_on);
            push_number(text, field, reader)
        }
    }
}

fn push_number(text: &mut String, field: &'static Field, reader: &mut Reader<'_>) -> Option<()> {
    match field.ty {
        Type::Float => {
            let value = f32::from_le_bytes(reader.take(4).ok()?.try_into().ok()?);
            push_float(text, f64::from(value), |text| push_f32(text, value));
        }
        Type::Double => {
            let value = f64::from_le_bytes(reader.take(8).ok()?.try_into().ok()?);
            push_float(text, value, |text| push_f64(text, value));
        }
        ty => {
            let value = reader.varint().ok()?;
            match (ty, field.enumeration()) {
                (Type::Bool, _) => text.push_str(if value == 0 { "false" } else { "true" }),
                (Type::Int64, _) => *text += &format!("\"{}\"", value.cast_signed()),
                (Type::Uint64, _) => *text += &format!("\"{value}\""),
                (_, Some(ty)) => {
                    let is_this = |(number, _): &&(i32, &str)| i64::from(*number) == value.cast_signed();
                    match ty.values.iter().find(is_this) {
                        Some((_, name)) => push_text(text, name),
                        None => *text += &value.cast_signed().to_string(),
                    }
                }
                _ => *text += &value.cast_signed().to_string(),
            }
        }
    }
    Some(())
}

fn push_float(text: &mut String, value: f64, push: impl FnOnce(&mut String)) {
    if value.is_nan() {
        text.push_str("\"NaN\"");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    } else {
        push(text);
    }
}

/// A string in quotes.
fn push_text(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => *text += &format!("\\u{:04x}", c as u32),
            c => text.push(c),
        }
    }
    text.push('"');
}
