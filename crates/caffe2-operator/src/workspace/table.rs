//! Named slots for blobs.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Workspace;
use crate::access::{BlobAccess, NewBlobs, Slot};
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
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    named: bool,
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
    pub(crate) fn access<'w>(&'w mut self, ancestors: &'w [&'w [Blob]], new: &'w NewBlobs) -> BlobAccess<'w> {
        BlobAccess::new(&mut self.blobs, ancestors).by_name(&self.names, new)
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
        self.uses[at as usize].named = true;
        self.names.insert(Arc::from(name), at);
        at
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
            self.names.insert(Arc::from(to), at);
        }
    }

    pub(crate) fn hold(&mut self, at: u32) {
        self.uses[at as usize].by_nets += 1;
    }

    pub(crate) fn release(&mut self, at: u32) {
        self.uses[at as usize].by_nets -= 1;
        self.free_if_unused(at);
    }

    pub(crate) fn free_if_unused(&mut self, at: u32) {
        let uses = self.uses[at as usize];
        if !uses.named && uses.by_nets == 0 {
            self.blobs[at as usize] = Blob::default();
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

/// The names of a net that has its own.
struct Scope {
    /// Names of the scope around it, by the name here.
    bindings: HashMap<String, String>,
    /// Blobs without a name elsewhere.
    locals: HashMap<String, u32>,
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
            None => self.find_from(at, self.scopes[at].bindings.get(name)?),
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
        if let Some(outer) = self.scopes[at].bindings.get(name) {
            let outer = outer.clone();
            return self.own_from(at, &outer);
        }
        if let Some(&index) = self.scopes[at].locals.get(name) {
            return index;
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
        self.scopes.extend(bindings.map(|bindings| Scope { bindings, locals: HashMap::new() }));
        self.depth += 1;
        let built = build(self);
        self.depth -= 1;
        self.scopes.truncate(outer);
        Some(built)
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
