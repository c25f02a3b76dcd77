//! The one error type of this crate.

use std::{
    borrow::Cow,
    fmt, io,
    path::{Path, PathBuf},
};

/// What went wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtoErrorKind {
    /// The file could not be read.
    Io,
    /// The file holds nothing.
    Empty,
    /// The file is a Git-LFS pointer in place of the content.
    GitLfsPointer,
    /// The file is of another kind: an archive, another framework's model, another message.
    WrongContent,
    /// The input asks for more than [`WireLimits`](crate::WireLimits) allow.
    LimitExceeded,
    /// The input ends too early.
    Truncated,
    /// The bytes are no protobuf message.
    Malformed,
    /// A field of the binary form has another wire type than its declaration.
    WrongWireType,
    /// A string is not UTF-8.
    InvalidUtf8,
    /// A required field is absent.
    MissingRequired,
    /// The text names a field that the message does not have.
    UnknownField,
    /// The text names an enum value that the enum does not have.
    UnknownEnumValue,
    /// The text gives a field a value of another type.
    WrongValue,
    /// The text gives an integer that the field cannot hold.
    OutOfRange,
    /// The text gives a single field twice.
    DuplicateField,
    /// The text breaks the rules of the text format otherwise.
    Syntax,
}

/// Where in the input something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// Byte offset in binary input.
    Offset(usize),
    /// Line and column in text, both from 1, the column in characters.
    LineColumn {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
}

impl Position {
    /// Line and column of byte `offset` of `text`; invalid UTF-8 counts one column a byte sequence.
    pub(crate) fn in_text(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset.min(text.len())];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1);
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = 1 + String::from_utf8_lossy(&before[line_start..]).chars().count();
        Self::LineColumn { line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offset(offset) => write!(f, "byte {offset}"),
            Self::LineColumn { line, column } => write!(f, "{line}:{column}"),
        }
    }
}

/// A message that could not be read: where, what was found, what was expected, and what helps.
///
/// It prints as one line, such as
/// `net.pbtxt:3:5: in op[0] of NetDef: unknown field: found `inputs`, expected a field of OperatorDef; did you mean `input`?`
#[derive(Debug, thiserror::Error)]
pub struct ProtoError {
    details: Box<Details>,
    #[source]
    io: Option<io::Error>,
}

#[derive(Debug)]
struct Details {
    kind: ProtoErrorKind,
    summary: Cow<'static, str>,
    file: Option<PathBuf>,
    position: Option<Position>,
    message_type: Option<&'static str>,
    message_path: String,
    found: Option<String>,
    expected: Option<String>,
    help: Option<String>,
}

/// Longest quotation of the input in an error, in characters.
const LONGEST_QUOTE: usize = 120;

impl ProtoError {
    pub(crate) fn new(kind: ProtoErrorKind, summary: impl Into<Cow<'static, str>>) -> Self {
        Self {
            details: Box::new(Details {
                kind,
                summary: summary.into(),
                file: None,
                position: None,
                message_type: None,
                message_path: String::new(),
                found: None,
                expected: None,
                help: None,
            }),
            io: None,
        }
    }

    pub(crate) fn from_io(error: io::Error, path: &Path) -> Self {
        let mut this = Self::new(ProtoErrorKind::Io, "the file cannot be read").in_file(path);
        this.details.found = Some(error.to_string());
        this.io = Some(error);
        this
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.details.position = Some(position);
        self
    }

    /// The same error without a position.
    pub(crate) fn nowhere(mut self) -> Self {
        self.details.position = None;
        self
    }

    pub(crate) fn in_file(mut self, path: &Path) -> Self {
        self.details.file = Some(path.to_owned());
        self
    }

    pub(crate) fn in_message(mut self, message_type: &'static str, path: String) -> Self {
        self.details.message_type = Some(message_type);
        self.details.message_path = path;
        self
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        let found = found.into();
        self.details.found = Some(match found.char_indices().nth(LONGEST_QUOTE) {
            Some((end, _)) => format!("{}…", &found[..end]),
            None => found,
        });
        self
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.details.expected = Some(expected.into());
        self
    }

