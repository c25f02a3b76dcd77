//! Nets of type `simple_refcount`: blobs are emptied after their last use.

use hashbrown::{HashMap, HashSet};

use super::{Net, Node};
use crate::access::Touches;

/// Has each node empty the blobs that nobody reads after it, as far as operators of the net write them and they are
/// none of its `outputs`. What nobody ever reads is kept (Caffe2 `net_simple_refcount.cc`).
pub(super) fn empty_after_last_use(nodes: &mut [Node], outputs: &[u32]) {
    let mut last_read: HashMap<u32, usize> = HashMap::new();
    let mut written: HashSet<u32> = HashSet::new();
    for (at, node) in nodes.iter_mut().enumerate() {
        let mut touches = Touches::default();
        node.tell_operands(&mut touches);
        touches.end_node();
        let reads = touches.of(0).iter().filter(|touch| !touch.writes);
        reads.for_each(|read| _ = last_read.insert(read.slot, at));
        written.extend(node.wiring.output_slots());
    }
    outputs.iter().for_each(|output| _ = written.remove(output));
    let mut empties: HashMap<usize, Vec<u32>> = HashMap::new();
    for (slot, at) in last_read.into_iter().filter(|(slot, _)| written.contains(slot)) {
        empties.entry(at).or_default().push(slot);
    }
    empties.into_iter().for_each(|(at, slots)| nodes[at].wiring.set_empties(&slots));
}

impl Net {
    /// The blobs that the net empties.
    pub(crate) fn emptied(&mut self) -> Vec<u32> {
        let mut slots = Vec::new();
        self.each_node(&mut |node| slots.extend_from_slice(node.wiring.empties()));
        slots
    }
}
