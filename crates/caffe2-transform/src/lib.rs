//! Rewrites of Caffe2 nets, from `NetDef` to `NetDef`.
#![forbid(unsafe_code)]
