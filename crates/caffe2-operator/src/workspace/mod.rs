//! Workspaces: blobs and nets by name.

mod init;
mod lost;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use caffe2_kernels::Threads;
use caffe2_proto::{NetDef, OperatorDef, PlanDef};
use caffe2_tensor::{Int8Tensor, MemoryBudget, Tensor};
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::access::{Host, NewBlobs, Slot};
use crate::blob::Blob;
use crate::error::{Error, ErrorKind, OpLabel};
use crate::folder::Folder;
use crate::infer::{BlobInfos, infer_net};
use crate::io::RunResources;
use crate::net::{Crew, MemoryReport, Net, build_net, build_operator, check_definition, describe_op_failure};
use crate::observer::Observer;
use crate::registry::OpRegistry;
use crate::stop::{CancelToken, StopRules};

pub(crate) use lost::LostBlob;
pub(crate) use table::{BlobTable, Scope, Transaction};

/// Blobs and nets by name, and the means to run operators on them.
///
/// ```
/// use caffe2_operator::{Tensor, Workspace};
///
/// let mut workspace = Workspace::new();
/// workspace.feed("x", Tensor::from_slice([2], &[1.0f32, 2.0]).unwrap());
/// assert_eq!(workspace.fetch("x").unwrap().dims(), [2]);
/// assert!(workspace.fetch("y").unwrap_err().to_string().contains("`y`"));
/// ```
///
/// # Parents
///
/// A workspace made with [`Workspace::child`] sees the blobs of its parent and never writes them. Names are
/// looked up in the workspace first, then in its ancestors. Feeding a name, or building a net or operator that
/// writes it, gives the child a blob of its own, which hides the parent's; when a net or operator is built, that
/// blob starts as a share of the parent's content, so that an operator in place works on what the parent
/// had. Caffe2 writes the parent's blob instead. Several children, on several threads, can share one parent,
/// and thereby weights.
///
/// # Failures
///
/// A net or operator that cannot be built leaves nothing behind. One that fails when it runs leaves what the
/// operators before it wrote; the workspace and the net stay usable.
///
/// # Memory
///
/// What operators allocate for blobs is bounded by [`Workspace::set_memory_limit`]; an allocation beyond it is an
/// error of the operator that asked for it.
#[derive(Debug)]
pub struct Workspace {
    registry: Option<Arc<OpRegistry>>,
    parent: Option<Arc<Workspace>>,
    table: BlobTable,
    nets: BTreeMap<String, Net>,
    observers: Observers,
    /// Whether nets that are built from now on share the memory of their blobs.
    shares_memory: bool,
    run: RunResources,
}

#[derive(Default)]
struct Observers(Vec<Arc<dyn Observer>>);

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

/// The memory limit of a new workspace: 8 GiB, or all that can be addressed where that is less.
pub const DEFAULT_MEMORY_LIMIT: usize = if usize::BITS > 32 { 8 << 30 } else { isize::MAX as usize };

impl Default for Workspace {
    fn default() -> Workspace {
        Workspace::new()
    }
}

impl Workspace {
    /// An empty workspace that knows all operators linked into the program, uses all threads that the
    /// process may use, and [`DEFAULT_MEMORY_LIMIT`].
    pub fn new() -> Workspace {
        Workspace {
            registry: None,
            parent: None,
            table: BlobTable::default(),
            nets: BTreeMap::new(),
            observers: Observers::default(),
            shares_memory: false,
            run: RunResources {
                threads: Threads::all(),
                crew: Crew::new(Threads::all().count() - 1),
                budget: MemoryBudget::new(DEFAULT_MEMORY_LIMIT),
                stop: StopRules::default(),
                folder: None,
                new_blobs: NewBlobs::default(),
            },
        }
    }

    /// An empty workspace that knows the operators of `registry` and no others.
    pub fn with_registry(registry: Arc<OpRegistry>) -> Workspace {
        Workspace { registry: Some(registry), ..Workspace::new() }
    }

    /// A workspace that sees the blobs of `parent`, and has its registry, threads, limits, memory sharing and
    /// [`CancelToken`]; what the two allocate counts together.
    pub fn child(parent: Arc<Workspace>) -> Workspace {
        Workspace {
            registry: parent.registry.clone(),
            run: RunResources { new_blobs: NewBlobs::default(), ..parent.run.clone() },
            shares_memory: parent.shares_memory,
            parent: Some(parent),
            ..Workspace::new()
        }
    }

