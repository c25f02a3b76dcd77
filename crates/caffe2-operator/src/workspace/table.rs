//! Named slots for blobs.

use std::sync::Arc;

use caffe2_tensor::Tensor;
use hashbrown::{HashMap, HashSet};

use super::Workspace;
use super::lost::LostBlob;
use crate::access::{BlobAccess, Slot};
use crate::blob::Blob;
use crate::control::MAX_NESTING;

/// The blobs of a workspace. A slot lives as long as it has a name or a net uses it, so that renaming or
/// removing a name never takes a blob from under a net.
#[derive(Debug, Default)]
pub(crate) struct BlobTable {
    names: HashMap<Arc<str>, u32>,
    blobs: Vec<Blob>,
    uses: Vec<Uses>,
    free: Vec<u32>,
    /// Names of blobs that nets which share memory are to leave alone.
    kept: HashSet<String>,
    /// Blobs that nets emptied.
    lost: HashMap<u32, LostBlob>,
    /// Changes whenever the uses of a blob by nets, or what is to be kept, may have changed.
    version: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    named: bool,
    kept: bool,
    by_nets: u32,
}

impl BlobTable {
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Blob> {
        self.blobs.get(self.find(name)? as usize)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Blob> {
        let at = self.find(name)?;
        self.blobs.get_mut(at as usize)
    }

    pub(crate) fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// Access to the blobs, by slot and by name.
    pub(crate) fn access<'w>(&'w mut self, ancestors: &'w [&'w [Blob]]) -> BlobAccess<'w> {
        BlobAccess::new(&mut self.blobs, ancestors).by_name(&self.names)
    }

    pub(crate) fn blobs_mut(&mut self) -> &mut [Blob] {
        &mut self.blobs
    }

    /// All names, sorted.
    pub(crate) fn sorted_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.keys().map(|n| &**n).collect();
        names.sort_unstable();
        names
    }

    /// Puts `blob` under `name`, in the slot of that name if there is one.
    pub(crate) fn put(&mut self, name: &str, blob: Blob) -> u32 {
        if let Some(at) = self.find(name) {
            self.blobs[at as usize] = blob;
            return at;
        }
        let at = self.nameless(blob);
        self.name(at, name);
        at
    }

    fn name(&mut self, at: u32, name: &str) {
        let kept = self.kept.contains(name);
        self.names.insert(Arc::from(name), at);
        let uses = &mut self.uses[at as usize];
        uses.named = true;
        if kept != uses.kept {
            uses.kept = kept;
            self.version += 1;
        }
    }

    /// A slot without a name; it is free again once it was held and released.
    pub(crate) fn nameless(&mut self, blob: Blob) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.blobs[at as usize] = blob;
                at
            }
            None => {
                self.blobs.push(blob);
                self.uses.push(Uses::default());
                (self.blobs.len() - 1) as u32
            }
        }
    }

    /// Takes a name away; tells whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let Some(at) = self.names.remove(name) else { return false };
        self.uses[at as usize].named = false;
        self.free_if_unused(at);
        true
    }

    /// Moves a blob from one name to another that is not taken.
    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        if let Some(at) = self.names.remove(from) {
            self.name(at, to);
        }
    }

    /// Has nets that share memory leave the blob of this name alone.
    pub(crate) fn keep(&mut self, name: &str) {
        if self.kept.insert(name.to_owned())
            && let Some(at) = self.find(name)
        {
            self.uses[at as usize].kept = true;
            self.version += 1;
        }
    }

    /// How many uses nets make of the blob, and whether it is to be left alone.
    pub(crate) fn uses_by_nets(&self, at: u32) -> (u32, bool) {
        let uses = self.uses[at as usize];
        (uses.by_nets, uses.kept)
    }

    /// What changes whenever an answer of [`BlobTable::uses_by_nets`] may have changed.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Puts the largest buffer of blobs that take turns with one where it is at the end of a run, and lets go of all
    /// that they hold; all but the last count as lost.
    pub(crate) fn gather(&mut self, turns: &[u32], lost: &LostBlob) {
        let Some((&last, others)) = turns.split_last() else { return };
        let buffer = |blob: &Blob| blob.as_tensor().and_then(Tensor::own_buffer).unwrap_or(0);
        for &other in others {
            let mut from = std::mem::take(&mut self.blobs[other as usize]);
            let to = &mut self.blobs[last as usize];
            if buffer(&from) > buffer(to) {
                _ = from.hand_over(to);
            }
            self.lost.insert(other, lost.clone());
        }
        self.lost.remove(&last);
    }

    /// Notes that a net empties the blob.
    pub(crate) fn lose(&mut self, at: u32, lost: LostBlob) {
        self.lost.insert(at, lost);
    }

    /// Why the blob of this name holds nothing, if a net let go of what it held.
    pub(crate) fn lost(&self, name: &str) -> Option<&LostBlob> {
        let at = self.find(name)?;
        let blob = &self.blobs[at as usize];
        self.lost.get(&at).filter(|_| !blob.is_written())
    }

    /// The names of blobs by where they are.
    pub(crate) fn names_by_slot(&self) -> HashMap<u32, &str> {
        self.names.iter().map(|(name, at)| (*at, &**name)).collect()
    }

    pub(crate) fn hold(&mut self, at: u32) {
        self.uses[at as usize].by_nets += 1;
        self.version += 1;
    }

    pub(crate) fn release(&mut self, at: u32) {
        self.uses[at as usize].by_nets -= 1;
        self.version += 1;
        self.free_if_unused(at);
    }

    pub(crate) fn free_if_unused(&mut self, at: u32) {
        let uses = self.uses[at as usize];
        if !uses.named && uses.by_nets == 0 {
            self.blobs[at as usize] = Blob::default();
            self.uses[at as usize] = Uses::default();
            self.lost.remove(&at);
            self.free.push(at);
        }
    }

    pub(crate) fn shared_name(&self, name: &str) -> Option<Arc<str>> {
        self.names.get_key_value(name).map(|(key, _)| Arc::clone(key))
    }
}

