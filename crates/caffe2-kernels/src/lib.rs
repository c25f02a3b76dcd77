//! Numeric kernels of the Caffe2 operators.
//!
//! Kernels work on plain slices and sizes; they know nothing of tensors, blobs or protos. An operator checks
//! its arguments, then calls one of these:
//!
//! | module | what it computes |
//! |---|---|
//! | [`byte_rows`] | matrix products with weights that are kept as bytes |
//! | [`dequant`] | floats from byte codes |
//! | [`int8`] | byte codes with scale and zero point from floats |
//! | [`rowwise`] | rows of codes with a scale and a bias each: from floats, to floats |
//! | [`half`] | floats to and from halves |
//! | [`lookup`] | sums of rows that are picked from a table: of floats, halves, or codes |
//! | [`elementwise`] | one operand, two operands with broadcasting, sums of many; apart or in place |
//! | [`gemm`] | matrix products, with bias |
//! | [`conv`] | convolution in one to three dimensions, NCHW and NHWC, groups |
//! | [`conv_transpose`] | transposed convolution of planes, NCHW and NHWC, groups |
//! | [`pool`] | maximum and average over windows |
//! | [`softmax`] | softmax of rows |
//! | [`transpose`] | permutation of dimensions |
//! | [`geometry`] | the rule for the sizes of sliding windows, shared with shape inference |
//! | [`vecmath`] | elementary functions for use in element-wise kernels |
//!
//! Every kernel takes a [`Threads`], which says how many threads it may use, and exists once per vector
//! instruction set ([`Isa`]), of which the best is chosen at run time.
//!
//! ```
//! use caffe2_kernels::Threads;
//! use caffe2_kernels::dequant::{CodeMap, dequantize};
//! use caffe2_kernels::elementwise::{InOut, relu};
//! use caffe2_kernels::gemm::{Bias, MatMut, MatRef, matmul};
//!
//! // A fully connected layer whose weights are bytes, then a Relu.
//! let threads = Threads::new(2);
//! let mut weights = [0.0; 6];
//! dequantize(&threads, &[0, 51, 102, 153, 204, 255], CodeMap::from_range(-2.0, 3.0), &mut weights);
//! let mut y = [0.0; 2];
//! let x = MatRef::new(&[1.0, 1.0, 1.0], 1, 3)?;
//! let w = MatRef::new(&weights, 2, 3)?.transposed();
//! matmul(&threads, x, w, Bias::PerColumn(&[0.5, 0.5]), MatMut::new(&mut y, 1, 2)?)?;
//! relu(&threads, InOut::InPlace(&mut y));
//! assert_eq!(y, [0.0, 6.5]);
//! # Ok::<(), caffe2_kernels::KernelError>(())
//! ```
//!
//! # What is promised
//!
//! - Results do not depend on the number of threads, to the bit.
//! - Conversions to and from codes and halves, element-wise kernels, softmax and pooling give the same bits on every
//!   instruction set; products, convolutions and sums of picked rows use fused operations where there are some, and
//!   differ in rounding.
//! - A kernel never reads or writes outside of its slices. Sizes that do not fit together are a
//!   [`KernelError`], or, where a caller can hardly get them wrong, a documented panic.
//! - Working memory is kept per thread: once a thread has computed a layer, computing it again allocates
//!   nothing (with more than one thread, the thread pool's own queue may).
//!
//! # `unsafe`
//!
//! Confined to calls of code compiled for a detected instruction set ([`isa`], [`half`]), vectors (`simd`, `windows`, `Relu`), stores that
//! bypass the caches (`dequant::stream`), hints to fetch memory ahead ([`lookup`]), and pieces of matrix rows shared among
//! threads (`gemm`, `byte_rows`).
#![deny(unsafe_code)]

mod band;
pub mod byte_rows;
pub mod conv;
pub mod conv_transpose;
pub mod dequant;
pub mod elementwise;
mod error;
mod extremes;
pub mod gemm;
pub mod geometry;
pub mod half;
pub mod index;
pub mod int8;
pub mod isa;
pub mod lookup;
pub mod pool;
mod reduce;
mod rows;
pub mod rowwise;
mod scratch;
mod simd;
pub mod softmax;
mod threads;
pub mod transpose;
pub mod vecmath;
mod windows;

pub use error::KernelError;
pub use isa::Isa;
pub use threads::Threads;