    /// The parent.
    pub fn parent(&self) -> Option<&Workspace> {
        self.parent.as_deref()
    }

    /// Sets how many threads kernels may use, and on how many parallel nets may run operators; with 1 no thread is
    /// ever started.
    pub fn set_threads(&mut self, threads: usize) {
        self.run.threads = Threads::new(threads);
        self.run.crew = Crew::new(self.run.threads.count() - 1);
    }

    /// How many threads kernels and parallel nets may use.
    pub fn threads(&self) -> usize {
        self.run.threads.count()
    }

    /// Sets how many bytes operators may allocate for blobs from now on; what is allocated already does
    /// not count.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.run.budget = MemoryBudget::new(bytes);
    }

    /// Sets whether nets that are built from now on share memory among the blobs that only they look at: blobs that are
    /// not needed at the same time take turns with one buffer. Off unless it is set.
    ///
    /// After a run most of these blobs hold nothing; [`Workspace::fetch`] says so. Left alone are external inputs and
    /// outputs of the net, blobs that are [kept](Workspace::keep_blob) or that another net uses, and what the net reads
    /// before it writes it; in a net without external outputs also what no operator reads. Nets of type
    /// `simple_refcount` empty blobs instead.
    ///
    /// ```
    /// use caffe2_operator::{ErrorKind, Workspace};
    /// # use caffe2_operator::*;
    /// # struct CopyOp;
    /// # impl OperatorType for CopyOp {
    /// #     const TYPE: &'static str = "Copy";
    /// #     fn schema() -> OpSchema { OpSchema::new("Copy").inputs(1).outputs(1).infer_same_as_input(0) }
    /// #     fn from_args(_: &Args<'_>) -> Result<Self, ArgError> { Ok(CopyOp) }
    /// # }
    /// # impl Operator for CopyOp {
    /// #     fn run(&mut self, io: &mut OpIo<'_>) -> Result<(), OpError> {
    /// #         let x = io.input(0)?;
    /// #         io.output(0)?.copy_from(x).map_err(|source| OpError::Output { index: 0, source })
    /// #     }
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let registry = OpRegistry::builder().operator::<CopyOp>().build()?;
    /// use caffe2_operator::proto::{NetDef, OperatorDef};
    ///
    /// let copy = |x: &str, y: &str| OperatorDef::new("Copy").input(x).output(y);
    /// let net = NetDef::new("n").external_input("x").external_output("y");
    /// let net = net.ops([copy("x", "a"), copy("a", "b"), copy("b", "c"), copy("c", "y")]);
    /// let mut workspace = Workspace::new();
    /// # let mut workspace = Workspace::with_registry(registry);
    /// workspace.set_memory_sharing(true);
    /// workspace.keep_blob("b");
    /// workspace.feed("x", Tensor::from_slice([2], &[1.0f32, 2.0])?);
    /// workspace.create_net(&net)?;
    /// workspace.run_net("n")?;
    /// assert_eq!(workspace.fetch("b")?, workspace.fetch("y")?);
    /// assert_eq!(workspace.fetch("a").unwrap_err().kind(), ErrorKind::Blob);
    /// let report = workspace.memory_report("n")?;
    /// assert_eq!((report.total, report.shared), (4 * 8, 3 * 8));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_memory_sharing(&mut self, share: bool) {
        self.shares_memory = share;
    }

    /// Whether nets that are built from now on share memory.
    pub fn memory_sharing(&self) -> bool {
        self.shares_memory
    }

    /// Has nets that share memory leave the workspace's own blob of this name alone, whether it exists yet or not. Holds
    /// from the next run of a net on.
    pub fn keep_blob(&mut self, name: &str) {
        self.table.keep(name);
    }

    /// What the blobs that a net writes take, each by itself and when they share memory.
    ///
    /// # Errors
    /// When there is no net of that name.
    pub fn memory_report(&mut self, net: &str) -> Result<MemoryReport, Error> {
        let Some(net) = self.nets.get_mut(net) else { return Err(no_net(net)) };
        Ok(net.memory_report(&self.table))
    }

    /// The budget that operators' allocations are charged to: its limit, what is used, the peak.
    pub fn memory(&self) -> &MemoryBudget {
        &self.run.budget
    }

    /// Sets how long a run may take from now on: of a net, an operator, or a whole plan; `None` for as long as it
    /// takes. Looked at between operators: one that has begun is not interrupted.
    pub fn set_time_limit(&mut self, limit: Option<Duration>) {
        self.run.stop.time_limit = limit;
    }

    /// How long a run may take.
    pub fn time_limit(&self) -> Option<Duration> {
        self.run.stop.time_limit
    }

    /// Lets operators such as `Load` and `Save` use files in this folder, and in no other place. Their paths are
    /// relative to it, as they are to the root folder of a Caffe2 workspace. A new workspace allows none: what
    /// a net from elsewhere may read and write is for its user to say.
    pub fn allow_files(&mut self, folder: Folder) {
        self.run.folder = Some(Arc::new(folder));
    }

    /// The folder that operators may use files in.
    pub fn allowed_files(&self) -> Option<&Folder> {
        self.run.folder.as_deref()
    }

    /// The token that ends runs of this workspace and of those that are made from it with [`Workspace::child`].
    pub fn cancel_token(&self) -> CancelToken {
        self.run.stop.token.clone()
    }

    /// The operators that the workspace knows.
    ///
    /// # Errors
    /// When two linked crates submitted the same operator.
    pub fn registry(&self) -> Result<Arc<OpRegistry>, Error> {
        match &self.registry {
            Some(registry) => Ok(Arc::clone(registry)),
            None => OpRegistry::linked().map_err(|e| Error::new(ErrorKind::NotRegistered, e.to_string())),
        }
    }
}

