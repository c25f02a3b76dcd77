//! Caffe2's reductions: sums, means, extremes and norms over dimensions, or over everything.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, run_operator};
//! use caffe2op_reduction as _; // links the operators
//!
//! let x = Tensor::from_slice([2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let sums = OperatorDef::new("ReduceSum").input("x").output("y").arg("axes", vec![-1]);
//! let y = run_operator(&sums, [x])?;
//! assert_eq!(y[0], Tensor::from_slice([2, 1], &[6.0f32, 15.0])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod axes;
mod elements;
mod front_back;
mod kernel;
mod lanes;
mod lengths;
mod number;
mod reducer;

pub use axes::{
    Axes, AxesReduction, ReduceL1, ReduceL2, ReduceMax, ReduceMean, ReduceMin, ReduceOp, ReduceSum,
};
pub use elements::{ElementsOp, ElementsReduction, SumElements, SumSqrElements};
pub use front_back::{
    EndReduction, ReduceBackMax, ReduceBackMean, ReduceBackSum, ReduceEndOp, ReduceFrontMax, ReduceFrontMean,
    ReduceFrontSum,
};