/// Blobs made while a net is built, which go again if the net is not.
pub(crate) struct Transaction<'a> {
    table: &'a mut BlobTable,
    parent: Option<&'a Workspace>,
    created: Vec<Arc<str>>,
    nameless: Vec<u32>,
    committed: bool,
    /// How many operators there are around the net that is built now.
    depth: usize,
    /// Of the nets around it that have names of their own, the innermost last.
    scopes: Vec<Scope>,
}

/// Names of blobs that nets have for themselves.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Names of the scope around it, by the name here; absent where all names around are seen.
    bindings: Option<HashMap<String, String>>,
    /// Blobs without a name elsewhere.
    pub(crate) locals: HashMap<String, u32>,
}

impl Scope {
    /// A scope that sees all names around it.
    pub(crate) fn open(locals: HashMap<String, u32>) -> Scope {
        Scope { bindings: None, locals }
    }

    /// What a name that is no local one is called around the scope.
    fn outer<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        match &self.bindings {
            Some(bindings) => bindings.get(name).map(String::as_str),
            None => Some(name),
        }
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(table: &'a mut BlobTable, parent: Option<&'a Workspace>) -> Transaction<'a> {
        Transaction {
            table,
            parent,
            created: Vec::new(),
            nameless: Vec::new(),
            committed: false,
            depth: 0,
            scopes: Vec::new(),
        }
    }

    /// Whether the workspace or an ancestor has the blob.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Where the blob is: in the workspace, else in the nearest ancestor that has it.
    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        self.find_from(self.scopes.len(), name)
    }

    /// Where the innermost of so many scopes sees the blob.
    fn find_from(&self, scopes: usize, name: &str) -> Option<Slot> {
        let Some(at) = scopes.checked_sub(1) else { return self.find_in_workspaces(name) };
        match self.scopes[at].locals.get(name) {
            Some(&index) => Some(Slot { level: 0, index }),
            None => self.find_from(at, self.scopes[at].outer(name)?),
        }
    }

    fn find_in_workspaces(&self, name: &str) -> Option<Slot> {
        if let Some(index) = self.table.find(name) {
            return Some(Slot { level: 0, index });
        }
        let mut ancestor = self.parent;
        let mut level = 1;
        while let Some(workspace) = ancestor {
            if let Some(index) = workspace.table().find(name) {
                return Some(Slot { level, index });
            }
            ancestor = workspace.parent();
            level += 1;
        }
        None
    }

    /// The slot of the workspace's own blob of this name. One that only an ancestor has is made, and
    /// starts with the ancestor's content, shared until it is written.
    pub(crate) fn own(&mut self, name: &str) -> u32 {
        self.own_from(self.scopes.len(), name)
    }

    fn own_from(&mut self, scopes: usize, name: &str) -> u32 {
        let Some(at) = scopes.checked_sub(1) else { return self.own_in_workspace(name) };
        let scope = &self.scopes[at];
        if let Some(&index) = scope.locals.get(name) {
            return index;
        }
        // A bound name is a blob around the scope, if need be a new one. Of all names around those that exist count.
        let bound = scope.bindings.is_some();
        if let Some(outer) = scope.outer(name).filter(|outer| bound || self.find_from(at, outer).is_some()) {
            let outer = outer.to_owned();
            return self.own_from(at, &outer);
        }
        let index = self.nameless();
        self.scopes[at].locals.insert(name.to_owned(), index);
        index
    }

    fn own_in_workspace(&mut self, name: &str) -> u32 {
        if let Some(at) = self.table.find(name) {
            return at;
        }
        let content = self.parent.and_then(|p| p.blob(name)).map(Blob::share).unwrap_or_default();
        let at = self.table.put(name, content);
        self.created.extend(self.table.shared_name(name));
        at
    }

    /// A slot that has no name.
    pub(crate) fn nameless(&mut self) -> u32 {
        let at = self.table.nameless(Blob::default());
        self.nameless.push(at);
        at
    }

    /// The name as the tables hold it, so that nets share it.
    pub(crate) fn shared_name(&self, name: &str) -> Arc<str> {
        self.table.shared_name(name).unwrap_or_else(|| Arc::from(name))
    }

    /// Calls `build` for a net within an operator, which has names of its own if there are bindings: only those bound
    /// are seen from outside, by the names they have here. `None` when nets lie too deep within each other.
    pub(crate) fn nested<R>(
        &mut self,
        bindings: Option<HashMap<String, String>>,
        build: impl FnOnce(&mut Self) -> R,
    ) -> Option<R> {
        if self.depth == MAX_NESTING {
            return None;
        }
        let outer = self.scopes.len();
        self.scopes.extend(bindings.map(|bindings| Scope { bindings: Some(bindings), ..Scope::default() }));
        self.depth += 1;
        let built = build(self);
        self.depth -= 1;
        self.scopes.truncate(outer);
        Some(built)
    }

    /// The scopes that names are looked up in, from the outermost to the innermost, in place of those before.
    pub(crate) fn set_scopes(&mut self, scopes: Vec<Scope>) -> Vec<Scope> {
        std::mem::replace(&mut self.scopes, scopes)
    }

    /// Keeps what was made, on behalf of a net that uses these slots.
    pub(crate) fn commit(mut self, held: &[u32]) {
        for &at in held {
            self.table.hold(at);
        }
        self.committed = true;
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.committed {
            for name in std::mem::take(&mut self.created) {
                self.table.remove(&name);
            }
            for at in std::mem::take(&mut self.nameless) {
                self.table.free_if_unused(at);
            }
        }
    }
}
