//! What the tests across crates share: the golden cases that the real Caffe2 answered, the
//! models, the bodies of the fuzz targets, and the comparison of tensors. All operator crates of the project are linked.
#![forbid(unsafe_code)]

pub mod compare;
pub mod content;
pub mod fuzz;
pub mod golden;
pub mod models;

use caffe2 as _;
