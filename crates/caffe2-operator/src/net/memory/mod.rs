//! Blobs of a net that take turns with the same memory.
//!
//! A blob that only operators of the net look at needs memory from its first write to the last operator that touches
//! it. Blobs of which one has always ended before the next begins share a buffer: before an operator first writes such
//! a blob, the one before it hands its buffer over, a matter of moving a pointer. The first takes over from the last, of
//! the run before. So a run allocates nothing, and whatever sizes turn out to be, a buffer grows to what is needed.
//! Memory that is shared for its content, as by `Alias`, is never handed over.

mod assign;
mod distribution;
mod report;
mod written;

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use self::distribution::Distribution;
use super::{Net, Operators};
use crate::access::Take;
use crate::workspace::{BlobTable, LostBlob};

pub use report::{BlobMemory, MemoryReport};
pub use written::KeptBlob;

/// What a net knows of the memory of its blobs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whether blobs share memory.
    shares: bool,
    /// The external inputs and outputs.
    wanted: Vec<u32>,
    /// Whether the net says what its outputs are.
    has_outputs: bool,
    /// Bytes of blobs, as far as they are known.
    sizes: HashMap<u32, u64>,
    /// Blobs that turned out to have no buffer of their own.
    no_buffer: HashSet<u32>,
    plan: Option<Plan>,
    /// Whether the net ran since the plan was last looked at.
    ran: bool,
}

/// The distribution of blobs on buffers that is in force.
#[derive(Debug)]
struct Plan {
    /// The state of the workspace that it was made for.
    version: u64,
    /// For each blob that the net writes how many uses nets make of it, and whether it is to be kept.
    uses: Vec<(u32, (u32, bool))>,
    /// Whether sizes are those of a run.
    measured: bool,
    /// Whether a run has shown that nothing is to be changed.
    settled: bool,
}

impl Memory {
    pub(super) fn new(wanted: Vec<u32>, has_outputs: bool) -> Memory {
        Memory { wanted, has_outputs, ..Memory::default() }
    }

    /// The net has run to its end.
    #[inline]
    pub(super) fn has_run(&mut self) {
        self.ran = true;
    }

    /// Whether a run has shown sizes.
    fn is_measured(&self) -> bool {
        self.ran || self.plan.as_ref().is_some_and(|plan| plan.measured)
    }
}

impl Net {
    /// Has blobs share memory from now on. `sizes` is what is known of the bytes that they take.
    pub(crate) fn share_memory(&mut self, sizes: HashMap<u32, u64>) {
        self.memory.shares = true;
        self.memory.sizes.extend(sizes);
    }

    /// Sees to the distribution of blobs on buffers before a run: makes it, betters it once sizes are known, and
    /// makes it again when blobs have come to be used by others.
    #[inline]
    pub(crate) fn prepare_memory(&mut self, table: &mut BlobTable) {
        if self.memory.shares {
            let version = table.version();
            if !self.memory.plan.as_ref().is_some_and(|plan| plan.settled && plan.version == version) {
                self.revise_memory(table);
            }
        }
    }

    #[cold]
    fn revise_memory(&mut self, table: &mut BlobTable) {
        let news = self.learn_from_run(table);
        let measured = self.memory.is_measured();
        let Memory { plan, ran, .. } = &mut self.memory;
        let version = table.version();
        let ran = std::mem::take(ran);
        match plan {
            Some(plan)
                if !news && plan.uses.iter().all(|(slot, uses)| table.uses_by_nets(*slot) == *uses) =>
            {
                plan.settled |= ran;
                plan.measured = measured;
                plan.version = version;
            }
            _ => {
                let uses = self.distribute(table);
                self.memory.plan = Some(Plan { version, uses, measured, settled: false });
            }
        }
    }

    /// Distributes blobs on buffers, and has nodes hand them over.
    fn distribute(&mut self, table: &mut BlobTable) -> Vec<(u32, (u32, bool))> {
        let mut nodes = self.operators.take();
        nodes.iter_mut().for_each(|node| node.wiring.set_takes(&[]));
        let distribution = Distribution::new(&mut nodes, self.operators.is_graph(), &self.memory, table);
        let mut takes = distribution.takes();
        for node in &mut nodes {
            node.wiring.set_takes(&takes.remove(&node.position).unwrap_or_default());
        }
        self.operators.put(nodes);
        let net: Arc<str> = Arc::from(self.info.name.as_str());
        for turns in distribution.turns() {
            table.gather(&turns, &LostBlob::shared(&net));
        }
        distribution.written.iter().map(|blob| (blob.life.slot, table.uses_by_nets(blob.life.slot))).collect()
    }

    /// Looks at what a run has shown of sizes, and of blobs that cannot hand over; tells whether there is anything new.
    fn learn_from_run(&mut self, table: &BlobTable) -> bool {
        let Some(plan) = self.memory.plan.as_ref().filter(|_| self.memory.ran) else { return false };
        let first = !plan.measured;
        let mut news = false;
        for (slot, found) in self.operators.measure(table) {
            let known = self.memory.sizes.insert(slot, found.bytes);
            news |= first && known != Some(found.bytes);
            news |= !found.movable && self.memory.no_buffer.insert(slot);
        }
        news
    }

    /// What blobs take, each by itself and when they share memory.
    pub(crate) fn memory_report(&mut self, table: &BlobTable) -> MemoryReport {
        if self.memory.is_measured() {
            for (slot, found) in self.operators.measure(table) {
                self.memory.sizes.insert(slot, found.bytes);
            }
        }
        let mut nodes = self.operators.take();
        let distribution = Distribution::new(&mut nodes, self.operators.is_graph(), &self.memory, table);
        self.operators.put(nodes);
        distribution.report(self.memory.shares, table)
    }
}

/// What is found of a blob after a run.
struct Found {
    bytes: u64,
    /// Whether it could hand over what it holds.
    movable: bool,
}

impl Operators {
    /// What became of the blobs that operators write.
    fn measure(&mut self, table: &BlobTable) -> HashMap<u32, Found> {
        let mut found: HashMap<u32, Found> = HashMap::new();
        let mut takes: Vec<Take> = Vec::new();
        self.each_node(&mut |node| {
            takes.extend_from_slice(node.wiring.takes());
            for &slot in node.wiring.output_slots() {
                let Some(blob) = table.blobs().get(slot as usize) else { continue };
                let tensor = blob.elements();
                let bytes = tensor.map_or(0, |tensor| tensor.byte_len() as u64);
                let movable = blob.is_empty() || tensor.is_some_and(|tensor| tensor.own_buffer().is_some());
                found.insert(slot, Found { bytes, movable });
            }
        });
        for take in takes {
            // What handed its memory over holds nothing any more.
            if let Some(found) = found.get_mut(&take.from) {
                found.bytes = found.bytes.max(take.bytes);
                found.movable &= !take.missed;
            }
        }
        found
    }
}
