//! Caffe2's operator framework: operators that are made from definitions, work on the blobs of a
//! workspace, and are strung together in nets.
//!
//! ```
//! use caffe2_operator::{
//!     ArgError, Args, OpError, OpIo, OpSchema, Operator, OperatorType, Tensor, Workspace, register_cpu_operator,
//! };
//! use caffe2_operator::proto::{NetDef, OperatorDef};
//!
//! /// Multiplies every element by a factor.
//! struct TimesOp {
//!     factor: f32,
//! }
//!
//! impl OperatorType for TimesOp {
//!     const TYPE: &'static str = "Times";
//!     fn schema() -> OpSchema {
//!         OpSchema::new(Self::TYPE).inputs(1).outputs(1).arg("factor", "what to multiply by", 2.0f32)
//!     }
//!     fn from_args(args: &Args<'_>) -> Result<Self, ArgError> {
//!         Ok(TimesOp { factor: args.get("factor")? })
//!     }
//! }
//!
//! impl Operator for TimesOp {
//!     fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
//!         let x = io.input(0)?;
//!         let (from, to) = (io.input_slice::<f32>(0)?, io.output_slice::<f32>(0, x.shape())?);
//!         to.iter_mut().zip(from).for_each(|(y, x)| *y = x * self.factor);
//!         Ok(())
//!     }
//! }
//!
//! register_cpu_operator!(TimesOp);
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let net = NetDef::new("twice")
//!     .external_input("x")
//!     .op(OperatorDef::new("Times").input("x").output("y"))
//!     .op(OperatorDef::new("Times").input("y").output("z").arg("factor", 10.0f32))
//!     .external_output("z");
//! let mut workspace = Workspace::new();
//! workspace.feed("x", Tensor::from_slice([2], &[1.0f32, 2.0])?);
//! workspace.create_net(&net)?;
//! workspace.run_net("twice")?;
//! assert_eq!(workspace.fetch("z")?.as_slice::<f32>()?, [20.0, 40.0]);
//! # Ok(())
//! # }
//! ```
//!
//! An operator crate needs this crate alone: [`proto`] has the messages, and the types of tensors are here
//! too. Kernels for common work are in `caffe2-kernels`.

mod access;
mod args;
mod blob;
mod blob_proto;
mod broadcast;
mod byte_weight;
mod catalog;
mod control;
mod cost;
mod diagnose;
mod dispatch;
mod error;
mod expect;
mod folder;
mod infer;
mod io;
mod item;
mod long_list;
mod net;
mod observer;
mod op_error;
mod operator;
mod plan;
mod registry;
mod row_indices;
mod run_operator;
mod schema;
mod stop;
#[cfg(test)]
mod testing;
pub mod window;
mod workspace;

pub use args::Args;
pub use blob::{Blob, BlobError};
pub use blob_proto::{BlobAssembler, BlobProtoError, DEFAULT_CHUNK_SIZE, blob_name_of_key};
pub use broadcast::BroadcastRule;
pub use byte_weight::{ByteWeight, RowWeight, WeightBytes};
pub use caffe2_kernels::Threads;
pub use caffe2_kernels::elementwise::InOut;
/// The messages of Caffe2.
pub use caffe2_proto as proto;
pub use caffe2_tensor::{
    DataType, Element, Int8Tensor, IntoShape, MemoryBudget, Shape, ShapeError, Tensor, TensorError,
    data_type_from_proto, f16,
};
pub use control::{ControlIo, ControlOperator, ControlOperatorType, SubNet};
pub use cost::{Cost, CostContext};
pub use diagnose::{Diagnosis, diagnose_net};
pub use error::{Error, ErrorKind, OpLabel};
pub use expect::{ExpectContext, ExpectFn, Expectation, Expectations, expected_inputs};
pub use folder::{Folder, FolderError};
pub use infer::{BlobInfos, InferContext, InferredOp, TensorInfo, infer_net};
pub use io::OpIo;
pub use item::{Item, copy_rows};
pub use long_list::LongList;
pub use net::{BlobMemory, KeptBlob, MemoryReport, Net, NetInfo, OpInfo, check_definition};
pub use observer::{Observer, TimeObserver};
pub use op_error::{ArgError, ArgProblem, OpError};
pub use operator::{Operator, OperatorType};
pub use registry::{DeviceType, DuplicateOperator, OpRegistry, OpRegistryBuilder, Origin, Registration};
pub use row_indices::check_row_indices;
pub use run_operator::run_operator;
pub use schema::{
    ArgDefault, ArgElement, ArgKind, ArgSpec, ArgType, BlobDoc, Comparison, CostFn, Counts, InferFn,
    IntoArgDefault, IntoCountRange, OpSchema, SchemaError,
};
pub use stop::{CancelToken, Stopped};
pub use workspace::{DEFAULT_MEMORY_LIMIT, Workspace};

/// Operator types of this project by the crate that brings them.
pub fn operator_catalog() -> &'static [(&'static str, &'static [&'static str])] {
    catalog::CATALOG
}

#[doc(hidden)]
pub mod __private {
    pub use inventory;
}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-an-operator.md")]
struct WritingAnOperator;