/// Blobs.
impl Workspace {
    /// Makes an empty blob, unless the workspace itself has one of that name.
    pub fn create_blob(&mut self, name: &str) -> &mut Blob {
        let at = match self.table.find(name) {
            Some(at) => at,
            None => self.table.put(name, Blob::default()),
        };
        &mut self.table.blobs_mut()[at as usize]
    }

    /// Puts a value into the workspace's own blob of that name; whatever it held is replaced.
    pub fn feed(&mut self, name: &str, value: impl Into<Blob>) {
        self.table.put(name, value.into());
    }

    /// The tensor that a blob holds; it shares its storage with the blob until one of them is written.
    ///
    /// # Errors
    /// When there is no such blob, it holds no tensor, or a net that [shares memory](Workspace::set_memory_sharing)
    /// took what it held.
    pub fn fetch(&self, name: &str) -> Result<Tensor, Error> {
        self.tensor(name).map(|tensor| tensor.clone().within(None))
    }

    /// The tensor that a blob holds, to look at.
    ///
    /// # Errors
    /// As [`Workspace::fetch`].
    pub fn tensor(&self, name: &str) -> Result<&Tensor, Error> {
        let blob = self.kept_blob(name)?;
        blob.tensor().map_err(|e| Error::new(ErrorKind::Blob, format!("blob `{name}`: {e}")))
    }

    /// The blob of that name, unless a net let go of what it held.
    fn kept_blob(&self, name: &str) -> Result<&Blob, Error> {
        let blob = self.blob(name).ok_or_else(|| self.no_blob(name))?;
        match self.why_lost(name) {
            Some(why) => Err(Error::new(ErrorKind::Blob, format!("blob `{name}` holds nothing: {why}"))),
            None => Ok(blob),
        }
    }

    /// The 8-bit tensor that a blob holds; it shares its storage with the blob until one of them is written.
    ///
    /// # Errors
    /// When there is no such blob, or it holds no 8-bit tensor.
    pub fn fetch_int8(&self, name: &str) -> Result<Int8Tensor, Error> {
        let blob = self.kept_blob(name)?;
        let int8 = blob.int8().map_err(|e| Error::new(ErrorKind::Blob, format!("blob `{name}`: {e}")))?;
        Ok(Int8Tensor { values: int8.values.clone().within(None), ..int8.clone() })
    }

    /// The blob of that name, of the workspace itself or the nearest ancestor that has one.
    pub fn blob(&self, name: &str) -> Option<&Blob> {
        self.table.get(name).or_else(|| self.parent()?.blob(name))
    }

    /// The workspace's own blob of that name, for changing.
    pub fn blob_mut(&mut self, name: &str) -> Option<&mut Blob> {
        self.table.get_mut(name)
    }

