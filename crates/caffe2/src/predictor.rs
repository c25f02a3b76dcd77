//! Models that are ready to run: weights loaded once, inputs checked, any number of callers.
//!
//! ```
//! use caffe2::{Caffe2Message, NetDef, OperatorDef, Predictor, Tensor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (init_net, predict_net) = (folder.path().join("init_net.pb"), folder.path().join("predict_net.pb"));
//! # let fill = |name, shape: Vec<i64>, values: Vec<f32>| {
//! #     OperatorDef::new("GivenTensorFill").output(name).arg("shape", shape).arg("values", values)
//! # };
//! # let init = NetDef::new("init").op(fill("w", vec![1, 2], vec![1.0, 10.0])).op(fill("b", vec![1], vec![0.5]));
//! # std::fs::write(&init_net, init.to_binary())?;
//! # let fc = OperatorDef::new("FC").inputs(["data", "w", "b"]).output("y");
//! # let net = NetDef::new("score").external_inputs(["data", "w", "b"]).op(fc).external_output("y");
//! # std::fs::write(&predict_net, net.to_binary())?;
//! let predictor = Predictor::load(init_net, predict_net)?;
//! assert_eq!(predictor.inputs()[0].to_string(), "`data`, float [?, 2]");
//!
//! let outputs = predictor.run(&[("data", Tensor::from_slice([1, 2], &[2.0f32, 3.0])?)])?;
//! assert_eq!((outputs[0].0.as_str(), outputs[0].1.as_slice::<f32>()?), ("y", &[32.5][..]));
//!
//! // What does not fit is told before anything runs.
//! let wrong = predictor.run(&[("data", Tensor::from_slice([1, 3], &[0.0f32; 3])?)]).unwrap_err();
//! assert!(wrong.to_string().contains("operator #0 FC"), "{wrong}");
//! assert!(predictor.run::<&str>(&[]).unwrap_err().to_string().contains("never provided"));
//! # Ok(())
//! # }
//! ```

mod error;
mod fold_constants;
mod fuse;
mod input;
mod keep_codes;
mod options;
mod pass;
mod session;
#[cfg(test)]
mod tests;
mod winograd;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use caffe2_operator::{BlobInfos, CancelToken, Observer, OpRegistry, Workspace};
use caffe2_proto::NetDef;
use caffe2_tensor::Tensor;

use crate::files::NamedTensors;

pub use error::PredictorError;
pub use fold_constants::FoldConstants;
pub use fuse::Fuse;
pub use input::Input;
pub use keep_codes::KeepCodes;
pub use options::PredictorOptions;
pub use pass::Pass;
pub use session::Session;
pub use winograd::Winograd;

/// A model that is ready to run: an init net that has run, and a predict net.
///
/// The weights are in memory once. A predictor is cheap to clone and can be used from several threads at a time: each
/// call works on activations of its own, which are kept for the next. [`PredictorOptions`] has more ways to make one.
#[derive(Clone)]
pub struct Predictor(Arc<Shared>);

struct Shared {
    model: Arc<Model>,
    /// Sessions that nobody uses at the moment.
    idle: Mutex<Vec<Session>>,
}

/// What all sessions of a predictor share.
struct Model {
    /// Holds the weights.
    parent: Arc<Workspace>,
    registry: Arc<OpRegistry>,
    net: NetDef,
    /// The external inputs of the net as it was given.
    positional: Vec<String>,
    inputs: Vec<Input>,
    outputs: Vec<String>,
    /// Shapes and types of the weights.
    known: BlobInfos,
    /// Blobs that are to be there after a run, beside the outputs.
    kept: Vec<String>,
    shares_memory: bool,
    observers: Vec<Arc<dyn Observer>>,
    /// Blobs that the net as it was given computes, or takes from outside, and this one does not; with the pass that took
    /// them.
    gone: HashMap<String, &'static str>,
}

impl Predictor {
    /// Runs the init net of one file and builds the net of the other, with the default [`PredictorOptions`].
    ///
    /// # Errors
    /// When a file cannot be read or is no net, the init net fails, or the predict net cannot be built.
    pub fn load(
        init_net: impl AsRef<Path>,
        predict_net: impl AsRef<Path>,
    ) -> Result<Predictor, PredictorError> {
        PredictorOptions::new().load(init_net, predict_net)
    }

    /// Loads the parameters of a predictor file and builds its net, with the default [`PredictorOptions`]. A file of several
    /// models is opened with [`PredictorFile::open_model`](crate::files::PredictorFile::open_model) and given to
    /// [`PredictorOptions::build_file`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let predictor = caffe2::Predictor::from_file("model.minidb")?;
    /// println!("{:?}", predictor.inputs());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or no predictor file, or its nets fail or cannot be built.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Predictor, PredictorError> {
        PredictorOptions::new().load_file(path)
    }

    /// What must be given to run, in the order of the net's external inputs: whatever the net reads and the init net did
    /// not make, or made a stand-in for that the net cannot take.
    pub fn inputs(&self) -> &[Input] {
        &self.0.model.inputs
    }

    /// The names of what a run gives, in order: the net's external outputs; where it declares none, what its operators
    /// write and none of them reads.
    pub fn outputs(&self) -> &[String] {
        &self.0.model.outputs
    }

    /// The net, as it runs.
    pub fn net(&self) -> &NetDef {
        &self.0.model.net
    }

    /// The workspace with the weights.
    pub fn workspace(&self) -> &Workspace {
        &self.0.model.parent
    }

    /// The token that ends all runs of this predictor.
    pub fn cancel_token(&self) -> CancelToken {
        self.0.model.parent.cancel_token()
    }

    /// A session of its own for a caller who runs often: it keeps inputs and activations to itself.
    ///
    /// # Errors
    /// When the net cannot be built, which loading has ruled out.
    pub fn session(&self) -> Result<Session, PredictorError> {
        Session::new(Arc::clone(&self.0.model))
    }

    /// Runs the net on named tensors and gives its outputs, in the order of [`Predictor::outputs`]. All
    /// [inputs](Predictor::inputs) must be given; a weight may be, and is replaced for this run.
    ///
    /// # Errors
    /// When an input is missing, the net has none of a name, or cannot run with shapes or types that were given; when an
    /// operator fails. The predictor stays usable.
    pub fn run<S: AsRef<str>>(&self, inputs: &[(S, Tensor)]) -> Result<NamedTensors, PredictorError> {
        self.with_session(|session| session.run(inputs))
    }

    /// As [`Predictor::run`], with inputs in the order of the net's external inputs, as Caffe2 has it. There may be fewer
    /// than that has names, weights among them.
    ///
    /// # Errors
    /// As [`Predictor::run`]; when there are more tensors than external inputs.
    pub fn run_positional(&self, inputs: &[Tensor]) -> Result<NamedTensors, PredictorError> {
        self.with_session(|session| session.run_positional(inputs))
    }

    fn with_session<R>(
        &self,
        run: impl FnOnce(&mut Session) -> Result<R, PredictorError>,
    ) -> Result<R, PredictorError> {
        let idle = || self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut session = kept.map_or_else(|| self.session(), Ok)?;
        let result = run(&mut session);
        // Nothing of this run may be seen by the next.
        if session.clear() {
            idle().push(session);
        }
        result
    }
}

impl fmt::Debug for Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Model { net, inputs, outputs, .. } = &*self.0.model;
        f.debug_struct("Predictor")
            .field("net", &net.name())
            .field("inputs", inputs)
            .field("outputs", outputs)
            .finish_non_exhaustive()
    }
}
