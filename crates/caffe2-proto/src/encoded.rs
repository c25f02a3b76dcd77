//! Nets in their binary form, whose operators are decoded one at a time.
//!
//! The definition of an init net is as large as the parameters that it makes. Decoded as a whole it would take
//! that memory once more, while each operator is needed for a moment only.

mod net;
mod numbers;
mod operator;
mod parts;

pub use net::EncodedNet;
pub use numbers::{EncodedNumbers, NumberField};
pub use operator::EncodedOperator;

#[cfg(test)]
mod tests;
