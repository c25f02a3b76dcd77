//! Wire bytes to text in the layout of the original's printer.

use super::float;
use crate::{
    schema::{Field, MessageType, Type},
    wire::{Reader, WireType},
};

/// Prints `wire`, a message of type `root` that this program has encoded.
///
/// Encoding puts the fields in the order of their numbers, so printing follows the bytes.
pub(crate) fn print(wire: &[u8], root: &'static MessageType) -> String {
    let mut printer =
        Printer { text: String::new(), open: Vec::new(), message: root, reader: Reader::new(wire) };
    // A fault is impossible in what was just encoded; were there one, the text would end there.
    while printer.step().is_some() {}
    printer.text
}

struct Printer<'a> {
    text: String,
    /// Enclosing messages and their ends.
    open: Vec<(&'static MessageType, usize)>,
    message: &'static MessageType,
    reader: Reader<'a>,
}

impl Printer<'_> {
    fn step(&mut self) -> Option<()> {
        if self.reader.is_done() {
            let (message, end) = self.open.pop()?;
            self.message = message;
            self.reader.set_end(end);
            self.indent();
            self.text.push_str("}\n");
            return Some(());
        }
        let (number, wire) = self.reader.key().ok()?;
        let field = self.message.field(number)?;
        match (wire, field.ty) {
            (WireType::Length, Type::Message(_)) => {
                let length = self.reader.length_delimited().ok()?.len();
                let end = self.reader.at();
                self.indent();
                self.text.push_str(field.name);
                self.text.push_str(" {\n");
                self.open.push((self.message, self.reader.end()));
                self.message = field.message()?;
                self.reader = self.reader.within(end - length, end);
            }
            (WireType::Length, Type::String | Type::Bytes) => {
                let value = self.reader.length_delimited().ok()?;
                self.name(field);
                push_string(&mut self.text, value);
                self.text.push('\n');
            }
            (WireType::Length, _) => {
                let value = self.reader.length_delimited().ok()?;
                let mut numbers = Reader::new(value);
                while !numbers.is_done() {
                    self.number(field, &mut numbers)?;
                }
            }
            _ => {
                let mut reader = self.reader;
                self.number(field, &mut reader)?;
                self.reader = reader;
            }
        }
        Some(())
    }

    fn indent(&mut self) {
        self.text.extend(self.open.iter().map(|_| "  "));
    }

    fn name(&mut self, field: &Field) {
        self.indent();
        self.text.push_str(field.name);
        self.text.push_str(": ");
    }

    fn number(&mut self, field: &'static Field, reader: &mut Reader<'_>) -> Option<()> {
        self.name(field);
        match field.ty {
            Type::Float => {
                let bytes = reader.take(4).ok()?.try_into().ok()?;
                float::push_f32(&mut self.text, f32::from_le_bytes(bytes));
            }
            Type::Double => {
                let bytes = reader.take(8).ok()?.try_into().ok()?;
                float::push_f64(&mut self.text, f64::from_le_bytes(bytes));
            }
            ty => {
                let value = reader.varint().ok()?;
                match (ty, enum_name(field, value)) {
                    (_, Some(name)) => self.text.push_str(name),
                    (Type::Bool, _) => self.text.push_str(if value == 0 { "false" } else { "true" }),
                    (Type::Uint32 | Type::Uint64, _) => self.text.push_str(&value.to_string()),
                    _ => self.text.push_str(&value.cast_signed().to_string()),
                }
            }
        }
        self.text.push('\n');
        Some(())
    }
}

fn enum_name(field: &'static Field, value: u64) -> Option<&'static str> {
    let values = field.enumeration()?.values;
    values.iter().find(|(number, _)| i64::from(*number) == value.cast_signed()).map(|(_, name)| *name)
}

/// A string in quotes with C escapes: what is not printable ASCII as three octal digits.
fn push_string(to: &mut String, value: &[u8]) {
    to.push('"');
    for &byte in value {
        match byte {
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            b'"' => to.push_str("\\\""),
            b'\'' => to.push_str("\\'"),
            b'\\' => to.push_str("\\\\"),
            b' '..=b'~' => to.push(char::from(byte)),
            _ => {
                let digit = |shift: u8| char::from(b'0' + (byte >> shift & 7));
                to.extend(['\\', digit(6), digit(3), digit(0)]);
            }
        }
    }
    to.push('"');
}
