//! A caller's own inputs and activations.

use std::fmt;
use std::sync::Arc;

use caffe2_operator::{Blob, MemoryReport, TensorInfo, Workspace, infer_net};
use caffe2_tensor::Tensor;

use super::{Model, PredictorError};
use crate::files::NamedTensors;

/// Inputs and activations of one caller of a [`Predictor`](super::Predictor), whose weights it shares.
///
/// An input keeps its value from run to run until another is fed. Buffers are kept too, so that a run with inputs of the
/// shapes of the last one allocates nothing, provided that outputs of the last run were dropped.
pub struct Session {
    model: Arc<Model>,
    workspace: Workspace,
    /// By position among the inputs.
    fed: Vec<Fed>,
    /// Weights that were replaced.
    replaced: Vec<(String, TensorInfo)>,
    /// Whether the shapes in `fed` and `replaced` are known to go together.
    checked: bool,
}

/// What was fed as an input.
#[derive(Debug, Clone, Default)]
struct Fed {
    is_there: bool,
    /// What it is, or was when it was there the last time.
    info: TensorInfo,
}

impl Session {
    pub(super) fn new(model: Arc<Model>) -> Result<Session, PredictorError> {
        let mut workspace = Workspace::child(Arc::clone(&model.parent));
        for observer in &model.observers {
            workspace.observe_new_nets(Arc::clone(observer));
        }
        for input in &model.inputs {
            workspace.create_blob(input.name());
        }
        workspace.set_memory_sharing(model.shares_memory);
        model.outputs.iter().chain(&model.kept).for_each(|name| workspace.keep_blob(name));
        workspace.create_net(&model.net)?;
        let fed = vec![Fed::default(); model.inputs.len()];
        Ok(Session { model, workspace, fed, replaced: Vec::new(), checked: false })
    }

    /// Puts in an input, or a tensor in the place of a weight, which stays until another is fed. The tensor is shared, not
    /// copied.
    ///
    /// # Errors
    /// When the net reads nothing of that name, or cannot take elements of that type.
    pub fn feed(&mut self, name: &str, tensor: Tensor) -> Result<(), PredictorError> {
        let Some(at) = self.model.inputs.iter().position(|input| input.name() == name) else {
            return self.replace(name, tensor);
        };
        let expected = self.model.inputs[at].expectation();
        if tensor.data_type().is_none() || !expected.takes(tensor.data_type()) {
            let (expected, found) = (Box::new(expected.clone()), Box::new(TensorInfo::from(&tensor)));
            return Err(PredictorError::WrongInput { name: name.to_owned(), expected, found });
        }
        let Fed { is_there, info } = &mut self.fed[at];
        *is_there = true;
        if info.data_type != tensor.data_type() || info.shape.as_ref() != Some(tensor.shape()) {
            *info = TensorInfo::from(&tensor);
            self.checked = false;
        }
        self.workspace.feed(name, tensor);
        Ok(())
    }

    /// Puts a tensor in the place of one that the predictor has, or of an input that nobody reads.
    fn replace(&mut self, name: &str, tensor: Tensor) -> Result<(), PredictorError> {
        let Model { net, known, inputs, gone, .. } = &*self.model;
        if let Some(&pass) = gone.get(name) {
            return Err(PredictorError::Gone { name: name.to_owned(), pass });
        }
        if !known.contains_key(name) && !net.external_input.iter().any(|input| input == name) {
            return Err(PredictorError::UnknownInput { name: name.to_owned(), inputs: inputs.clone() });
        }
        self.checked = false;
        self.replaced.retain(|(replaced, _)| replaced != name);
        self.replaced.push((name.to_owned(), TensorInfo::from(&tensor)));
        let is_own = self.workspace.local_blobs().contains(&name);
        self.workspace.feed(name, tensor);
        if !is_own {
            // The net was built on the blob of the predictor, which all sessions share.
            self.workspace.create_or_replace_net(&self.model.net)?;
        }
        Ok(())
    }

