//! What an operator may answer when it cannot be made or run.

use std::sync::Arc;

use caffe2_kernels::KernelError;
use caffe2_tensor::{DataType, ShapeError, TensorError};

use crate::{Error, ErrorKind, Stopped};

/// Why an operator could not run.
///
/// Says what is wrong with which input or output; the net adds its own name, the operator's position,
/// type and name, and what all inputs hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// An input could not be read as what the operator needs.
    #[error("{}: {source}", blob("input", *index))]
    Input {
        /// Position among the inputs.
        index: usize,
        /// What is wrong with it.
        source: TensorError,
    },
    /// An input that is a blob of another kind.
    #[error("{}: wanted {wanted}, found {found}", blob("input", *index))]
    InputKind {
        /// Position among the inputs.
        index: usize,
        /// The kind of blob that is needed.
        wanted: &'static str,
        /// What the blob holds.
        found: &'static str,
    },
    /// An input of a data type that the operator has no code for.
    #[error("{}: {found} is not supported; supported are {}", blob("input", *index), list(supported))]
    InputType {
        /// Position among the inputs.
        index: usize,
        /// The type found.
        found: DataType,
        /// The types that work.
        supported: &'static [DataType],
    },
    /// An input whose shape or values do not fit.
    #[error("{}: {message}", blob("input", *index))]
    InputValue {
        /// Position among the inputs.
        index: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// An output could not be written.
    #[error("{}: {source}", blob("output", *index))]
    Output {
        /// Position among the outputs.
        index: usize,
        /// Why.
        source: TensorError,
    },
    /// The operator asked for an input or output that its definition does not have.
    #[error("there is no {}", blob(if *output { "output" } else { "input" }, *index))]
    Missing {
        /// Whether an output was asked for.
        output: bool,
        /// The position asked for.
        index: usize,
    },
    /// An output was asked for twice, or while an input in the same blob is being read.
    #[error("{} is the blob of an input that is being read, or was taken before", blob("output", *index))]
    Taken {
        /// Position among the outputs.
        index: usize,
    },
    /// Shapes that do not go together, or are impossible.
    #[error("{0}")]
    Shape(String),
    /// An argument, where it can only be judged by the inputs.
    #[error(transparent)]
    Arg(#[from] ArgError),
    /// A net within the operator failed.
    #[error("in `{argument}`: {error}")]
    Nested {
        /// The argument that holds the net.
        argument: &'static str,
        /// How it failed.
        error: Arc<Error>,
    },
    /// The run was ended before the operator ran.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Anything else: what was found and what was expected.
    #[error("{0}")]
    Other(String),
}

impl From<ShapeError> for OpError {
    fn from(error: ShapeError) -> OpError {
        OpError::Shape(error.to_string())
    }
}

impl From<KernelError> for OpError {
    fn from(error: KernelError) -> OpError {
        OpError::Other(error.to_string())
    }
}

impl OpError {
    /// [`OpError::InputValue`] in short.
    pub fn input(index: usize, message: impl Into<String>) -> OpError {
        OpError::InputValue { index, message: message.into() }
    }

    pub(crate) fn nested(argument: &'static str, error: Error) -> OpError {
        OpError::Nested { argument, error: Arc::new(error) }
    }

    /// [`OpError::Shape`] in short.
    pub fn shape(message: impl Into<String>) -> OpError {
        OpError::Shape(message.into())
    }

    /// What it says, with the name of the input or output that it is about.
    pub(crate) fn with_names<S: AsRef<str>>(&self, inputs: &[S], outputs: &[S]) -> String {
        let text = self.to_string();
        let Some((output, index)) = self.blob() else { return text };
        let (what, names) = if output { ("output", outputs) } else { ("input", inputs) };
        let plain = blob(what, index);
        match (names.get(index), text.strip_prefix(&plain)) {
            (Some(name), Some(rest)) => format!("{plain} `{}`{rest}", name.as_ref()),
            _ => text,
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            OpError::Arg(_) => ErrorKind::Argument,
            OpError::Stopped(_) => ErrorKind::Stopped,
            OpError::Nested { error, .. } => error.kind(),
            _ => ErrorKind::Run,
        }
    }

    /// The input or output that the error is about: whether it is an output, and its position.
    pub(crate) fn blob(&self) -> Option<(bool, usize)> {
        match self {
            OpError::Input { index, .. }
            | OpError::InputKind { index, .. }
            | OpError::InputType { index, .. }
            | OpError::InputValue { index, .. } => Some((false, *index)),
            OpError::Output { index, .. } | OpError::Taken { index } => Some((true, *index)),
            _ => None,
        }
    }

    /// Whether an input was never written.
    pub(crate) fn is_unwritten_input(&self) -> bool {
        matches!(
            self,
            OpError::Input { source: TensorError::Unwritten { .. }, .. }
                | OpError::InputKind { found: "nothing", .. }
        )
    }
}

fn blob(what: &str, index: usize) -> String {
    format!("{what} {index}")
}

fn list(types: &[DataType]) -> String {
    types.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ")
}

/// Why an argument could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument `{name}`: {problem}")]
pub struct ArgError {
    /// The name of the argument.
    pub name: String,
    /// What is wrong with it.
    pub problem: ArgProblem,
}

/// What is wrong with an argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgProblem {
    /// The value stands in another field than the type that is wanted needs.
    #[error("expected a value in field `{wanted}`, found {found}")]
    Field {
        /// The field of the message that is read.
        wanted: &'static str,
        /// The fields that are set.
        found: String,
    },
    /// A number that the wanted type cannot hold.
    #[error("value {value} does not fit {target}")]
    Range {
        /// The number.
        value: i64,
        /// The type that is wanted.
        target: &'static str,
    },
    /// Given more than once, with different contents.
    #[error("given more than once, with different values")]
    Duplicate,
    /// Required and not given.
    #[error("required, but not given")]
    Absent,
    /// A value that makes no sense: what was found and what is expected.
    #[error("{0}")]
    Value(String),
    /// A value that this implementation does not serve: it may serve another engine.
    #[error("{0}")]
    Unsupported(String),
    /// Read by the operator, but not in its schema: a mistake in the operator.
    #[error("the operator reads it as {wanted}, but its schema {declared}")]
    Undeclared {
        /// The kind of value that the operator reads.
        wanted: &'static str,
        /// What the schema says of it.
        declared: String,
    },
}

impl ArgError {
    /// An error about the argument `name`.
    pub fn new(name: impl Into<String>, problem: ArgProblem) -> ArgError {
        ArgError { name: name.into(), problem }
    }

    /// An argument whose value makes no sense: say what was found and what is expected.
    pub fn value(name: impl Into<String>, message: impl Into<String>) -> ArgError {
        ArgError::new(name, ArgProblem::Value(message.into()))
    }

    /// An argument whose value this implementation of the operator does not serve. When another engine
    /// of the operator is registered, it is tried next.
    pub fn unsupported(name: impl Into<String>, message: impl Into<String>) -> ArgError {
        ArgError::new(name, ArgProblem::Unsupported(message.into()))
    }
}
