//! What can go wrong with a tensor.

use crate::{DataType, Shape, ShapeError};

/// Why a tensor could not be made, read or written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The dimensions are no shape.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The elements are of another type.
    #[error("wanted a tensor of {wanted}, found one of {found}")]
    Type {
        /// The type asked for.
        wanted: DataType,
        /// The type that the tensor has.
        found: DataType,
    },
    /// The tensor has a shape but nothing was ever written to it.
    #[error("wanted a tensor of {wanted}, found one of shape {shape} that was never written")]
    Unwritten {
        /// The type asked for, or `any type`.
        wanted: &'static str,
        /// The shape that the tensor has.
        shape: Shape,
    },
    /// The number of elements is not what the shape says.
    #[error("shape {shape} has {} elements, but {found} were given", shape.numel())]
    Count {
        /// The shape.
        shape: Shape,
        /// The number of elements given.
        found: usize,
    },
    /// The system refused the memory.
    #[error("the system has no {bytes} bytes of memory for a tensor")]
    OutOfMemory {
        /// The bytes asked for.
        bytes: usize,
    },
    /// The memory budget does not allow for the tensor.
    #[error("a tensor of {bytes} bytes does not fit the memory limit: {used} of {limit} bytes are in use")]
    OverBudget {
        /// The bytes asked for.
        bytes: usize,
        /// The bytes in use.
        used: usize,
        /// The limit.
        limit: usize,
    },
    /// The operation needs numbers (or plain bytes) and the tensor holds strings.
    #[error("a tensor of strings has no plain bytes")]
    StringsHaveNoBytes,
    /// A message that is no tensor: what was wrong, and what was expected.
    #[error("tensor message: {0}")]
    Proto(String),
}
