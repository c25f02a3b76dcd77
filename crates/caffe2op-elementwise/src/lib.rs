//! Operators that work element by element, after Caffe2:
//!
//! * `Add`, `Sub`, `Mul`, `Div`, `Pow`, which bring two shapes together, and `Scale`
//! * `EQ`, `NE`, `LT`, `LE`, `GT`, `GE`, `And`, `Or`, `Xor`, whose results are truth values, and `Not`
//! * `Sum`, `Mean`, `Max`, `Min`, `WeightedSum` of any number of tensors of one shape
//! * `Mod`, the rest of dividing integers by one number
//! * functions of one number: `Abs`, `Cbrt`, `Ceil`, `Cos`, `Cube`, `Exp`, `Floor`, `Log`, `Negative`, `Reciprocal`,
//!   `Rsqrt`, `Sign`, `Sin`, `Sqr`, `Sqrt`, `Tan`
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Tensor, Workspace};
//! use caffe2op_elementwise as _; // links the operators
//!
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([2, 2], &[1.0f32, 2.0, 3.0, 4.0])?);
//! workspace.feed("bias", Tensor::from_slice([2], &[10.0f32, 20.0])?);
//! let add = OperatorDef::new("Add").inputs(["x", "bias"]).output("y");
//! workspace.run_operator_once(&add)?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [11.0, 22.0, 13.0, 24.0]);
//!
//! // With `broadcast` and `axis` the second operand goes with A's dimensions from `axis` on: here, with rows.
//! workspace.run_operator_once(&add.arg("broadcast", true).arg("axis", 0))?;
//! assert_eq!(workspace.fetch("y")?.as_slice::<f32>()?, [11.0, 12.0, 23.0, 24.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod alike;
mod arithmetic;
mod extreme;
mod modulo;
mod pow;
mod scale;
mod sum;
#[cfg(test)]
mod testing;
mod truth;
mod unary;
mod weighted_sum;

pub use arithmetic::{Add, AddOp, ArithmeticOp, Div, DivOp, Mul, MulOp, Operation, Sub, SubOp};
pub use extreme::{Extreme, ExtremeOp, Max, Min};
pub use modulo::ModOp;
pub use pow::PowOp;
pub use scale::ScaleOp;
pub use sum::{MeanOp, SumOp};
pub use truth::{And, CompareOp, Connective, EQ, GE, GT, LE, LT, LogicOp, NE, Or, Relation, Xor};
pub use unary::{
    Abs, Cbrt, Ceil, Cos, Cube, Exp, Floor, Function, Log, Negative, Not, Reciprocal, Rsqrt, Sign, Sin, Sqr,
    Sqrt, Tan, UnaryOp,
};
pub use weighted_sum::WeightedSumOp;
