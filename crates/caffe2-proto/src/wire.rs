//! Protobuf's binary form: the primitives, and the scan that vets a message before it is decoded.

mod reader;
mod scan;

pub(crate) use reader::{Reader, WireFault, WireType};
pub(crate) use scan::{Strictness, over_limit, scan, scan_parts};

#[cfg(test)]
mod tests;
