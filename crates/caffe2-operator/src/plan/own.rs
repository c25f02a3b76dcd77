//! Steps with a workspace of their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use caffe2_proto::NetDef;
use caffe2_tensor::Tensor;
use hashbrown::{HashMap, HashSet};

use super::build::PlanNet;
use crate::blob::Blob;
use crate::error::Error;
use crate::net::Net;
use crate::workspace::{Scope, Workspace};

/// The blobs and nets that a step with `create_workspace` has for itself while it runs. The blobs lie in the workspace
/// that the plan runs in, without names that are seen elsewhere.
pub(super) struct OwnWorkspace<'p> {
    within: Option<Arc<OwnWorkspace<'p>>>,
    blobs: Mutex<OwnBlobs>,
    pub(super) nets: Mutex<HashMap<&'p str, Arc<PlanNet>>>,
}

#[derive(Default)]
struct OwnBlobs {
    by_name: HashMap<String, u32>,
    /// Those that are kept from being free, whatever nets use them.
    held: HashSet<u32>,
}

impl<'p> OwnWorkspace<'p> {
    pub(super) fn new(within: Option<&Arc<OwnWorkspace<'p>>>) -> Arc<OwnWorkspace<'p>> {
        Arc::new(OwnWorkspace { within: within.cloned(), blobs: Mutex::default(), nets: Mutex::default() })
    }

    /// Builds a net, whose blobs are those of this workspace, of those around it, or new ones here.
    pub(super) fn build(self: &Arc<Self>, workspace: &mut Workspace, def: &NetDef) -> Result<Net, Error> {
        let net = with_scopes(Some(self), |scopes| workspace.build_within(def, scopes))?;
        let OwnBlobs { by_name, held } = &mut *lock(&self.blobs);
        by_name.values().filter(|at| held.insert(**at)).for_each(|at| workspace.table_mut().hold(*at));
        Ok(net)
    }

    /// Makes a blob.
    pub(super) fn put(&self, workspace: &mut Workspace, name: &str, value: Tensor) {
        let at = workspace.table_mut().nameless(Blob::from(value));
        workspace.table_mut().hold(at);
        let mut blobs = lock(&self.blobs);
        blobs.held.insert(at);
        blobs.by_name.insert(name.to_owned(), at);
    }

    /// Lets go of all nets and blobs.
    pub(super) fn release(&self, workspace: &mut Workspace) {
        for (_, net) in lock(&self.nets).drain() {
            if let Some(mut net) = net.lock().take() {
                workspace.release_blobs_of(&mut net);
            }
        }
        let OwnBlobs { by_name, held } = &mut *lock(&self.blobs);
        by_name.clear();
        held.drain().for_each(|at| workspace.table_mut().release(at));
    }
}

/// Calls `work` with the scopes of a workspace, the innermost last, which may get more blobs.
pub(super) fn with_scopes<R>(
    own: Option<&Arc<OwnWorkspace<'_>>>,
    work: impl FnOnce(&mut Vec<Scope>) -> R,
) -> R {
    let mut chain: Vec<_> = std::iter::successors(own, |own| own.within.as_ref()).collect();
    chain.reverse();
    let scope = |own: &&Arc<OwnWorkspace<'_>>| Scope::open(std::mem::take(&mut lock(&own.blobs).by_name));
    let mut scopes: Vec<Scope> = chain.iter().map(scope).collect();
    let result = work(&mut scopes);
    for (own, scope) in chain.into_iter().zip(scopes) {
        lock(&own.blobs).by_name = scope.locals;
    }
    result
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
