//! Binary messages, which have no signature: what fits, fits.

use super::{FileKind, MessageKind};
use crate::{
    WireLimits,
    schema::MessageType,
    wire::{Reader, Strictness, WireType, scan},
};

/// Whether `content` is a message called `name` without any unknown field, within the limits.
pub(super) fn fits(content: &[u8], name: &str, limits: &WireLimits) -> bool {
    MessageType::named(name).is_some_and(|ty| scan(content, ty, limits, Strictness::Exact).is_ok())
}

pub(super) fn kind_of(content: &[u8]) -> FileKind {
    if let Some(kind) =
        MessageKind::ALL.into_iter().find(|kind| fits(content, kind.name(), &WireLimits::TRUSTED))
    {
        FileKind::Binary(kind)
    } else if is_minidb(content) {
        FileKind::MiniDb
    } else if is_onnx(content) {
        FileKind::Onnx
    } else if is_caffe_model(content) {
        FileKind::CaffeModel
    } else {
        FileKind::Unknown
    }
}

/// A `minidb` begins with the lengths of the first key and value; the key is text.
fn is_minidb(content: &[u8]) -> bool {
    let length = |at: usize| {
        let bytes = content.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(i32::from_le_bytes(bytes)).ok().filter(|&length| length > 0)
    };
    let (Some(key), Some(value)) = (length(0), length(4)) else { return false };
    let Some(key_bytes) = key.checked_add(8).and_then(|end| content.get(8..end)) else { return false };
    key_bytes.iter().all(|b| !b.is_ascii_control()) && content.len() - 8 - key >= value
}

/// The outermost fields; `None` if the bytes are no message.
fn fields(content: &[u8]) -> Option<Vec<(u32, WireType, &[u8])>> {
    const ENOUGH: usize = 10_000;
    let mut reader = Reader::new(content);
    let mut fields = Vec::new();
    while !reader.is_done() && fields.len() < ENOUGH {
        let (number, wire) = reader.key().ok()?;
        fields.push((number, wire, reader.skip(wire).ok()??));
    }
    Some(fields)
}

/// ONNX's ModelProto: version 1, producer 2 and 3, domain 4, model version 5, documentation 6,
/// graph 7, operator sets 8, metadata 14, training 20, functions 25.
fn is_onnx(content: &[u8]) -> bool {
    let Some(fields) = fields(content) else { return false };
    let is_known = |number, wire| match number {
        1 | 5 => wire == WireType::Varint,
        2 | 3 | 4 | 6 | 7 | 8 | 14 | 20 | 25 => wire == WireType::Length,
        _ => false,
    };
    let has = |number| fields.iter().any(|f| f.0 == number);
    fields.iter().all(|f| is_known(f.0, f.1)) && has(1) && (has(7) || has(8))
}

/// Caffe's NetParameter: layers are messages 100; older ones 2, with a name 4 and a numeric type 5.
fn is_caffe_model(content: &[u8]) -> bool {
    let Some(outer) = fields(content) else { return false };
    let is_old_layer = |layer: &[u8]| {
        fields(layer).is_some_and(|inner| {
            inner.iter().any(|f| (f.0, f.1) == (4, WireType::Length))
                && inner.iter().any(|f| (f.0, f.1) == (5, WireType::Varint))
        })
    };
    outer.iter().any(|&(number, wire, value)| {
        wire == WireType::Length && (number == 100 || (number == 2 && is_old_layer(value)))
    })
}
