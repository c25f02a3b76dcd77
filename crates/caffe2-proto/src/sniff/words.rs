//! Text: whether it is, and of what message.

use super::{FileKind, MessageKind};
use crate::{
    json,
    schema::MessageType,
    text::{TokenKind, Tokens},
};

/// How far a look for control characters goes: binary messages have some in every header.
const LOOK: usize = 4096;

/// Whether `content` can be the text form of a message: a name and a value or brace, and no control
/// characters; or blanks and comments alone.
pub(crate) fn looks_like_text(content: &[u8]) -> bool {
    let look = content.get(..LOOK).unwrap_or(content);
    let is_control = |b: &u8| b.is_ascii_control() && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    if look.is_empty() || look.iter().any(is_control) {
        return false;
    }
    let mut tokens = Tokens::new(content);
    let Some(first) = tokens.next() else { return true };
    let second = tokens.next().map(|t| t.kind);
    first.kind == TokenKind::Word && matches!(second, Some(TokenKind::Colon | TokenKind::Open))
}

/// The names of the outermost fields, the first ones of a long text.
fn names(content: &[u8]) -> Vec<String> {
    let mut depth = 0usize;
    let mut names = Vec::new();
    let mut before = None;
    for token in Tokens::new(content) {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 && before != Some(TokenKind::Colon) => {
                let name = token.of(content);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            _ => {}
        }
        before = Some(token.kind);
        if names.len() == 16 {
            break;
        }
    }
    names
}

/// The message whose fields the text names.
pub(super) fn kind_of(content: &[u8]) -> FileKind {
    let names = names(content);
    if names.iter().any(|n| n == "layer" || n == "layers") {
        return FileKind::CaffePrototxt;
    }
    let has = |kind: &MessageKind| {
        MessageType::named(kind.name())
            .is_some_and(|ty| !names.is_empty() && names.iter().all(|n| ty.field_named(n).is_some()))
    };
    FileKind::Text(MessageKind::ALL.into_iter().find(has))
}

/// The message whose fields the JSON names.
pub(super) fn kind_of_json(content: &[u8]) -> Option<MessageKind> {
    MessageKind::ALL.into_iter().find(|kind| json_names_fit(content, kind.name()))
}

/// Whether the JSON names nothing but fields of the message called `wanted`.
pub(super) fn json_names_fit(content: &[u8], wanted: &str) -> bool {
    let names = json::names(content);
    MessageType::named(wanted)
        .is_some_and(|ty| !names.is_empty() && names.iter().all(|name| json::field(ty, name).is_some()))
}

/// Whether the text's first field is one of the message called `wanted`.
pub(super) fn first_name_fits(content: &[u8], wanted: &str) -> bool {
    match (MessageType::named(wanted), names(content).first()) {
        (Some(ty), Some(name)) => ty.field_named(name).is_some(),
        _ => true,
    }
}