    pub(crate) fn help(mut self, help: Option<String>) -> Self {
        self.details.help = help;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ProtoErrorKind {
        self.details.kind
    }

    /// The file that was read, if it was a file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.details.file.as_deref()
    }

    /// Where in the input: a byte offset in binary input, line and column in text.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.details.position
    }

    /// The type of the message that was to be read, such as `NetDef`.
    #[must_use]
    pub fn message_type(&self) -> Option<&'static str> {
        self.details.message_type
    }

    /// The place inside of the message, such as `op[3].arg[1]`; empty for the message itself.
    #[must_use]
    pub fn message_path(&self) -> &str {
        &self.details.message_path
    }

    /// What stood there.
    #[must_use]
    pub fn found_text(&self) -> Option<&str> {
        self.details.found.as_deref()
    }

    /// What should have stood there.
    #[must_use]
    pub fn expected_text(&self) -> Option<&str> {
        self.details.expected.as_deref()
    }

    /// What to do about it.
    #[must_use]
    pub fn help_text(&self) -> Option<&str> {
        self.details.help.as_deref()
    }
}

impl fmt::Display for ProtoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = &*self.details;
        match (&d.file, d.position) {
            (Some(file), Some(p @ Position::LineColumn { .. })) => write!(f, "{}:{p}: ", file.display())?,
            (Some(file), Some(p)) => write!(f, "{}: {p}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, Some(Position::LineColumn { line, column })) => {
                write!(f, "line {line}, column {column}: ")?;
            }
            (None, Some(p)) => write!(f, "{p}: ")?,
            (None, None) => {}
        }
        match (d.message_type, d.message_path.as_str()) {
            (Some(root), "") => write!(f, "in {root}: ")?,
            (Some(root), path) => write!(f, "in {path} of {root}: ")?,
            (None, _) => {}
        }
        f.write_str(&d.summary)?;
        match (&d.found, &d.expected) {
            (Some(found), Some(expected)) => write!(f, ": found {found}, expected {expected}")?,
            (Some(found), None) => write!(f, ": {found}")?,
            (None, Some(expected)) => write!(f, ": expected {expected}")?,
            (None, None) => {}
        }
        match &d.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_part() {
        let error = ProtoError::new(ProtoErrorKind::UnknownField, "unknown field")
            .in_file(Path::new("net.pbtxt"))
            .at(Position::LineColumn { line: 3, column: 5 })
            .in_message("NetDef", "op[0]".into())
            .found("`inputs`")
            .expected("a field of OperatorDef")
            .help(Some("did you mean `input`?".into()));
        assert_eq!(
            error.to_string(),
            "net.pbtxt:3:5: in op[0] of NetDef: unknown field: found `inputs`, \
             expected a field of OperatorDef; did you mean `input`?"
        );
        let error = ProtoError::new(ProtoErrorKind::Truncated, "the input ends too early")
            .at(Position::Offset(7))
            .in_message("NetDef", String::new());
        assert_eq!(error.to_string(), "byte 7: in NetDef: the input ends too early");
    }

    #[test]
    fn quotes_are_short() {
        let error = ProtoError::new(ProtoErrorKind::Syntax, "x").found("é".repeat(1000));
        assert_eq!(error.found_text().map(|t| t.chars().count()), Some(LONGEST_QUOTE + 1));
    }

    #[test]
    fn columns_are_characters() {
        let text = "a\né: x".as_bytes();
        assert_eq!(Position::in_text(text, 6), Position::LineColumn { line: 2, column: 4 });
        assert_eq!(Position::in_text(text, 0), Position::LineColumn { line: 1, column: 1 });
        assert_eq!(Position::in_text(text, 99), Position::LineColumn { line: 2, column: 5 });
    }
}
