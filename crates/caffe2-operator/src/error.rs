//! Errors that say where in a net they happened.

use std::fmt;

use caffe2_proto::{NetDef, OperatorDef};

use crate::op_error::OpError;
use crate::stop::Stopped;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operator type, or its engine on a device, that nobody registered; or two that did.
    NotRegistered,
    /// A definition that does not fit the schema of its type.
    Schema,
    /// An argument that is missing, of the wrong kind, or makes no sense.
    Argument,
    /// A device that nothing runs on.
    Device,
    /// A blob that an operator reads and nobody made.
    MissingInput,
    /// A definition of a net or a plan that makes no sense by itself.
    Definition,
    /// A blob that does not exist, exists already, or holds something else.
    Blob,
    /// A net that does not exist, or exists already.
    Net,
    /// An operator that failed when it ran.
    Run,
    /// A run that was cancelled, or took longer than it may.
    Stopped,
}

/// Why a workspace could not do what was asked.
///
/// Says which net, which operator at which position, and all that is wrong as far as it can be told at
/// once.
#[derive(Debug, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Debug, PartialEq)]
struct Inner {
    kind: ErrorKind,
    net: Option<String>,
    op: Option<OpLabel>,
    blob: Option<String>,
    message: String,
    details: Vec<String>,
    cause: Option<OpError>,
}

/// Which operator an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpLabel {
    /// Its position in the net; `None` for an operator that was run by itself.
    pub position: Option<usize>,
    /// Its type.
    pub op_type: String,
    /// Its name; often empty.
    pub name: String,
}

/// An operator of an encoded net that can no longer be decoded.
impl From<caffe2_proto::ProtoError> for Error {
    fn from(error: caffe2_proto::ProtoError) -> Error {
        Error::new(ErrorKind::Definition, error.to_string())
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            net: None,
            op: None,
            blob: None,
            message: message.into(),
            details: Vec::new(),
            cause: None,
        }))
    }

    /// An error about an operator that could not run with what is known of its inputs.
    pub(crate) fn in_definition(net: &NetDef, position: usize, def: &OperatorDef, cause: OpError) -> Error {
        Error::new(cause.kind(), cause.to_string())
            .caused_by(cause)
            .of_net(net.name())
            .of_op(OpLabel::new(Some(position), def))
    }

    /// A net within an operator that could not be built.
    pub(crate) fn nested(argument: &'static str, error: Error) -> Error {
        let kind = error.kind();
        let cause = OpError::nested(argument, error);
        Error::new(kind, cause.to_string()).caused_by(cause)
    }

    pub(crate) fn of_net(mut self, name: &str) -> Error {
        self.0.net = Some(name.to_owned());
        self
    }

    pub(crate) fn of_op(mut self, op: OpLabel) -> Error {
        self.0.op = Some(op);
        self
    }

    pub(crate) fn of_blob(mut self, name: Option<&str>) -> Error {
        self.0.blob = name.map(str::to_owned);
        self
    }

    pub(crate) fn detail(mut self, details: impl IntoIterator<Item = String>) -> Error {
        self.0.details.extend(details);
        self
    }

    pub(crate) fn caused_by(mut self, cause: OpError) -> Error {
        self.0.cause = Some(cause);
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The net, if it happened in one.
    pub fn net(&self) -> Option<&str> {
        self.0.net.as_deref()
    }

    /// The operator, if it is about one.
    pub fn operator(&self) -> Option<&OpLabel> {
        self.0.op.as_ref()
    }

    /// The name of the input or output that an operator failed for, if it did for one.
    pub fn blob(&self) -> Option<&str> {
        self.0.blob.as_deref()
    }

    /// The details, one for each thing that is wrong or worth knowing.
    pub fn details(&self) -> &[String] {
        &self.0.details
    }

    /// What the operator itself answered.
    pub fn cause(&self) -> Option<&OpError> {
        self.0.cause.as_ref()
    }
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Error {
        Error::new(ErrorKind::Stopped, stopped.to_string()).caused_by(stopped.into())
    }
}

impl OpLabel {
    pub(crate) fn new(position: Option<usize>, def: &OperatorDef) -> OpLabel {
        OpLabel { position, op_type: def.r#type().to_owned(), name: def.name().to_owned() }
    }
}

impl fmt::Display for OpLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operator ")?;
        if let Some(position) = self.position {
            write!(f, "#{position} ")?;
        }
        write!(f, "{}", self.op_type)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " `{}`", self.name) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(net) = &self.0.net {
            write!(f, "net `{net}`: ")?;
        }
        if let Some(op) = &self.0.op {
            write!(f, "{op}: ")?;
        }
        f.write_str(&self.0.message)?;
        for detail in &self.0.details {
            write!(f, "\n  {detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
