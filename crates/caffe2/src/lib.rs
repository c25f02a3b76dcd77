//! Caffe2's operator framework: nets of operators, read from the files that Caffe2 reads, run on tensors.
//!
//! This crate is what a program imports. It links every operator crate of the project, re-exports the types
//! that a program needs, and reads and writes the [files] that nets and tensors live in.
//!
//! ```
//! use caffe2::{NetDef, OperatorDef, Tensor, Workspace, files};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! // Weights kept as bytes, and the net that makes floats of them.
//! let init = NetDef::new("init").op(OperatorDef::new("ByteWeightDequant")
//!     .input("codes")
//!     .output("weights")
//!     .arg("min", -1.0f32)
//!     .arg("max", 4.0f32));
//! let mut workspace = Workspace::new();
//! workspace.feed("codes", Tensor::from_slice([3], &[0u8, 51, 255])?);
//! workspace.run_net_once(&init)?;
//! assert_eq!(workspace.fetch("weights")?.as_slice::<f32>()?, [-1.0, 0.0, 4.0]);
//!
//! // What NumPy, or `caffe2 run --feed`, can read.
//! let path = folder.path().join("weights.npz");
//! files::write_tensors(&path, &[("weights", workspace.fetch("weights")?)])?;
//! # Ok(())
//! # }
//! ```
//!
//! Where to look:
//!
//! - [`Workspace`] holds blobs and nets by name, and runs them; [`Tensor`] is what most blobs are.
//! - [`NetDef`] and [`OperatorDef`] are definitions: [read](files::read_net) from files, or built as above.
//! - [`Predictor`] loads a model, checks what it is given, and runs it, from several threads if need be.
//! - [`files`] has nets, NumPy's `.npz` and `.npy`, and Caffe2's `TensorProtos`.
//! - [`inspect`] tells what a net is made of and what it takes, without running it.
//! - [`OpRegistry`] tells which operators there are, and [`OpSchema`] what each takes.
//! - [`Operator`] and [`OperatorType`] are for operators of your own, as [`operator`] shows.
//!
//! The whole of the crates below is in [`operator`], [`tensor`], [`transform`] and [`proto`].
#![deny(unsafe_code)]

pub mod files;
pub mod inspect;
mod net_facts;
mod parameters;
pub mod predictor;

/// The operator framework, all of it.
pub use caffe2_operator as operator;
/// The messages of Caffe2, all of them, with their binary and text forms.
pub use caffe2_proto as proto;
/// Tensors, all of it.
pub use caffe2_tensor as tensor;
/// Rewrites of nets.
pub use caffe2_transform as transform;

pub use caffe2_operator::{
    Args, Blob, Error, ErrorKind, Net, NetInfo, Observer, OpError, OpInfo, OpIo, OpRegistry, OpSchema,
    Operator, OperatorType, TimeObserver, Workspace, register_cpu_operator,
};
pub use caffe2_proto::{Argument, Caffe2Message, EncodedNet, NetDef, OperatorDef, ProtoError, WireLimits};
pub use caffe2_tensor::{DataType, Element, Int8Tensor, MemoryBudget, Shape, Tensor, TensorError, f16};
pub use net_facts::NetFacts;
pub use predictor::{Predictor, PredictorError, PredictorOptions, Session};

pub use parameters::{fill_net, placeholders};

// A crate whose name stands nowhere in the code is not linked, and its operators are missing then.
use caffe2op_accuracy as _;
use caffe2op_activation as _;
use caffe2op_cast as _;
use caffe2op_channelshuffle as _;
use caffe2op_concatsplit as _;
use caffe2op_control as _;
use caffe2op_conv as _;
use caffe2op_convtranspose as _;
use caffe2op_copy as _;
use caffe2op_db as _;
use caffe2op_dequant as _;
use caffe2op_dropout as _;
use caffe2op_elementwise as _;
use caffe2op_filler as _;
use caffe2op_fullyconnected as _;
use caffe2op_fusedrowwise as _;
use caffe2op_gather as _;
use caffe2op_halffloat as _;
use caffe2op_i8quantized as _;
use caffe2op_matmul as _;
use caffe2op_norm as _;
use caffe2op_onehot as _;
use caffe2op_orderswitch as _;
use caffe2op_pad as _;
use caffe2op_pool as _;
use caffe2op_quantdecode as _;
use caffe2op_reduction as _;
use caffe2op_reshape as _;
use caffe2op_resize as _;
use caffe2op_search as _;
use caffe2op_segment as _;
use caffe2op_select as _;
use caffe2op_shape as _;
use caffe2op_slice as _;
use caffe2op_softmax as _;
use caffe2op_spacebatch as _;
use caffe2op_tile as _;
use caffe2op_transpose as _;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeProgram;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/coming-from-caffe2.md")]
struct ComingFromCaffe2;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/security.md")]
struct Security;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operator_crate_contributed_its_types() {
        let registered: BTreeSet<_> = OpRegistry::linked()
            .unwrap()
            .registrations()
            .iter()
            .map(|r| (r.origin().package, r.op_type()))
            .collect();
        let catalog: BTreeSet<_> = operator::operator_catalog()
            .iter()
            .flat_map(|(package, op_types)| op_types.iter().map(|op_type| (*package, *op_type)))
            .collect();
        let absent: Vec<_> = catalog.difference(&registered).collect();
        assert!(absent.is_empty(), "in the catalogue and not linked: {absent:?}");
        let unknown: Vec<_> = registered.difference(&catalog).collect();
        assert!(unknown.is_empty(), "linked and not in the catalogue: {unknown:?}");
    }
}
