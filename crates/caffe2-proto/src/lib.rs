//! Caffe2's messages: nets, operators, arguments, tensors, blobs and plans, read and written in the
//! binary and text forms of the original (`caffe2.proto`, `metanet.proto`), and as JSON.
//!
//! ```
//! use caffe2_proto::{Caffe2Message, NetDef, OperatorDef, ProtoError, WireLimits};
//!
//! # fn main() -> Result<(), ProtoError> {
//! let net = NetDef::new("squares")
//!     .external_input("data")
//!     .op(OperatorDef::new("Conv")
//!         .inputs(["data", "weights"])
//!         .output("features")
//!         .arg("kernel", 3)
//!         .arg("order", "NCHW"))
//!     .op(OperatorDef::new("Clip").input("features").output("y").arg("min", -1.0))
//!     .external_output("y");
//!
//! // Both forms give the same net back; which one it is, is told from the content.
//! let limits = WireLimits::default();
//! assert_eq!(NetDef::from_bytes(net.to_binary(), &limits)?, net);
//! assert_eq!(NetDef::from_bytes(net.to_text().into_bytes(), &limits)?, net);
//!
//! // An error says where it is, what was found, and what was expected.
//! let error = NetDef::from_text("op {\n  inputs: \"x\"\n}", &limits).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "line 2, column 3: in op[0] of NetDef: unknown field: found `inputs`, \
//!      expected a field of OperatorDef; did you mean `input`?"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! - [`Caffe2Message`] reads and writes every message: files, bytes, text, JSON.
//! - [`OperatorDef::new`] and [`NetDef::new`] begin a builder; [`ArgumentValue`] is what an argument
//!   can be made of.
//! - [`WireLimits`] bound what input may ask for; they are checked before anything is decoded, so
//!   hostile input gives a [`ProtoError`] and neither a panic nor an exhausted stack or memory.
//! - [`EncodedNet`] decodes the operators of a net one at a time, so that parameters are never all in memory
//!   twice.
//! - [`sniff`] tells what a file is.
//!
//! The messages are [`prost`] messages with public fields. A field that may be absent is an
//! `Option`, with a method of the same name that gives the value or its default:
//! `operator.engine` is `Option<String>`, `operator.engine()` is `&str`. Byte fields are
//! [`Bytes`](bytes::Bytes), slices of the input from which they were decoded.
#![forbid(unsafe_code)]

mod builder;
mod encoded;
mod error;
mod file;
mod generated;
mod json;
mod limits;
mod message;
mod schema;
mod sniff;
mod text;
mod wire;

pub use bytes;
pub use prost;

pub use builder::{ArgumentElement, ArgumentValue};
pub use encoded::{EncodedNet, EncodedNumbers, EncodedOperator, NumberField};
pub use error::{Position, ProtoError, ProtoErrorKind};
pub use file::read_file;
pub use generated::*;
pub use limits::WireLimits;
pub use message::Caffe2Message;
pub use sniff::{FileKind, MessageKind, sniff};