    /// Whether the workspace or an ancestor has a blob of that name.
    pub fn has_blob(&self, name: &str) -> bool {
        self.blob(name).is_some()
    }

    /// Removes the workspace's own blob of that name; tells whether there was one. Nets that use it keep it.
    pub fn remove_blob(&mut self, name: &str) -> bool {
        self.table.remove(name)
    }

    /// Gives the workspace's own blob `from` the name `to`. Nets that use it go on using it.
    ///
    /// # Errors
    /// When the workspace itself has no blob `from`, or `to` can be seen already.
    pub fn rename_blob(&mut self, from: &str, to: &str) -> Result<(), Error> {
        if self.table.find(from).is_none() {
            return Err(self.no_blob(from));
        }
        if self.has_blob(to) {
            return Err(Error::new(
                ErrorKind::Blob,
                format!("cannot rename `{from}`: there is a blob `{to}`"),
            ));
        }
        self.table.rename(from, to);
        Ok(())
    }

    /// The names of the workspace's own blobs, sorted.
    pub fn local_blobs(&self) -> Vec<&str> {
        self.table.sorted_names()
    }

    /// The names of all blobs that can be seen, sorted.
    pub fn blobs(&self) -> Vec<&str> {
        let mut names = self.local_blobs();
        if let Some(parent) = self.parent() {
            names.extend(parent.blobs());
            names.sort_unstable();
            names.dedup();
        }
        names
    }

    fn no_blob(&self, name: &str) -> Error {
        let likeness = |known: &&str| (strsim::jaro_winkler(known, name) * 1000.0) as u32;
        let near = self.blobs().into_iter().max_by_key(likeness).filter(|known| likeness(known) > 800);
        let hint = near.map(|known| format!("; there is `{known}`")).unwrap_or_default();
        Error::new(ErrorKind::Blob, format!("there is no blob `{name}`{hint}"))
    }

    /// Why a blob holds nothing, if a net let go of what it held.
    fn why_lost(&self, name: &str) -> Option<String> {
        if self.table.find(name).is_none() {
            return self.parent()?.why_lost(name);
        }
        self.table.lost(name).map(|lost| lost.explain(name))
    }

    /// The error of a run, and if it is about a blob that a net let go of, how that came.
    fn explain(&self, error: Error) -> Error {
        let why = error.blob().and_then(|name| self.why_lost(name));
        error.detail(why)
    }

    pub(crate) fn table(&self) -> &BlobTable {
        &self.table
    }
}

/// Nets, operators and plans.
impl Workspace {
    /// Builds a net, to be run by its name.
    ///
    /// # Errors
    /// When there is a net of that name, the definition has no name, an operator type is missing, a blob that it
    /// reads does not exist, or an operator cannot be made. Nothing is left behind then.
    pub fn create_net(&mut self, def: &NetDef) -> Result<&mut Net, Error> {
        if let Some(name) = def.name.as_deref().filter(|name| self.nets.contains_key(*name)) {
            let message = format!("there is a net `{name}` already");
            return Err(Error::new(ErrorKind::Net, message));
        }
        self.create_or_replace_net(def)
    }

    /// Builds a net, to be run by its name, in place of one of the same name if there is one.
    ///
    /// # Errors
    /// As [`Workspace::create_net`]. The former net goes only once its successor stands.
    pub fn create_or_replace_net(&mut self, def: &NetDef) -> Result<&mut Net, Error> {
        let net = self.lend_net(def)?;
        Ok(self.nets.entry(def.name().to_owned()).or_insert(net))
    }

    /// The net of that name.
    pub fn net(&self, name: &str) -> Option<&Net> {
        self.nets.get(name)
    }

    /// The net of that name, to attach observers.
    pub fn net_mut(&mut self, name: &str) -> Option<&mut Net> {
        self.nets.get_mut(name)
    }

    /// The names of all nets, sorted.
    pub fn nets(&self) -> Vec<&str> {
        self.nets.keys().map(String::as_str).collect()
    }

    /// Removes a net; tells whether there was one.
    pub fn delete_net(&mut self, name: &str) -> bool {
        match self.nets.remove(name) {
            Some(net) => {
                self.release(net);
                true
            }
            None => false,
        }
    }

