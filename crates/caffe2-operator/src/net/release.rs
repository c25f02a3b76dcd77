//! Nets of type `simple_refcount`: blobs are emptied after their last use.

use hashbrown::{HashMap, HashSet};

use super::{Net, Node};
use crate::access::Touches;

/// The last uses of the blobs of a net, of which it is told node by node.
#[derive(Default)]
pub(crate) struct LastUses {
    nodes: usize,
    last_read: HashMap<u32, usize>,
    written: HashSet<u32>,
}

impl LastUses {
    /// Takes in the next node.
    pub(crate) fn add(&mut self, node: &mut Node) {
        let mut touches = Touches::default();
        node.tell_operands(&mut touches);
        touches.end_node();
        let reads = touches.of(0).iter().filter(|touch| !touch.writes);
        reads.for_each(|read| _ = self.last_read.insert(read.slot, self.nodes));
        self.written.extend(node.wiring.output_slots());
        self.nodes += 1;
    }

    /// By node the blobs that nobody reads after it, as far as operators of the net write them and they are none of its
    /// `outputs`. What nobody ever reads is kept (Caffe2 `net_simple_refcount.cc`).
    pub(crate) fn by_node(mut self, outputs: &[u32]) -> HashMap<usize, Vec<u32>> {
        outputs.iter().for_each(|output| _ = self.written.remove(output));
        let mut by_node: HashMap<usize, Vec<u32>> = HashMap::new();
        for (slot, at) in self.last_read.into_iter().filter(|(slot, _)| self.written.contains(slot)) {
            by_node.entry(at).or_default().push(slot);
        }
        by_node
    }
}

/// Has each node empty the blobs that nobody reads after it, but for the `outputs` of the net.
pub(super) fn empty_after_last_use(nodes: &mut [Node], outputs: &[u32]) {
    let mut uses = LastUses::default();
    nodes.iter_mut().for_each(|node| uses.add(node));
    for (at, slots) in uses.by_node(outputs) {
        nodes[at].wiring.set_empties(&slots);
    }
}

impl Net {
    /// The blobs that the net empties.
    pub(crate) fn emptied(&mut self) -> Vec<u32> {
        let mut slots = Vec::new();
        self.each_node(&mut |node| slots.extend_from_slice(node.wiring.empties()));
        slots
    }
}
