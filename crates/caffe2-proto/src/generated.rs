//! The messages, generated from `proto/*.proto`; `tests/generated.rs` says how to refresh them.
#![allow(clippy::all)]

include!("generated/caffe2.rs");
