//! The blobs that a net writes: from when to when each is needed, and whether it can share memory at all.

use hashbrown::{HashMap, HashSet};

use super::assign::Life;
use crate::access::{Precedence, Touches};
use crate::net::Node;

/// Why the memory of a blob is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptBlob {
    /// It is an external input or output of the net, or one that [`Workspace::keep_blob`](crate::Workspace::keep_blob)
    /// names.
    Wanted,
    /// Nothing in the net reads what was last written to it, and the net does not say what its outputs are.
    Result,
    /// The net reads it before it writes it: it holds something from run to run.
    ReadFirst,
    /// Another net uses it.
    OtherNet,
    /// A net within an operator writes it, and may leave it as it was.
    Nested,
    /// It does not hold a buffer of its own: strings, no tensor, or memory that it shares with another blob for its
    /// content.
    NoBuffer,
}

impl std::fmt::Display for KeptBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeptBlob::Wanted => "wanted",
            KeptBlob::Result => "read by no operator",
            KeptBlob::ReadFirst => "read before it is written",
            KeptBlob::OtherNet => "used by another net",
            KeptBlob::Nested => "written by a net within an operator",
            KeptBlob::NoBuffer => "has no buffer of its own",
        })
    }
}

/// A blob that a net writes.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) life: Life,
    /// Whether a node reads it before the first that writes it, or that node itself.
    pub(super) read_first: bool,
    /// Whether a net within an operator writes it.
    pub(super) nested: bool,
    last_read: Option<u32>,
    last_written: u32,
}

impl Written {
    /// Whether what was last written is read by no node.
    pub(super) fn is_result(&self) -> bool {
        self.last_read.is_none_or(|read| read <= self.last_written)
    }

    fn used_by(&mut self, node: u32) {
        if self.life.users.last() != Some(&node) {
            self.life.users.push(node);
        }
    }
}

/// All blobs that the nodes of a net write, by the first write, in the order of the net.
pub(super) fn written_blobs(nodes: &mut [Node]) -> Vec<Written> {
    let mut touches = Touches::default();
    for node in &mut *nodes {
        node.tell_operands(&mut touches);
        touches.end_node();
    }
    let mut written: Vec<Written> = Vec::new();
    let mut places: HashMap<u32, usize> = HashMap::new();
    let mut read_first = HashSet::new();
    for (at, node) in (0u32..).zip(nodes) {
        let touched = touches.of(at as usize);
        for read in touched.iter().filter(|touch| !touch.writes) {
            match places.get(&read.slot) {
                Some(&place) => {
                    written[place].used_by(at);
                    written[place].last_read = Some(at);
                }
                None => _ = read_first.insert(read.slot),
            }
        }
        for write in touched.iter().filter(|touch| touch.writes) {
            let place = *places.entry(write.slot).or_insert(written.len());
            if place == written.len() {
                let life = Life { slot: write.slot, bytes: 0, first: at, users: Vec::new() };
                let read_first = read_first.contains(&write.slot);
                written.push(Written { life, read_first, nested: false, last_read: None, last_written: at });
            }
            written[place].used_by(at);
            written[place].last_written = at;
            written[place].nested |= node.is_control();
        }
    }
    written
}

/// Which nodes have always ended before others begin, in a net that runs as a graph.
pub(super) fn precedence(nodes: &mut [Node]) -> Precedence {
    let mut touches = Touches::default();
    for node in nodes {
        node.tell_operands(&mut touches);
        touches.end_node();
    }
    Precedence::new(&crate::access::Order::new(&touches))
}
