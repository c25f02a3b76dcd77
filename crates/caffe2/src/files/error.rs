//! The one error type of files.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use caffe2_db::{DbError, DbErrorKind, NotWritten};
use caffe2_operator::BlobProtoError;
use caffe2_proto::{ProtoError, ProtoErrorKind};
use caffe2_tensor::TensorError;

/// What went wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The file could not be opened, read or written.
    Io,
    /// The file is of another kind than was asked for: empty, a Git-LFS pointer, another format.
    WrongContent,
    /// The file is of the right kind, and broken.
    Malformed,
    /// The file is sound, and holds what tensors cannot hold; or the tensor what the file cannot.
    Unsupported,
    /// The file asks for more than [`Limits`](super::Limits) allow.
    LimitExceeded,
    /// Names of tensors that are missing, too many, or given twice.
    Names,
    /// The tensor was never written.
    Unwritten,
    /// A net that came with the file failed.
    Net,
}

/// A file that could not be read or written: which, where in it, why, and what helps.
///
/// It prints as one line, such as
/// `weights.npy: arrays of Python objects (dtype `|O`) are not read; save strings as dtype `S`: a.astype('S')`.
#[derive(Debug)]
pub struct FileError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: FileErrorKind,
    path: Option<PathBuf>,
    tensor: Option<String>,
    message: String,
    help: Option<String>,
    cause: Option<Cause>,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Db(DbError),
    Proto(ProtoError),
    Tensor(TensorError),
}

impl FileError {
    pub(crate) fn new(kind: FileErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { kind, path: None, tensor: None, message, help: None, cause: None }))
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(FileErrorKind::Malformed, message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Names the file, unless that is known already.
    pub fn in_file(mut self, path: &Path) -> Self {
        self.0.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Names the tensor of the file that it is about, unless that is known already.
    pub(crate) fn of_tensor(mut self, name: &str) -> Self {
        self.0.tensor.get_or_insert_with(|| name.to_owned());
        self
    }

    /// An error of the system while `doing` something, such as `cannot be read`.
    pub(crate) fn io(error: io::Error, doing: &str) -> Self {
        let mut this = Self::new(FileErrorKind::Io, format!("the file {doing}: {error}"));
        this.0.cause = Some(Cause::Io(error));
        this
    }

    /// What went wrong.
    pub fn kind(&self) -> FileErrorKind {
        self.0.kind
    }

    /// The file; `None` for bytes that came from none.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The tensor of the file that it is about, by name.
    pub fn tensor(&self) -> Option<&str> {
        self.0.tensor.as_deref()
    }

    /// What to do about it.
    pub fn help_text(&self) -> Option<&str> {
        match &self.0.cause {
            Some(Cause::Proto(error)) => error.help_text(),
            _ => self.0.help.as_deref(),
        }
    }

    /// The codec's own error, with position and kind, where a message was at fault.
    pub fn proto_error(&self) -> Option<&ProtoError> {
        match &self.0.cause {
            Some(Cause::Proto(error)) => Some(error),
            _ => None,
        }
    }
}

impl From<ProtoError> for FileError {
    fn from(error: ProtoError) -> Self {
        let kind = match error.kind() {
            ProtoErrorKind::Io => FileErrorKind::Io,
            ProtoErrorKind::Empty | ProtoErrorKind::GitLfsPointer | ProtoErrorKind::WrongContent => {
                FileErrorKind::WrongContent
            }
            ProtoErrorKind::LimitExceeded => FileErrorKind::LimitExceeded,
            _ => FileErrorKind::Malformed,
        };
        let mut this = Self::new(kind, String::new());
        this.0.path = error.file().map(Path::to_owned);
        this.0.cause = Some(Cause::Proto(error));
        this
    }
}

impl From<DbError> for FileError {
    fn from(error: DbError) -> Self {
        let kind = match error.kind() {
            DbErrorKind::Io => FileErrorKind::Io,
            DbErrorKind::Unsupported => FileErrorKind::Unsupported,
            _ => FileErrorKind::Malformed,
        };
        let mut this = Self::new(kind, String::new());
        this.0.path = error.path().map(Path::to_owned);
        this.0.cause = Some(Cause::Db(error));
        this
    }
}

impl From<NotWritten> for FileError {
    fn from(NotWritten { error, help }: NotWritten) -> Self {
        let this = Self::io(error, "cannot be written");
        match help {
            Some(help) => this.help(help),
            None => this,
        }
    }
}

impl From<BlobProtoError> for FileError {
    fn from(error: BlobProtoError) -> Self {
        match error {
            BlobProtoError::Tensor(error) => error.into(),
            BlobProtoError::Malformed(_) => Self::malformed(error.to_string()),
            _ => Self::new(FileErrorKind::Unsupported, error.to_string()),
        }
    }
}

impl From<TensorError> for FileError {
    fn from(error: TensorError) -> Self {
        let kind = match error {
            TensorError::OutOfMemory { .. } | TensorError::OverBudget { .. } => FileErrorKind::LimitExceeded,
            TensorError::Unwritten { .. } => FileErrorKind::Unwritten,
            _ => FileErrorKind::Malformed,
        };
        let mut this = Self::new(kind, error.to_string());
        this.0.cause = Some(Cause::Tensor(error));
        this
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let this = &*self.0;
        match (&this.path, &this.cause) {
            (_, Some(Cause::Proto(error))) if error.file().is_some() => {}
            (_, Some(Cause::Db(error))) if error.path().is_some() => {}
            (Some(path), _) => write!(f, "{}: ", path.display())?,
            (None, _) => {}
        }
        if let Some(tensor) = &this.tensor {
            write!(f, "tensor `{tensor}`: ")?;
        }
        match &this.cause {
            Some(Cause::Proto(error)) => write!(f, "{error}")?,
            Some(Cause::Db(error)) => write!(f, "{error}")?,
            _ => f.write_str(&this.message)?,
        }
        match &this.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.cause {
            Some(Cause::Io(error)) => Some(error),
            Some(Cause::Proto(error)) => error.source(),
            Some(Cause::Db(error)) => error.source(),
            Some(Cause::Tensor(error)) => Some(error),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_part_once() {
        let error =
            FileError::malformed("two dots").help("remove one").of_tensor("w").in_file(Path::new("a.npz"));
        assert_eq!(error.to_string(), "a.npz: tensor `w`: two dots; remove one");
        let error = error.of_tensor("other").in_file(Path::new("b.npz"));
        assert_eq!((error.tensor(), error.path()), (Some("w"), Some(Path::new("a.npz"))));
    }

    #[test]
    fn a_codec_error_keeps_its_words() {
        let absent = caffe2_proto::read_file("no/such.pb", 9).unwrap_err();
        let words = absent.to_string();
        let error = FileError::from(absent).in_file(Path::new("no/such.pb"));
        assert_eq!((error.kind(), error.to_string()), (FileErrorKind::Io, words));
        assert!(std::error::Error::source(&error).is_some());
    }
}
