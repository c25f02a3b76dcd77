//! Why a model could not be loaded or run.

use std::path::{Path, PathBuf};

use caffe2_operator::{Error, Expectation, TensorInfo};

use super::Input;
use crate::files::FileError;

/// Why a model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictorError {
    /// A file could not be read, or is no net.
    #[error(transparent)]
    File(#[from] FileError),
    /// A net could not be built or run.
    #[error("{}{error}", prefix(file.as_deref()))]
    Net {
        /// The file that it came from, while it is loaded.
        file: Option<PathBuf>,
        /// What is wrong.
        error: Error,
    },
    /// Inputs that were not given.
    #[error("the net reads inputs that were never provided:{}", list(inputs))]
    MissingInputs {
        /// All of them.
        inputs: Vec<Input>,
    },
    /// A name that the net does not read.
    #[error("the net has no input `{name}`; its inputs are:{}", list(inputs))]
    UnknownInput {
        /// The name.
        name: String,
        /// What the net needs.
        inputs: Vec<Input>,
    },
    /// A tensor of a type that the net cannot take.
    #[error("input `{name}`: expected {expected}, found {found}")]
    WrongInput {
        /// The name.
        name: String,
        /// What the net needs.
        expected: Box<Expectation>,
        /// What was given.
        found: Box<TensorInfo>,
    },
    /// A blob that the net neither computes nor takes any more.
    #[error("the pass `{pass}` took the blob `{name}` out of the net; {}", remedy(name, pass))]
    Gone {
        /// The name.
        name: String,
        /// The pass.
        pass: &'static str,
    },
    /// More tensors by position than the net has external inputs.
    #[error("{given} tensors are given, but the net has {inputs} external inputs")]
    TooManyInputs {
        /// How many were given.
        given: usize,
        /// How many there are.
        inputs: usize,
    },
    /// A pass that is to be left out and that there is none of.
    #[error("there is no pass `{name}`; there are {}", known.join(", "))]
    UnknownPass {
        /// The name.
        name: String,
        /// The names of all passes.
        known: Vec<&'static str>,
    },
}

impl PredictorError {
    /// An error of a net that came from this file.
    pub(super) fn in_file(self, path: Option<&Path>) -> PredictorError {
        match self {
            PredictorError::Net { error, .. } => {
                PredictorError::Net { file: path.map(Path::to_owned), error }
            }
            other => other,
        }
    }
}

impl From<Error> for PredictorError {
    fn from(error: Error) -> PredictorError {
        PredictorError::Net { file: None, error }
    }
}

fn prefix(file: Option<&Path>) -> String {
    file.map(|path| format!("{}: ", path.display())).unwrap_or_default()
}

fn list(inputs: &[Input]) -> String {
    let line = |input: &Input| format!("\n  {input}, first read by {}", input.reader());
    if inputs.is_empty() { " none".into() } else { inputs.iter().map(line).collect() }
}

fn remedy(name: &str, pass: &str) -> String {
    match pass {
        "fuse" => format!("keep_blob(\"{name}\") has it computed, without_pass(\"{pass}\") all"),
        _ => format!("without_pass(\"{pass}\") leaves it there"),
    }
}
