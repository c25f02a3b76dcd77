//! The distribution of the blobs of a net on buffers.

use hashbrown::{HashMap, HashSet};

use super::Memory;
use super::assign::{Life, assign};
use super::report::{BlobMemory, MemoryReport};
use super::written::{KeptBlob, Written, precedence, written_blobs};
use crate::access::Take;
use crate::net::Node;
use crate::workspace::BlobTable;

/// The blobs that a net writes, and which buffers they take turns with.
pub(super) struct Distribution {
    pub(super) written: Vec<Written>,
    /// For each of them its buffer, or why its memory is its own.
    places: Vec<Result<usize, KeptBlob>>,
    /// Of each buffer the blobs that take turns, by index into `written`.
    buffers: Vec<Vec<usize>>,
}

impl Distribution {
    pub(super) fn new(
        nodes: &mut [Node],
        is_graph: bool,
        memory: &Memory,
        table: &BlobTable,
    ) -> Distribution {
        let mut written = written_blobs(nodes);
        for blob in &mut written {
            blob.life.bytes = memory.sizes.get(&blob.life.slot).copied().unwrap_or(0);
        }
        let mut places: Vec<Result<usize, KeptBlob>> = {
            let why_kept = why_kept(nodes, memory, table);
            written.iter().map(|blob| why_kept(blob).map_or(Ok(0), Err)).collect()
        };
        let movable: Vec<usize> = (0..written.len()).filter(|&at| places[at].is_ok()).collect();
        let lives: Vec<&Life> = movable.iter().map(|&at| &written[at].life).collect();
        let turns = if is_graph {
            let precedence = precedence(nodes);
            assign(&lives, |a, b| precedence.is_before(a, b))
        } else {
            assign(&lives, |a, b| a < b)
        };
        let mut buffers = turns;
        for (buffer, turns) in buffers.iter_mut().enumerate() {
            for turn in turns {
                *turn = movable[*turn];
                places[*turn] = Ok(buffer);
            }
        }
        Distribution { written, places, buffers }
    }

    /// What each node has blobs hand over before it runs.
    pub(super) fn takes(&self) -> HashMap<u32, Vec<Take>> {
        let mut takes: HashMap<u32, Vec<Take>> = HashMap::new();
        for turns in self.buffers.iter().filter(|turns| turns.len() > 1) {
            let before = turns.iter().cycle().skip(turns.len() - 1);
            for (from, to) in before.zip(turns) {
                let (from, to) = (&self.written[*from].life, &self.written[*to].life);
                takes.entry(to.first).or_default().push(Take::new(from.slot, to.slot));
            }
        }
        takes
    }

    /// The slots of the blobs that take turns with each buffer.
    pub(super) fn turns(&self) -> impl Iterator<Item = Vec<u32>> {
        self.buffers.iter().map(|turns| turns.iter().map(|&at| self.written[at].life.slot).collect())
    }

    pub(super) fn report(self, shares: bool, table: &BlobTable) -> MemoryReport {
        let Distribution { written, places, buffers } = self;
        let names = table.names_by_slot();
        let largest = |turns: &Vec<usize>| turns.iter().map(|&at| written[at].life.bytes).max().unwrap_or(0);
        let of_buffers: u64 = buffers.iter().map(largest).sum();
        let blobs = written.iter().zip(places).map(|(blob, place)| BlobMemory {
            name: names.get(&blob.life.slot).map(ToString::to_string).unwrap_or_default(),
            bytes: blob.life.bytes,
            place,
        });
        let blobs: Vec<_> = blobs.collect();
        let of_kept: u64 = blobs.iter().filter(|blob| blob.place.is_err()).map(|blob| blob.bytes).sum();
        let total = blobs.iter().map(|blob| blob.bytes).sum();
        MemoryReport { shares, total, shared: of_buffers + of_kept, blobs }
    }
}

/// Tells of a blob why its memory is its own, if it is.
fn why_kept<'m>(
    nodes: &mut [Node],
    memory: &'m Memory,
    table: &'m BlobTable,
) -> impl Fn(&Written) -> Option<KeptBlob> + 'm {
    let mut own_uses: HashMap<u32, u32> = HashMap::new();
    nodes
        .iter_mut()
        .flat_map(|node| node.own_slots())
        .for_each(|slot| *own_uses.entry(slot).or_default() += 1);
    let external: HashSet<u32> = memory.wanted.iter().copied().collect();
    move |blob| {
        let slot = blob.life.slot;
        let (uses, wanted) = table.uses_by_nets(slot);
        [
            (wanted || external.contains(&slot), KeptBlob::Wanted),
            (blob.nested, KeptBlob::Nested),
            (blob.read_first, KeptBlob::ReadFirst),
            (own_uses.get(&slot) != Some(&uses), KeptBlob::OtherNet),
            (blob.is_result() && !memory.has_outputs, KeptBlob::Result),
            (memory.no_buffer.contains(&slot), KeptBlob::NoBuffer),
        ]
        .into_iter()
        .find_map(|(holds, why)| holds.then_some(why))
    }
}