    /// Runs the net on what was fed.
    ///
    /// # Errors
    /// When an input was never fed, or the net cannot run with tensors of these shapes; when an operator fails. The
    /// session stays usable.
    pub fn execute(&mut self) -> Result<(), PredictorError> {
        if self.fed.iter().any(|fed| !fed.is_there) {
            let all = self.model.inputs.iter().zip(&self.fed);
            let inputs = all.filter(|(_, fed)| !fed.is_there).map(|(input, _)| input.clone()).collect();
            return Err(PredictorError::MissingInputs { inputs });
        }
        self.check_shapes()?;
        Ok(self.workspace.run_net(self.model.net.name())?)
    }

    /// Holds what was fed against the net, unless the last run was with the same shapes.
    fn check_shapes(&mut self) -> Result<(), PredictorError> {
        if self.checked {
            return Ok(());
        }
        let mut known = self.model.known.clone();
        known.extend(self.replaced.iter().cloned());
        let inputs = self.model.inputs.iter().zip(&self.fed);
        known.extend(inputs.map(|(input, fed)| (input.name().to_owned(), fed.info.clone())));
        infer_net(&self.model.registry, &self.model.net, &mut known)?;
        self.checked = true;
        Ok(())
    }

    /// Keeps what the net writes to this blob from the next run on, so that [`Session::tensor`] gives it.
    pub fn keep_blob(&mut self, name: &str) {
        self.workspace.keep_blob(name);
    }

    /// What the blobs that the net writes take, each by itself and when they share memory; sizes are those of the last
    /// run, or inferred.
    ///
    /// # Errors
    /// Never, as long as the net stands, which loading sees to.
    pub fn memory_report(&mut self) -> Result<MemoryReport, PredictorError> {
        Ok(self.workspace.memory_report(self.model.net.name())?)
    }

    /// An output of the last run, an input, or what the net wrote to a blob that is [kept](Session::keep_blob); where
    /// blobs [share no memory](super::PredictorOptions::memory_sharing), any other tensor that the net reads or writes.
    ///
    /// # Errors
    /// When there is no such blob, it holds no tensor, it handed its memory over to another, or a pass has taken it out of
    /// the net, with what to do about it.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, PredictorError> {
        match self.model.gone.get(name) {
            Some(&pass) if !self.workspace.has_blob(name) => {
                Err(PredictorError::Gone { name: name.to_owned(), pass })
            }
            _ => Ok(self.workspace.tensor(name)?),
        }
    }

    /// Feeds these inputs, runs the net and gives its outputs, in order.
    ///
    /// # Errors
    /// As [`Session::feed`] and [`Session::execute`].
    pub fn run<S: AsRef<str>>(&mut self, inputs: &[(S, Tensor)]) -> Result<NamedTensors, PredictorError> {
        for (name, tensor) in inputs {
            self.feed(name.as_ref(), tensor.clone())?;
        }
        self.execute()?;
        self.fetch_outputs()
    }

    /// As [`Session::run`], with inputs in the order of the net's external inputs, of which there may be more.
    ///
    /// # Errors
    /// As [`Session::run`]; when there are more tensors than external inputs.
    pub fn run_positional(&mut self, inputs: &[Tensor]) -> Result<NamedTensors, PredictorError> {
        let model = Arc::clone(&self.model);
        let names = &model.positional;
        if inputs.len() > names.len() {
            return Err(PredictorError::TooManyInputs { given: inputs.len(), inputs: names.len() });
        }
        for (name, tensor) in names.iter().zip(inputs) {
            self.feed(name, tensor.clone())?;
        }
        self.execute()?;
        self.fetch_outputs()
    }

    fn fetch_outputs(&self) -> Result<NamedTensors, PredictorError> {
        let fetch = |name: &String| Ok((name.clone(), self.workspace.fetch(name)?));
        self.model.outputs.iter().map(fetch).collect()
    }

    /// Forgets the inputs; tells whether nothing is left of what was fed.
    pub(super) fn clear(&mut self) -> bool {
        for (input, fed) in self.model.inputs.iter().zip(&mut self.fed) {
            if std::mem::take(&mut fed.is_there) {
                self.workspace.feed(input.name(), Blob::default());
            }
        }
        self.replaced.is_empty()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("net", &self.model.net.name())
            .field("fed", &self.fed)
            .finish_non_exhaustive()
    }
}
