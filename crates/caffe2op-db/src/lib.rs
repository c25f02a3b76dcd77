//! Blobs in databases: Caffe2's `Load`, `Save`, `CreateDB` and `DBExists`, for databases of type `minidb`.
//!
//! They use files in the folder that the workspace allows, and in no other place; where it allows none, which is how a
//! workspace begins, they fail.
//!
//! ```
//! use caffe2_operator::proto::OperatorDef;
//! use caffe2_operator::{Folder, Tensor, Workspace};
//! use caffe2op_db as _; // links the operators
//!
//! let place = tempfile::tempdir()?;
//! let mut workspace = Workspace::new();
//! workspace.allow_files(Folder::new(place.path())?);
//! workspace.feed("w", Tensor::from_slice([2], &[1.0f32, 2.0])?);
//! let db = |def: OperatorDef| def.arg("db", "weights.minidb").arg("db_type", "minidb");
//! workspace.run_operator_once(&db(OperatorDef::new("Save").input("w")))?;
//! workspace.run_operator_once(&db(OperatorDef::new("Load").output("v")).arg("source_blob_names", vec!["w"]))?;
//! assert_eq!(workspace.fetch("v")?, workspace.fetch("w")?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod collect;
mod create_db;
mod db_exists;
mod load;
mod location;
mod reader;
mod save;

pub use create_db::CreateDbOp;
pub use db_exists::DbExistsOp;
pub use load::LoadOp;
pub use reader::DbReader;
pub use save::SaveOp;
