//! Loading a model.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use caffe2_operator::{Folder, Observer, OpRegistry, Workspace, check_definition};
use caffe2_proto::{EncodedNet, NetDef};

use super::{FoldConstants, Fuse, KeepCodes, Model, Pass, Predictor, PredictorError, Shared, input};
use crate::NetFacts;
use crate::files::{Limits, Mapping, PredictorFile};

/// How a model is loaded, and what it may take.
///
/// ```no_run
/// use std::time::Duration;
/// use caffe2::PredictorOptions;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let predictor = PredictorOptions::new()
///     .threads(1)
///     .memory_limit(2 << 30)
///     .time_limit(Duration::from_secs(10))
///     .load("init_net.pb", "predict_net.pb")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct PredictorOptions {
    parent: Option<Arc<Workspace>>,
    registry: Option<Arc<OpRegistry>>,
    threads: Option<usize>,
    memory_limit: Option<usize>,
    time_limit: Option<Duration>,
    limits: Limits,
    mapping: Mapping,
    folder: Option<Folder>,
    keep_all_blobs: bool,
    kept: Vec<String>,
    apart: bool,
    passes: Vec<Arc<dyn Pass>>,
    left_out: Vec<String>,
    observers: Vec<Arc<dyn Observer>>,
}

impl PredictorOptions {
    /// The defaults: all threads that the process may use, the memory limit of a new [`Workspace`], no time limit, local
    /// files mapped into memory.
    pub fn new() -> PredictorOptions {
        PredictorOptions::default()
    }

    /// How many threads operators may use; with 1 none is ever started. Results do not depend on it.
    pub fn threads(self, threads: usize) -> PredictorOptions {
        PredictorOptions { threads: Some(threads), ..self }
    }

    /// How many bytes operators may allocate for blobs: weights, and the activations of all callers together.
    pub fn memory_limit(self, bytes: usize) -> PredictorOptions {
        PredictorOptions { memory_limit: Some(bytes), ..self }
    }

    /// How long the init net may take, and each run of the predict net. Looked at between operators.
    pub fn time_limit(self, limit: Duration) -> PredictorOptions {
        PredictorOptions { time_limit: Some(limit), ..self }
    }

    /// How much the files may ask for.
    pub fn limits(self, limits: Limits) -> PredictorOptions {
        PredictorOptions { limits, ..self }
    }

    /// Whether the file of the init net may be mapped into memory.
    pub fn mapping(self, mapping: Mapping) -> PredictorOptions {
        PredictorOptions { mapping, ..self }
    }

    /// A folder that operators of the nets, such as `Load`, may use files in. By default there is none, and they are refused.
    pub fn allow_files(self, folder: Folder) -> PredictorOptions {
        PredictorOptions { folder: Some(folder), ..self }
    }

    /// A workspace whose blobs the nets can read, such as weights that several models share. It is never written; its
    /// registry and limits hold where no others are set.
    pub fn parent(self, parent: Arc<Workspace>) -> PredictorOptions {
        PredictorOptions { parent: Some(parent), ..self }
    }

    /// The operators that nets may use, in place of those linked into the program. A [parent](PredictorOptions::parent)
    /// has its own.
    pub fn registry(self, registry: Arc<OpRegistry>) -> PredictorOptions {
        PredictorOptions { registry: Some(registry), ..self }
    }

    /// Keeps all blobs that the init net makes. By default those that the predict net neither reads nor gives, such as
    /// codes that were made into floats, go once it has run.
    pub fn keep_all_blobs(self) -> PredictorOptions {
        PredictorOptions { keep_all_blobs: true, ..self }
    }

    /// Keeps what the predict net writes to this blob, as if it were an output: passes leave it alone, and
    /// [`Session::tensor`](super::Session::tensor) gives it after a run. May be called for several.
    pub fn keep_blob(mut self, name: impl Into<String>) -> PredictorOptions {
        self.kept.push(name.into());
        self
    }

