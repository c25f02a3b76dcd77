//! Caffe2's control flow: operators that run nets which they hold as arguments.
//!
//! | operator | |
//! |---|---|
//! | [`If`](IfOp) | one net or another, by a condition |
//! | [`While`](WhileOp) | a net as long as a condition holds |
//! | [`Do`](DoOp) | a net with names of its own |
//! | [`CreateScope`](CreateScopeOp) | the scope blob that `Do` wants |
//!
//! ```
//! use caffe2op_control as _;
//! use caffe2_operator::proto::{NetDef, OperatorDef};
//! use caffe2_operator::{Tensor, Workspace};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A net without operators leaves everything as it is.
//! let choose = OperatorDef::new("If").input("condition").arg("then_net", NetDef::new("nothing"));
//! let mut workspace = Workspace::new();
//! workspace.feed("condition", Tensor::scalar(true)?);
//! workspace.run_operator_once(&choose)?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod create_scope;
mod do_op;
mod if_op;
mod while_op;

pub use create_scope::CreateScopeOp;
pub use do_op::DoOp;
pub use if_op::IfOp;
pub use while_op::WhileOp;
