//! Rewrites of Caffe2 nets, from `NetDef` to `NetDef`.
//!
//! - [`keep_codes`] keeps weights as bytes where operators can multiply by them.
#![forbid(unsafe_code)]

pub mod keep_codes;
