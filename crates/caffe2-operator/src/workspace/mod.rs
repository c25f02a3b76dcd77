//! Workspaces: blobs and nets by name.

mod init;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use caffe2_kernels::Threads;
use caffe2_proto::{NetDef, OperatorDef, PlanDef};
use caffe2_tensor::{Int8Tensor, MemoryBudget, Tensor};
use smallvec::SmallVec;

use crate::access::{BlobAccess, NewBlobs};
use crate::blob::Blob;
use crate::error::{Error, ErrorKind, OpLabel};
use crate::folder::Folder;
use crate::io::RunResources;
use crate::net::{Net, build_net, build_operator, check_definition, describe_op_failure};
use crate::observer::Observer;
use crate::registry::OpRegistry;
use crate::stop::{CancelToken, StopRules};

use table::BlobTable;
pub(crate) use table::Transaction;

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
            run: RunResources {
                threads: Threads::all(),
                budget: MemoryBudget::new(DEFAULT_MEMORY_LIMIT),
                stop: StopRules::default(),
                folder: None,
            },
        }
    }

    /// An empty workspace that knows the operators of `registry` and no others.
    pub fn with_registry(registry: Arc<OpRegistry>) -> Workspace {
        Workspace { registry: Some(registry), ..Workspace::new() }
    }

    /// A workspace that sees the blobs of `parent`, and has its registry, threads, limits and [`CancelToken`]; what
    /// the two allocate counts together.
    pub fn child(parent: Arc<Workspace>) -> Workspace {
        Workspace {
            registry: parent.registry.clone(),
            run: parent.run.clone(),
            parent: Some(parent),
            ..Workspace::new()
        }
    }

    /// The parent.
    pub fn parent(&self) -> Option<&Workspace> {
        self.parent.as_deref()
    }

    /// Sets how many threads kernels may use; with 1 no thread is ever started.
    pub fn set_threads(&mut self, threads: usize) {
        self.run.threads = Threads::new(threads);
    }

    /// How many threads kernels may use.
    pub fn threads(&self) -> usize {
        self.run.threads.count()
    }

    /// Sets how many bytes operators may allocate for blobs from now on; what is allocated already does
    /// not count.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.run.budget = MemoryBudget::new(bytes);
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
    /// When there is no such blob, or it holds no tensor.
    pub fn fetch(&self, name: &str) -> Result<Tensor, Error> {
        self.tensor(name).map(|tensor| tensor.clone().within(None))
    }

    /// The tensor that a blob holds, to look at.
    ///
    /// # Errors
    /// As [`Workspace::fetch`].
    pub fn tensor(&self, name: &str) -> Result<&Tensor, Error> {
        let blob = self.blob(name).ok_or_else(|| self.no_blob(name))?;
        blob.tensor().map_err(|e| Error::new(ErrorKind::Blob, format!("blob `{name}`: {e}")))
    }

    /// The 8-bit tensor that a blob holds; it shares its storage with the blob until one of them is written.
    ///
    /// # Errors
    /// When there is no such blob, or it holds no 8-bit tensor.
    pub fn fetch_int8(&self, name: &str) -> Result<Int8Tensor, Error> {
        let blob = self.blob(name).ok_or_else(|| self.no_blob(name))?;
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
        let Some(name) = def.name.clone() else {
            return Err(Error::new(
                ErrorKind::Definition,
                "a net that is kept needs a name, and this has none",
            ));
        };
        let net = self.build(def)?;
        self.delete_net(&name);
        Ok(self.nets.entry(name).or_insert(net))
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
        self.go_on_with_net(name)
    }

    /// Fails when the run that is going on is to end.
    pub(crate) fn check_stop(&self) -> Result<(), Error> {
        self.run.stop.check().map_err(Error::from)
    }

    /// Runs a net as a part of the run that is going on.
    pub(crate) fn go_on_with_net(&mut self, name: &str) -> Result<(), Error> {
        let Workspace { nets, table, parent, run, .. } = self;
        let Some(net) = nets.get_mut(name) else {
            return Err(Error::new(ErrorKind::Net, format!("there is no net `{name}`")));
        };
        with_access(table, parent.as_deref(), |access| net.run(access, run))
    }

    /// Builds a net, runs it and drops it; it needs no name.
    ///
    /// # Errors
    /// As [`Workspace::create_net`] and [`Workspace::run_net`].
    pub fn run_net_once(&mut self, def: &NetDef) -> Result<(), Error> {
        let mut net = self.build(def)?;
        self.run.stop.begin();
        let Workspace { table, parent, run, .. } = self;
        let result = with_access(table, parent.as_deref(), |access| net.run(access, run));
        self.release(net);
        result
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
        let Workspace { table, parent, run, .. } = self;
        let result = with_access(table, parent.as_deref(), |access| {
            let result = node.run(access, run);
            result.map_err(|e| describe_op_failure(&info, &node.wiring, e, access).of_op(label()))
        });
        for at in held {
            self.table.release(at);
        }
        result
    }

    /// Runs a plan: its steps in order, each so often and over such nets and substeps as it says.
    ///
    /// Served are substeps, networks, iterations, stop blobs and `only_once`. Steps that run
    /// concurrently, report, or want a workspace of their own are refused.
    ///
    /// # Errors
    /// When the plan makes no sense, wants what is not served, or a net of it fails.
    pub fn run_plan(&mut self, plan: &PlanDef) -> Result<(), Error> {
        self.run.stop.begin();
        crate::plan::run(self, plan)
    }

    /// Has `observer` watch every net that is built from now on.
    pub fn observe_new_nets(&mut self, observer: Arc<dyn Observer>) {
        self.observers.0.push(observer);
    }

    fn build(&mut self, def: &NetDef) -> Result<Net, Error> {
        let registry = self.registry()?;
        check_definition(def, &registry)?;
        let mut blobs = Transaction::new(&mut self.table, self.parent.as_deref());
        let mut net = build_net(def, &registry, &mut blobs)?;
        blobs.commit(&net.own_slots());
        for observer in &self.observers.0 {
            net.attach(Arc::clone(observer));
        }
        Ok(net)
    }

    fn release(&mut self, mut net: Net) {
        for at in net.own_slots() {
            self.table.release(at);
        }
    }
}

/// Runs something on the blobs of a workspace and its ancestors. Blobs that operators put under new names are
/// there once it is done.
fn with_access<R>(
    table: &mut BlobTable,
    parent: Option<&Workspace>,
    run: impl FnOnce(&mut BlobAccess<'_>) -> R,
) -> R {
    let (ancestors, new) = (ancestors(parent), NewBlobs::default());
    let result = run(&mut table.access(&ancestors, &new));
    new.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().for_each(|(name, blob)| {
        table.put(&name, blob);
    });
    result
}

/// The blobs of the parent, its parent and so on.
fn ancestors(mut parent: Option<&Workspace>) -> SmallVec<[&[Blob]; 2]> {
    let mut blobs = SmallVec::new();
    while let Some(workspace) = parent {
        blobs.push(workspace.table.blobs());
        parent = workspace.parent();
    }
    blobs
}