    /// Runs a net.
    ///
    /// # Errors
    /// When there is none of that name, an operator fails, or the run is ended before it is done.
    pub fn run_net(&mut self, name: &str) -> Result<(), Error> {
        self.run.stop.begin();
        let ancestors = ancestors(self.parent.as_deref());
        let Some(net) = self.nets.get_mut(name) else { return Err(no_net(name)) };
        net.prepare_memory(&mut self.table);
        let result = net.run(&mut self.table.access(&ancestors), &self.run);
        drop(ancestors);
        self.settle_new_blobs();
        result.map_err(|error| self.explain(error))
    }

    /// Builds a net, runs it and drops it; it needs no name.
    ///
    /// # Errors
    /// As [`Workspace::create_net`] and [`Workspace::run_net`].
    pub fn run_net_once(&mut self, def: &NetDef) -> Result<(), Error> {
        let mut net = self.build(def)?;
        self.run.stop.begin();
        let result = {
            let ancestors = ancestors(self.parent.as_deref());
            net.prepare_memory(&mut self.table);
            net.run(&mut self.table.access(&ancestors), &self.run)
        };
        self.settle_new_blobs();
        self.release(net);
        result.map_err(|error| self.explain(error))
    }

    /// Makes an operator, runs it and drops it.
    ///
    /// # Errors
    /// When the operator cannot be made (nothing is left behind then), or fails.
    pub fn run_operator_once(&mut self, def: &OperatorDef) -> Result<(), Error> {
        let registry = self.registry()?;
        let label = || OpLabel::new(None, def);
        let mut blobs = Transaction::new(&mut self.table, self.parent.as_deref());
        let (mut node, info) =
            build_operator(def, None, None, &registry, &mut blobs, 0).map_err(|e| e.of_op(label()))?;
        let held = node.own_slots();
        blobs.commit(&held);
        self.run.stop.begin();
        let result = {
            let ancestors = ancestors(self.parent.as_deref());
            let mut access = self.table.access(&ancestors);
            let result = node.run(&mut access, &self.run);
            result.map_err(|e| describe_op_failure(&info, &node.wiring, &e, &mut access).of_op(label()))
        };
        self.settle_new_blobs();
        for at in held {
            self.table.release(at);
        }
        result.map_err(|error| self.explain(error))
    }

    /// Runs a plan: its steps in order, each so often and over such nets and substeps as it says.
    ///
    /// Nets are built when the step that names them is reached, once in the plan, in place of nets of the same name, and
    /// stay. Steps with `concurrent_substeps`, `num_concurrent_instances`, `report_net` or `run_every_ms` run several
    /// nets at once, on so many threads as the [workspace](Workspace::set_threads) has; on one, steps take turns
    /// net by net. Nets that touch the same blob, of which one writes it, never run at the same time, nor does one
    /// net twice: the later one waits. In which order they come is open.
    ///
    /// A step with `create_workspace` has blobs and nets of its own, made anew each time it runs, for all names that the
    /// workspace does not have; blobs that the workspace has, it reads and writes.
    ///
    /// # Errors
    /// When the plan makes no sense, or a net of it fails: the first failure ends all steps between two operators.
    pub fn run_plan(&mut self, plan: &PlanDef) -> Result<(), Error> {
        self.run.stop.begin();
        crate::plan::run(self, plan).map_err(|error| self.explain(error))
    }

    /// Has `observer` watch every net that is built from now on.
    pub fn observe_new_nets(&mut self, observer: Arc<dyn Observer>) {
        self.observers.0.push(observer);
    }

    fn build(&mut self, def: &NetDef) -> Result<Net, Error> {
        self.build_within(def, &mut Vec::new())
    }

    /// Builds a net that sees, and makes, its blobs in these scopes.
    pub(crate) fn build_within(&mut self, def: &NetDef, scopes: &mut Vec<Scope>) -> Result<Net, Error> {
        let registry = self.registry()?;
        check_definition(def, &registry)?;
        let mut blobs = Transaction::new(&mut self.table, self.parent.as_deref());
        blobs.set_scopes(std::mem::take(scopes));
        let built = build_net(def, &registry, &mut blobs);
        *scopes = blobs.set_scopes(Vec::new());
        let mut net = built?;
        blobs.commit(&net.own_slots());
        for observer in &self.observers.0 {
            net.attach(Arc::clone(observer));
        }
        let emptied = net.emptied();
        if !emptied.is_empty() {
            let name: Arc<str> = Arc::from(net.info().name());
            emptied.into_iter().for_each(|at| self.table.lose(at, LostBlob::released(&name)));
        } else if self.shares_memory {
            let sizes = self.inferred_sizes(def, &registry, &mut net);
            net.share_memory(sizes);
        }
        Ok(net)
    }

