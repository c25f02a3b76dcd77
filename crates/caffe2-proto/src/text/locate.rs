//! Following a text to a place: which message, which field, which token.

use super::{TokenKind, Tokens, token::Token};
use crate::schema::{Field, MessageType};

/// A place in a text.
#[derive(Debug)]
pub(super) struct Place {
    /// The messages that are open there, as in `op[3].arg[1]`.
    pub(super) path: String,
    /// The type of the innermost; `None` inside of an unknown field.
    pub(super) message: Option<&'static MessageType>,
    /// The field whose value stands there.
    pub(super) field: Option<&'static Field>,
    /// Whether that field has a value already.
    pub(super) is_again: bool,
    /// Whether a field name is due, rather than a value.
    pub(super) is_name: bool,
    /// The token there; `None` at the end of the text.
    pub(super) token: Option<Token>,
}

/// The place of the token that holds byte `offset` of `text`, or follows it.
pub(super) fn locate(text: &[u8], root: &'static MessageType, offset: usize) -> Place {
    let mut walk = Walk::new(root);
    let token = Tokens::new(text).find(|token| {
        let is_it = token.end > offset;
        if !is_it {
            walk.step(text, *token);
        }
        is_it
    });
    let level = walk.level();
    let is_name = level.due == Due::Name;
    let field = if is_name { None } else { level.field };
    let is_again = field.is_some_and(|f| !f.is_repeated() && level.count(f) > 0);
    Place { path: walk.path(field), message: level.message, field, is_again, is_name, token }
}

/// Where the message of `path` begins: the byte of its opening brace, or 0 for the root.
pub(super) fn find(text: &[u8], root: &'static MessageType, path: &str) -> Option<usize> {
    if path.is_empty() {
        return Some(0);
    }
    let mut walk = Walk::new(root);
    Tokens::new(text)
        .find(|token| {
            walk.step(text, *token);
            token.kind == TokenKind::Open && walk.path(None) == path
        })
        .map(|token| token.start)
}

/// What a message's text may continue with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Name,
    /// A colon, or a message without one.
    Colon,
    Value,
    /// A value, a separator or the end of a list.
    Element,
}

struct Level {
    message: Option<&'static MessageType>,
    /// The field whose name came last.
    field: Option<&'static Field>,
    due: Due,
    /// Values of each field so far; field n at n − 1.
    counts: Vec<usize>,
}

impl Level {
    fn new(message: Option<&'static MessageType>) -> Self {
        let fields = message.map_or(0, |m| m.fields.len());
        Self { message, field: None, due: Due::Name, counts: vec![0; fields] }
    }

    fn count(&self, field: &Field) -> usize {
        self.counts.get(field.number as usize - 1).copied().unwrap_or(0)
    }

    fn add(&mut self) {
        if let Some(count) = self.field.and_then(|f| self.counts.get_mut(f.number as usize - 1)) {
            *count += 1;
        }
    }
}

/// The open messages while tokens pass by.
struct Walk {
    root: Level,
    inner: Vec<Level>,
}

impl Walk {
    fn new(root: &'static MessageType) -> Self {
        Self { root: Level::new(Some(root)), inner: Vec::new() }
    }

    fn level(&self) -> &Level {
        self.inner.last().unwrap_or(&self.root)
    }

    fn level_mut(&mut self) -> &mut Level {
        self.inner.last_mut().unwrap_or(&mut self.root)
    }

    fn step(&mut self, text: &[u8], token: Token) {
        let level = self.level_mut();
        match (level.due, token.kind) {
            (Due::Name, TokenKind::Word) => {
                let name = token.of(text);
                level.field = level.message.and_then(|m| m.field_named(&name));
                level.due = Due::Colon;
            }
            (_, TokenKind::Open) => {
                level.add();
                if level.due != Due::Element {
                    level.due = Due::Name;
                }
                let message = level.field.and_then(Field::message);
                self.inner.push(Level::new(message));
            }
            (_, TokenKind::Close) => {
                self.inner.pop();
            }
            (Due::Colon, TokenKind::Colon) => level.due = Due::Value,
            (Due::Value, TokenKind::ListOpen) => level.due = Due::Element,
            (Due::Element, TokenKind::ListClose) => level.due = Due::Name,
            (due @ (Due::Value | Due::Element), TokenKind::Word | TokenKind::Number | TokenKind::Text) => {
                level.add();
                if due == Due::Value {
                    level.due = Due::Name;
                }
            }
            _ => {}
        }
    }

    /// The open messages, then `field` at the value that is due in the innermost.
    fn path(&self, field: Option<&Field>) -> String {
        let mut path = String::new();
        let mut push = |field: Option<&Field>, index: usize| {
            if !path.is_empty() {
                path.push('.');
            }
            match field {
                Some(field) if field.is_repeated() => path.push_str(&format!("{}[{index}]", field.name)),
                Some(field) => path.push_str(field.name),
                None => path.push('?'),
            }
        };
        let outer = std::iter::once(&self.root).chain(&self.inner);
        for level in outer.take(self.inner.len()) {
            push(level.field, level.field.map_or(0, |f| level.count(f).saturating_sub(1)));
        }
        if let Some(field) = field {
            push(Some(field), self.level().count(field));
        }
        path
    }
}