    /// Whether blobs that only the predict net looks at share memory
    /// ([`Workspace::set_memory_sharing`]), and hold nothing after a run; they do unless this is set to `false`. Inputs,
    /// outputs, and blobs that are [kept](PredictorOptions::keep_blob) are never shared.
    pub fn memory_sharing(self, share: bool) -> PredictorOptions {
        PredictorOptions { apart: !share, ..self }
    }

    /// Adds a pass, to be applied after those that are there: [`KeepCodes`], [`FoldConstants`] and [`Fuse`] are from the
    /// start. One of the name of these takes its place.
    pub fn pass(mut self, pass: impl Pass) -> PredictorOptions {
        self.passes.push(Arc::new(pass));
        self
    }

    /// Leaves out the pass of this name.
    pub fn without_pass(mut self, name: impl Into<String>) -> PredictorOptions {
        self.left_out.push(name.into());
        self
    }

    /// Has `observer` watch the init net and every run of the predict net.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> PredictorOptions {
        self.observers.push(observer);
        self
    }

    /// Loads the model of these two files.
    ///
    /// # Errors
    /// As [`Predictor::load`].
    pub fn load(
        self,
        init_net: impl AsRef<Path>,
        predict_net: impl AsRef<Path>,
    ) -> Result<Predictor, PredictorError> {
        let (init_net, predict_net) = (init_net.as_ref(), predict_net.as_ref());
        // The smaller first: a mistake in it should not wait for the larger.
        let predict = self.limits.read_net(predict_net)?;
        let init = self.limits.open_net(init_net, self.mapping)?;
        self.build_from(init, predict, Some(predict_net), |workspace, init| {
            workspace.run_init_net(init).map_err(|e| PredictorError::from(e).in_file(Some(init_net)))
        })
    }

    /// Loads the model of a predictor file, which has its parameters too, or of a `MetaNetDef`.
    ///
    /// # Errors
    /// As [`Predictor::from_file`].
    pub fn load_file(self, path: impl AsRef<Path>) -> Result<Predictor, PredictorError> {
        let file = PredictorFile::open(path, &self.limits)?;
        self.build_file(&file)
    }

    /// Loads the model of a predictor file that was opened.
    ///
    /// # Errors
    /// As [`Predictor::from_file`].
    pub fn build_file(self, file: &PredictorFile) -> Result<Predictor, PredictorError> {
        let predict = file.predict_net().clone();
        self.build_from(EncodedNet::default(), predict, None, |workspace, init| {
            workspace.run_init_net(init)?;
            file.load_into(workspace)?;
            // They hold zeros of the shapes at the export, and are to be given.
            for input in file.inputs() {
                workspace.remove_blob(input);
            }
            Ok(())
        })
    }

    /// Loads a model from definitions.
    ///
    /// # Errors
    /// As [`Predictor::load`].
    pub fn build(self, init: EncodedNet, predict: NetDef) -> Result<Predictor, PredictorError> {
        self.build_from(init, predict, None, |workspace, init| Ok(workspace.run_init_net(init)?))
    }

    fn build_from(
        self,
        mut init: EncodedNet,
        mut predict: NetDef,
        predict_path: Option<&Path>,
        make_parameters: impl FnOnce(&mut Workspace, EncodedNet) -> Result<(), PredictorError>,
    ) -> Result<Predictor, PredictorError> {
        let of_predict = |error| PredictorError::from(error).in_file(predict_path);
        let passes = self.chosen_passes()?;
        predict.name.get_or_insert_with(|| "predict".into());
        for pass in &passes {
            pass.before_init(&mut init, &mut predict)?;
        }
        let mut workspace = self.workspace();
        let registry = workspace.registry()?;
        check_definition(&predict, &registry).map_err(of_predict)?;
        make_parameters(&mut workspace, init)?;
        let positional = predict.external_input.clone();
        let (mut named, mut gone) = (blobs_of(&predict), HashMap::new());
        for pass in &passes {
            pass.after_init(&mut workspace, &mut predict)?;
            let left = blobs_of(&predict);
            gone.extend(named.difference(&left).map(|name| (name.clone(), pass.name())));
            named = left;
        }
        let outputs = NetFacts::new(&predict).outputs();
        if !self.keep_all_blobs {
            drop_unread(&mut workspace, &predict, &outputs);
        }
        let (inputs, known) = input::find(&predict, &workspace, &registry);
        let parent = Arc::new(workspace);
        let (kept, shares_memory, observers) = (self.kept, !self.apart, self.observers);
        let net = predict;
        let shared = Model {
            parent,
            registry,
            net,
            positional,
            inputs,
            outputs,
            known,
            kept,
            shares_memory,
            observers,
            gone,
        };
        let model = Arc::new(shared);
        let predictor = Predictor(Arc::new(Shared { model, idle: Mutex::default() }));
        // What is wrong with the predict net is to be told now.
        let first = predictor.session().map_err(|error| error.in_file(predict_path))?;
        if let Ok(mut idle) = predictor.0.idle.lock() {
            idle.push(first);
        }
        Ok(predictor)
    }

    fn chosen_passes(&self) -> Result<Vec<Arc<dyn Pass>>, PredictorError> {
        let mut passes: Vec<Arc<dyn Pass>> = vec![
            Arc::new(KeepCodes),
            Arc::new(FoldConstants::default()),
            Arc::new(Fuse { keep: self.kept.clone() }),
        ];
        for own in &self.passes {
            match passes.iter_mut().find(|pass| pass.name() == own.name()) {
                Some(pass) => *pass = Arc::clone(own),
                None => passes.push(Arc::clone(own)),
            }
        }
        let known: Vec<_> = passes.iter().map(|pass| pass.name()).collect();
        if let Some(name) = self.left_out.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(PredictorError::UnknownPass { name: name.clone(), known });
        }
        passes.retain(|pass| !self.left_out.iter().any(|name| name == pass.name()));
        Ok(passes)
    }

    fn workspace(&self) -> Workspace {
        let mut workspace = match (&self.parent, &self.registry) {
            (Some(parent), _) => Workspace::child(Arc::clone(parent)),
            (None, Some(registry)) => Workspace::with_registry(Arc::clone(registry)),
            (None, None) => Workspace::new(),
        };
        if let Some(threads) = self.threads {
            workspace.set_threads(threads);
        }
        if let Some(bytes) = self.memory_limit {
            workspace.set_memory_limit(bytes);
        }
        if self.time_limit.is_some() {
            workspace.set_time_limit(self.time_limit);
        }
        if let Some(folder) = &self.folder {
            workspace.allow_files(folder.clone());
        }
        for observer in &self.observers {
            workspace.observe_new_nets(Arc::clone(observer));
        }
        workspace
    }
}

/// What a net takes from outside, and what its operators write.
fn blobs_of(net: &NetDef) -> HashSet<String> {
    net.op.iter().flat_map(|op| &op.output).chain(&net.external_input).cloned().collect()
}

/// Removes blobs that the net has nothing to do with. One with nets within, which read blobs that it does not list, is
/// left all.
fn drop_unread(workspace: &mut Workspace, net: &NetDef, outputs: &[String]) {
    let has_nets = |argument: &caffe2_proto::Argument| argument.n.is_some() || !argument.nets.is_empty();
    if net.op.iter().flat_map(|op| &op.arg).any(has_nets) {
        return;
    }
    let facts = NetFacts::new(net);
    let named: HashSet<&str> = facts
        .blobs()
        .chain(net.external_input.iter().chain(&net.external_output).chain(outputs).map(String::as_str))
        .collect();
    let unread: Vec<_> = workspace.local_blobs().into_iter().filter(|name| !named.contains(name)).collect();
    for name in unread.into_iter().map(str::to_owned).collect::<Vec<_>>() {
        workspace.remove_blob(&name);
    }
}
