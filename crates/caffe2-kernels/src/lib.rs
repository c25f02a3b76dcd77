//! Numeric kernels of the Caffe2 operators over plain slices.
#![deny(unsafe_code)]

pub mod dequant;
pub mod elementwise;
mod error;
pub mod gemm;
pub mod isa;
pub mod softmax;
mod threads;
pub mod transpose;
pub mod vecmath;

pub use error::KernelError;
pub use isa::Isa;
pub use threads::Threads;
