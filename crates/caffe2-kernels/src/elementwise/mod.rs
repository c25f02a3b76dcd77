//! Element-wise kernels: one operand, two operands with broadcasting, and sums of many.

mod binary;
mod broadcast;
mod inout;
mod sum;
mod unary;

pub use binary::{Arithmetic, BinaryIo, BinaryOp, binary, binary_with, zip_broadcast};
pub use broadcast::Broadcast;
pub use inout::InOut;
pub use sum::sum;
pub use unary::{leaky_relu, map, relu, scale, sigmoid};
pub(crate) use unary::{negative_part, positive_part};

/// Elements per block that one thread computes at a time: 16 Ki floats keep input and output in L2.
const BLOCK: usize = 16 * 1024;
/// Elements below which waking a pool costs more than it gains.
const GRAIN: usize = 64 * 1024;
