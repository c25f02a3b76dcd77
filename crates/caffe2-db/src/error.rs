//! The one error type of databases.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use crate::NotWritten;

/// What went wrong with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DbErrorKind {
    /// The file could not be opened, read or written.
    Io,
    /// The file is damaged, or none of this kind.
    Malformed,
    /// A kind of database that is not there, or a record that the format cannot hold.
    Unsupported,
}

/// A database that could not be read or written: which file, where in it, why, and what helps.
///
/// It prints as one line, such as
/// `model.minidb: byte 52, record 1 `w#%0`: the value takes 1000 bytes, but 17 follow; the file was cut off`.
#[derive(Debug)]
pub struct DbError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: DbErrorKind,
    path: Option<PathBuf>,
    offset: Option<u64>,
    record: Option<u64>,
    key: Option<String>,
    message: String,
    help: Option<&'static str>,
    cause: Option<io::Error>,
}

impl DbError {
    pub(crate) fn new(kind: DbErrorKind, message: impl Into<String>) -> DbError {
        let message = message.into();
        DbError(Box::new(Inner {
            kind,
            path: None,
            offset: None,
            record: None,
            key: None,
            message,
            help: None,
            cause: None,
        }))
    }

    /// An error of the system while `doing` something, such as `read`.
    pub(crate) fn io(error: io::Error, doing: &str) -> DbError {
        let mut this = DbError::new(DbErrorKind::Io, format!("cannot be {doing}: {error}"));
        this.0.cause = Some(error);
        this
    }

    pub(crate) fn help(mut self, help: &'static str) -> DbError {
        self.0.help = Some(help);
        self
    }

    pub(crate) fn at(mut self, record: u64, offset: u64) -> DbError {
        self.0.record.get_or_insert(record);
        self.0.offset.get_or_insert(offset);
        self
    }

    pub(crate) fn of_key(mut self, key: &str) -> DbError {
        self.0.key.get_or_insert_with(|| key.to_owned());
        self
    }

    /// Names the file, unless that is known already.
    pub fn in_file(mut self, path: &Path) -> DbError {
        self.0.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> DbErrorKind {
        self.0.kind
    }

    /// The file; `None` for bytes that came from none.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The first byte of the record that it is about.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The position among the records of the one that it is about, the first being 0.
    pub fn record(&self) -> Option<u64> {
        self.0.record
    }

    /// The key of the record that it is about, where that could be read.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }
}

impl From<NotWritten> for DbError {
    fn from(NotWritten { error, help }: NotWritten) -> DbError {
        let this = DbError::io(error, "written");
        match help {
            Some(help) => this.help(help),
            None => this,
        }
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let this = &*self.0;
        if let Some(path) = &this.path {
            write!(f, "{}: ", path.display())?;
        }
        if let (Some(offset), Some(record)) = (this.offset, this.record) {
            write!(f, "byte {offset}, record {record}")?;
            if let Some(key) = &this.key {
                write!(f, " `{}`", key.escape_debug())?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&this.message)?;
        match this.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DbError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().map(|error| error as &(dyn std::error::Error + 'static))
    }
}