    /// The bytes of the blobs that a net writes, as far as they follow from what there is.
    fn inferred_sizes(&self, def: &NetDef, registry: &Arc<OpRegistry>, net: &mut Net) -> HashMap<u32, u64> {
        let inputs = def.op.iter().flat_map(|op| &op.input);
        let mut known = BlobInfos::new();
        for name in inputs {
            if let Some(tensor) = self.blob(name).and_then(Blob::as_tensor) {
                known.insert_tensor(name, tensor);
            }
        }
        // Of a net that cannot run nothing needs to be known: running it tells.
        let inferred = infer_net(registry, def, &mut known).unwrap_or_default();
        let mut sizes = HashMap::new();
        net.each_node(&mut |node| {
            let Some(op) = inferred.get(node.position as usize) else { return };
            for (slot, info) in node.wiring.output_slots().iter().zip(&op.outputs) {
                let size: &mut u64 = sizes.entry(*slot).or_default();
                *size = info.byte_len().max(*size);
            }
        });
        sizes
    }

    fn release(&mut self, mut net: Net) {
        self.release_blobs_of(&mut net);
    }

    /// The net no longer uses its blobs.
    pub(crate) fn release_blobs_of(&mut self, net: &mut Net) {
        for at in net.own_slots() {
            self.table.release(at);
        }
    }
}

/// For plans, which run several nets at once.
impl Workspace {
    /// The nets of plans.
    pub(crate) fn nets_mut(&mut self) -> &mut BTreeMap<String, Net> {
        &mut self.nets
    }

    /// The named and nameless blobs.
    pub(crate) fn table_mut(&mut self) -> &mut BlobTable {
        &mut self.table
    }

    /// Names the blobs that operators put under names which were not known when they ran.
    pub(crate) fn settle_new_blobs(&mut self) {
        for (name, blob) in self.run.new_blobs.take() {
            self.table.put(&name, blob);
        }
    }

    /// Where the innermost of the scopes sees a blob of this name.
    pub(crate) fn find_within(&mut self, name: &str, scopes: &mut Vec<Scope>) -> Option<Slot> {
        let mut blobs = Transaction::new(&mut self.table, self.parent.as_deref());
        blobs.set_scopes(std::mem::take(scopes));
        let found = blobs.find(name);
        *scopes = blobs.set_scopes(Vec::new());
        found
    }

    /// Builds a net in place of one of the same name, to be kept elsewhere for a while.
    pub(crate) fn lend_net(&mut self, def: &NetDef) -> Result<Net, Error> {
        if def.name.is_none() {
            let message = "a net that is kept needs a name, and this has none";
            return Err(Error::new(ErrorKind::Definition, message));
        }
        let net = self.build(def)?;
        self.delete_net(def.name());
        Ok(net)
    }

    /// The blob at a place that was found from here.
    pub(crate) fn blob_at(&self, slot: Slot) -> Option<&Blob> {
        match slot.level {
            0 => self.table.blobs().get(slot.index as usize),
            level => self.parent()?.blob_at(Slot { level: level - 1, ..slot }),
        }
    }

    /// The parent, to be shared.
    pub(crate) fn shared_parent(&self) -> Option<Arc<Workspace>> {
        self.parent.clone()
    }

    /// What the operators of the workspace share.
    pub(crate) fn resources(&self) -> &RunResources {
        &self.run
    }
}

impl Host for Workspace {
    fn blobs_mut(&mut self) -> &mut [Blob] {
        self.table.blobs_mut()
    }
}

fn no_net(name: &str) -> Error {
    Error::new(ErrorKind::Net, format!("there is no net `{name}`"))
}

/// The blobs of the parent, its parent and so on.
pub(crate) fn ancestors(mut parent: Option<&Workspace>) -> SmallVec<[&[Blob]; 2]> {
    let mut blobs = SmallVec::new();
    while let Some(workspace) = parent {
        blobs.push(workspace.table.blobs());
        parent = workspace.parent();
    }
    blobs
}
