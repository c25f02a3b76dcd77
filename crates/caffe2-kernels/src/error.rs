//! The errors that a kernel reports when its caller cannot easily rule them out beforehand.

/// Why a kernel refused its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice is shorter or longer than the shape given with it demands.
    #[error("{what}: expected {expected} elements, found {found}")]
    Length {
        /// The operand concerned.
        what: &'static str,
        /// Elements that the shape demands.
        expected: usize,
        /// Elements that were given.
        found: usize,
    },
    /// Two operands disagree in one dimension.
    #[error("{what}: {left} and {right} differ")]
    Mismatch {
        /// The dimension concerned.
        what: &'static str,
        /// Its size in the first operand.
        left: usize,
        /// Its size in the second operand.
        right: usize,
    },
    /// A product of sizes does not fit in memory arithmetic.
    #[error("{what}: the number of elements overflows")]
    Overflow {
        /// The operand concerned.
        what: &'static str,
    },
    /// A list of axes is not a permutation of 0..rank.
    #[error("axes are not a permutation of 0..{rank}")]
    NotAPermutation {
        /// The number of dimensions.
        rank: usize,
    },
    /// A number of elements that is no multiple of what it must be.
    #[error("{what}: {found} is no multiple of {of}")]
    Multiple {
        /// What is counted.
        what: &'static str,
        /// What the number must be a multiple of.
        of: usize,
        /// The number.
        found: usize,
    },
    /// A number that is too small.
    #[error("{what}: expected at least {least}, found {found}")]
    AtLeast {
        /// What is counted.
        what: &'static str,
        /// The smallest number that is allowed.
        least: usize,
        /// The number.
        found: usize,
    },
    /// An integer was divided by zero.
    #[error("integer division by zero")]
    DivisionByZero,
    /// Two dimensions cannot be broadcast against each other.
    #[error("dimension {axis} of the result: sizes {left} and {right} cannot be broadcast together")]
    Broadcast {
        /// Index of the dimension in the result's shape.
        axis: usize,
        /// Size in the first operand.
        left: usize,
        /// Size in the second operand.
        right: usize,
    },
}

/// Returns an error naming `what` unless `found` equals `expected`.
pub(crate) fn check_len(what: &'static str, expected: usize, found: usize) -> Result<(), KernelError> {
    if expected == found { Ok(()) } else { Err(KernelError::Length { what, expected, found }) }
}

/// Returns an error naming `what` unless the two sizes agree.
pub(crate) fn check_same(what: &'static str, left: usize, right: usize) -> Result<(), KernelError> {
    if left == right { Ok(()) } else { Err(KernelError::Mismatch { what, left, right }) }
}

/// The product of `dims`, or an error naming `what`.
pub(crate) fn product(what: &'static str, dims: &[usize]) -> Result<usize, KernelError> {
    // A zero anywhere makes the product zero, however large the other sizes.
    if dims.contains(&0) {
        return Ok(0);
    }
    dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or(KernelError::Overflow { what })
}
