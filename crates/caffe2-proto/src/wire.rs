//! Protobuf's binary form: the primitives, and the scan that vets a message before it is decoded.

mod reader;
mod scan;

pub(crate) use reader::{Reader, WireType};
pub(crate) use scan::{Strictness, over_limit, scan};

#[cfg(test)]
mod tests;
