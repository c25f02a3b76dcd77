//! What of a net has to wait for what: the proof on which operators run at once.

use std::collections::BinaryHeap;

use hashbrown::HashMap;

/// Which of the workspace's own blobs each node of a net reads and writes, node by node in the order of the net.
#[derive(Debug, Default)]
pub(crate) struct Touches {
    /// Where the touches of each node end.
    ends: Vec<usize>,
    touches: Vec<Touch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Touch {
    pub(crate) slot: u32,
    pub(crate) writes: bool,
}

impl Touches {
    /// The node that is described now reads the blob.
    pub(crate) fn read(&mut self, slot: u32) {
        self.touches.push(Touch { slot, writes: false });
    }

    /// The node that is described now writes the blob.
    pub(crate) fn write(&mut self, slot: u32) {
        self.touches.push(Touch { slot, writes: true });
    }

    /// All of the node has been told; what follows is about the next.
    pub(crate) fn end_node(&mut self) {
        self.ends.push(self.touches.len());
    }

    /// The number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All touches, of whichever node.
    pub(crate) fn into_touches(self) -> Vec<Touch> {
        self.touches
    }

    pub(crate) fn of(&self, node: usize) -> &[Touch] {
        section(&self.ends, &self.touches, node)
    }
}

/// The part of `items` that belongs to `index`, where `ends` tells for each index where its part ends.
fn section<'a, T>(ends: &[usize], items: &'a [T], index: usize) -> &'a [T] {
    let start = index.checked_sub(1).map_or(0, |before| ends[before]);
    &items[start..ends[index]]
}

/// The nodes of a net as tasks, and which tasks have to wait for which.
///
/// A task is a chain: nodes of which each only waits for the one before it, and which nothing else waits for but at
/// the end. Tasks are numbered in an order in which they can run.
///
/// What is promised, and what borrows of blobs at the same time rest on: if two nodes touch the same blob and at
/// least one of them writes it, then they are in one task, or the task of the later one waits for that of the
/// earlier one, directly or through others. [`Order::new`] has an edge for every such pair that is next to each
/// other (read after write, write after write, write after read), from which the others follow, and leaves out an
/// edge only if another way leads between its ends.
#[derive(Debug)]
pub(crate) struct Order {
    /// Where the nodes of each task end.
    node_ends: Vec<usize>,
    nodes: Vec<u32>,
    /// Where the tasks that wait for each task end.
    child_ends: Vec<usize>,
    children: Vec<u32>,
    /// How many tasks each waits for.
    parents: Vec<u32>,
    /// Those that wait for none.
    roots: Vec<u32>,
}

impl Order {
    /// The order that the blobs of the nodes demand. Takes time in proportion to the number of touches.
    pub(crate) fn new(touches: &Touches) -> Order {
        let mut edges = Edges::with_capacity(touches.len());
        let mut users = Users::default();
        let mut before = Vec::new();
        for node in 0..touches.len() {
            users.add(node as u32, touches.of(node), &mut before);
            edges.add_node(&mut before);
        }
        Order::of_chains(&edges)
    }

    /// Cuts the graph into chains.
    fn of_chains(edges: &Edges) -> Order {
        let count = edges.ends.len();
        let mut followers = vec![0u32; count];
        edges.parents.iter().for_each(|&parent| followers[parent as usize] += 1);
        let mut task_of = vec![0u32; count];
        let mut lengths: Vec<usize> = Vec::new();
        let mut parents: Vec<u32> = Vec::new();
        for node in 0..count {
            let waits_for = edges.parents_of(node);
            task_of[node] = match waits_for {
                [parent] if followers[*parent as usize] == 1 => task_of[*parent as usize],
                _ => {
                    lengths.push(0);
                    parents.push(waits_for.len() as u32);
                    (lengths.len() - 1) as u32
                }
            };
            lengths[task_of[node] as usize] += 1;
        }
        let (node_ends, nodes) = group(&lengths, (0..count).map(|node| (task_of[node], node as u32)));
        // Only heads have parents in other tasks, and those are the ends of their chains.
        let heads = |task: usize| section(&node_ends, &nodes, task)[0] as usize;
        let links = || {
            (0..lengths.len()).flat_map(|task| {
                let parents = edges.parents_of(heads(task)).iter();
                parents.map(move |parent| (*parent, task as u32))
            })
        };
        let mut counts = vec![0usize; lengths.len()];
        links().for_each(|(parent, _)| counts[task_of[parent as usize] as usize] += 1);
        let links = links().map(|(parent, task)| (task_of[parent as usize], task));
        let (child_ends, mut children) = group(&counts, links);
        let heights = sort_by_what_follows(&lengths, &child_ends, &mut children);
        let mut roots: Vec<u32> =
            (0..parents.len() as u32).filter(|&task| parents[task as usize] == 0).collect();
        roots.sort_by_key(|&root| (heights[root as usize], std::cmp::Reverse(root)));
        Order { node_ends, nodes, child_ends, children, parents, roots }
    }

    /// The number of tasks.
    pub(crate) fn task_count(&self) -> usize {
        self.parents.len()
    }

    /// The nodes of a task, in order.
    pub(crate) fn nodes(&self, task: usize) -> &[u32] {
        section(&self.node_ends, &self.nodes, task)
    }

    /// The tasks that wait for a task; the longest way to the end of the net begins at the last of them.
    pub(crate) fn children(&self, task: usize) -> &[u32] {
        section(&self.child_ends, &self.children, task)
    }

    /// The tasks that wait for none, sorted as [`Order::children`].
    pub(crate) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// How many tasks each task waits for.
    pub(crate) fn parent_counts(&self) -> &[u32] {
        &self.parents
    }
}

/// Which nodes have always ended before another begins: an [`Order`] with all that follows from it.
pub(crate) struct Precedence {
    /// For each node its task, and its place in it.
    places: Vec<(u32, u32)>,
    /// For each task a bit for each task that it waits for, directly or through others. Absent where there are too many
    /// tasks: then only nodes of one task are known to be in order.
    waits_for: Option<Vec<u64>>,
    words: usize,
}

/// The largest number of tasks of which all pairs are looked at: 32 MiB of bits.
const MOST_TASKS: usize = 1 << 14;

impl Precedence {
    pub(crate) fn new(order: &Order) -> Precedence {
        let tasks = order.task_count();
        let mut places = vec![(0, 0); order.nodes.len()];
        for task in 0..tasks {
            for (place, &node) in order.nodes(task).iter().enumerate() {
                places[node as usize] = (task as u32, place as u32);
            }
        }
        let words = tasks.div_ceil(64);
        let waits_for = (tasks <= MOST_TASKS).then(|| {
            let mut bits = vec![0; words * tasks];
            for task in 0..tasks {
                for &child in order.children(task) {
                    let (earlier, later) = bits.split_at_mut(child as usize * words);
                    later[task / 64] |= 1 << (task % 64);
                    let from = &earlier[task * words..][..words];
                    later[..words].iter_mut().zip(from).for_each(|(to, from)| *to |= from);
                }
            }
            bits
        });
        Precedence { places, waits_for, words }
    }

    /// Whether node `a` has always ended before node `b` begins.
    pub(crate) fn is_before(&self, a: u32, b: u32) -> bool {
        let ((task, place), (later_task, later_place)) = (self.places[a as usize], self.places[b as usize]);
        if task == later_task {
            return place < later_place;
        }
        let row = self.waits_for.as_ref().map(|bits| &bits[later_task as usize * self.words..][..self.words]);
        row.is_some_and(|row| row[task as usize / 64] >> (task % 64) & 1 == 1)
    }
}

/// Sorts pairs of a group and an item by group, given the number of items of each.
fn group(counts: &[usize], pairs: impl Iterator<Item = (u32, u32)>) -> (Vec<usize>, Vec<u32>) {
    // At first where each group begins, in the end where it ends.
    let mut ends: Vec<usize> = Vec::with_capacity(counts.len());
    let mut total = 0;
    for count in counts {
        ends.push(total);
        total += count;
    }
    let mut items = vec![0; total];
    for (group, item) in pairs {
        let end = &mut ends[group as usize];
        items[*end] = item;
        *end += 1;
    }
    (ends, items)
}

/// Puts of the children of each task that one last from which most nodes have to run one after the other. How many
/// those are for each task.
fn sort_by_what_follows(lengths: &[usize], child_ends: &[usize], children: &mut [u32]) -> Vec<usize> {
    let mut heights = lengths.to_vec();
    for task in (0..lengths.len()).rev() {
        let start = task.checked_sub(1).map_or(0, |before| child_ends[before]);
        let own = &mut children[start..child_ends[task]];
        own.sort_by_key(|&child| (heights[child as usize], std::cmp::Reverse(child)));
        heights[task] += own.last().map_or(0, |&child| heights[child as usize]);
    }
    heights
}

/// Who used each blob last.
#[derive(Default)]
struct Users {
    blobs: HashMap<u32, LastUse>,
    /// Readers of blobs, each with the index of the one before it in `LastUse` lists.
    readers: Vec<(u32, u32)>,
}

#[derive(Clone, Copy)]
struct LastUse {
    writer: u32,
    /// The last of those who read what the writer wrote: an index into `readers`.
    reader: u32,
}

const NONE: u32 = u32::MAX;

impl Users {
    /// Tells in `before` which earlier nodes `node` has to wait for, and counts it as a user of what it touches.
    fn add(&mut self, node: u32, touches: &[Touch], before: &mut Vec<u32>) {
        before.clear();
        let unused = LastUse { writer: NONE, reader: NONE };
        for read in touches.iter().filter(|touch| !touch.writes) {
            let blob = self.blobs.entry(read.slot).or_insert(unused);
            before.extend(Some(blob.writer).filter(|&writer| writer != NONE));
            self.readers.push((node, blob.reader));
            blob.reader = (self.readers.len() - 1) as u32;
        }
        for write in touches.iter().filter(|touch| touch.writes) {
            let blob = self.blobs.entry(write.slot).or_insert(unused);
            before.extend(Some(blob.writer).filter(|&writer| writer != NONE && writer != node));
            let mut at = blob.reader;
            while at != NONE {
                let (reader, next) = self.readers[at as usize];
                before.extend(Some(reader).filter(|&reader| reader != node));
                at = next;
            }
            *blob = LastUse { writer: node, reader: NONE };
        }
    }
}

/// How far back from a node redundant edges are looked for: so many nodes, beside the paths that the looked at lie on.
const LOOK_BACK: usize = 256;

/// The edges from each node to the earlier ones that it waits for.
struct Edges {
    /// Where the parents of each node end.
    ends: Vec<usize>,
    parents: Vec<u32>,
    /// A way through the graph on which each node lies, and how far along: all nodes before it there it waits for.
    path: Vec<(u32, u32)>,
    /// The last node of each path so far.
    path_ends: Vec<u32>,
    /// What is known to lie before the node that is added.
    reached: Reached,
}

#[derive(Default)]
struct Reached {
    /// The number of the node that is added, plus 1, at every node that was reached from it.
    nodes: Vec<u32>,
    /// The same for paths, with how far along the path all was reached.
    paths: Vec<(u32, u32)>,
    /// Nodes that were reached, and from which the walk can go on.
    open: BinaryHeap<u32>,
}

impl Edges {
    fn with_capacity(nodes: usize) -> Edges {
        Edges {
            ends: Vec::with_capacity(nodes),
            parents: Vec::with_capacity(nodes),
            path: Vec::with_capacity(nodes),
            path_ends: Vec::new(),
            reached: Reached { nodes: vec![0; nodes], ..Reached::default() },
        }
    }

    fn parents_of(&self, node: usize) -> &[u32] {
        section(&self.ends, &self.parents, node)
    }

    /// Adds a node that has to wait for those `before`.
    fn add_node(&mut self, before: &mut Vec<u32>) {
        before.sort_unstable_by(|a, b| b.cmp(a));
        before.dedup();
        if before.len() > 1 {
            self.leave_out_redundant(before);
        }
        let node = self.ends.len() as u32;
        let at_end = |parent: &&u32| self.path_ends[self.path[**parent as usize].0 as usize] == **parent;
        match before.iter().find(at_end) {
            Some(&parent) => {
                let (path, place) = self.path[parent as usize];
                self.path.push((path, place + 1));
                self.path_ends[path as usize] = node;
            }
            None => {
                self.path.push((self.path_ends.len() as u32, 0));
                self.path_ends.push(node);
                self.reached.paths.push((0, 0));
            }
        }
        self.parents.extend_from_slice(before);
        self.ends.push(self.parents.len());
    }

    /// Keeps of these nodes, in descending order, those that no other of them waits for: a walk back from the latest
    /// of them, which is cut off where it gets long.
    fn leave_out_redundant(&mut self, before: &mut Vec<u32>) {
        let mark = self.ends.len() as u32 + 1;
        let earliest = before[before.len() - 1];
        let mut steps = LOOK_BACK;
        let mut reached = std::mem::take(&mut self.reached);
        reached.open.clear();
        before.retain(|&node| {
            while let Some(&open) = reached.open.peek()
                && open > node
                && steps > 0
            {
                reached.open.pop();
                self.walk_back(open, earliest, mark, &mut reached, &mut steps);
            }
            let (path, place) = self.path[node as usize];
            let (path_mark, up_to) = reached.paths[path as usize];
            let known = reached.nodes[node as usize] == mark || (path_mark == mark && place <= up_to);
            self.walk_back(node, earliest, mark, &mut reached, &mut steps);
            !known
        });
        self.reached = reached;
    }

    /// Marks what the node waits for, as far as the steps allow: one for each node that is looked at.
    fn walk_back(&self, node: u32, earliest: u32, mark: u32, reached: &mut Reached, steps: &mut usize) {
        let parents = self.parents_of(node as usize);
        let looked_at = parents.len().min(*steps);
        *steps -= looked_at;
        for &parent in &parents[..looked_at] {
            if parent < earliest || reached.nodes[parent as usize] == mark {
                continue;
            }
            reached.nodes[parent as usize] = mark;
            reached.open.push(parent);
            let (path, place) = self.path[parent as usize];
            let up_to = &mut reached.paths[path as usize];
            *up_to = if up_to.0 == mark { (mark, up_to.1.max(place)) } else { (mark, place) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each node as what it reads and what it writes.
    fn touches(nodes: &[(Vec<u32>, Vec<u32>)]) -> Touches {
        let mut touches = Touches::default();
        for (reads, writes) in nodes {
            reads.iter().for_each(|slot| touches.read(*slot));
            writes.iter().for_each(|slot| touches.write(*slot));
            touches.end_node();
        }
        touches
    }

    fn tasks(nodes: &[(Vec<u32>, Vec<u32>)]) -> Vec<(Vec<u32>, Vec<u32>)> {
        let order = Order::new(&touches(nodes));
        (0..order.task_count()).map(|t| (order.nodes(t).to_vec(), order.children(t).to_vec())).collect()
    }

    #[test]
    fn what_only_waits_for_one_another_is_one_task() {
        let chain: Vec<_> = (0..5).map(|i| (vec![i], vec![i + 1])).collect();
        assert_eq!(tasks(&chain), [(vec![0, 1, 2, 3, 4], vec![])]);
        // In place, and a shortcut past the chain: no edge of its own.
        let shortcut = [(vec![0], vec![1]), (vec![1], vec![2]), (vec![2], vec![2]), (vec![1, 2], vec![3])];
        assert_eq!(tasks(&shortcut), [(vec![0, 1, 2, 3], vec![])]);
        assert_eq!(tasks(&[]), []);
    }

    #[test]
    fn branches_are_tasks_and_the_longest_is_last() {
        let nodes = [
            (vec![0], vec![1]),
            (vec![1], vec![2]),
            (vec![1], vec![3]),
            (vec![3], vec![4]),
            (vec![2, 4], vec![5]),
        ];
        let want = [(vec![0], vec![1, 2]), (vec![1], vec![3]), (vec![2, 3], vec![3]), (vec![4], vec![])];
        assert_eq!(tasks(&nodes), want);
        assert_eq!(Order::new(&touches(&nodes)).parent_counts(), [0, 1, 1, 2]);
    }

    #[test]
    fn a_writer_waits_for_readers_and_readers_do_not_wait_for_each_other() {
        let nodes = [(vec![], vec![1]), (vec![1], vec![2]), (vec![1], vec![3]), (vec![], vec![1])];
        assert_eq!(
            tasks(&nodes),
            [(vec![0], vec![2, 1]), (vec![1], vec![3]), (vec![2], vec![3]), (vec![3], vec![])]
        );
    }

    /// The way a densely connected net goes: each layer reads all before it.
    #[test]
    fn many_shortcuts_take_no_time() {
        let nodes: Vec<_> =
            (0..4000u32).map(|i| ((i.saturating_sub(500)..=i).collect(), vec![i + 1])).collect();
        assert_eq!(tasks(&nodes).len(), 1);
        let wide: Vec<_> = (0..100_000u32).map(|i| (vec![i % 100], vec![100 + i])).collect();
        assert_eq!(tasks(&wide).len(), 100_000);
        let hub: Vec<_> =
            (0..50_000u32).map(|i| (vec![7], if i % 100 == 0 { vec![7] } else { vec![] })).collect();
        assert!(tasks(&hub).len() > 49_000);
    }

    fn nodes(count: usize, slots: u32) -> impl Strategy<Value = Vec<(Vec<u32>, Vec<u32>)>> {
        let some = move |most| proptest::collection::vec(0..slots, 0..=most);
        proptest::collection::vec((some(3), some(2)), 0..count)
    }

    fn check(nodes: &[(Vec<u32>, Vec<u32>)]) {
        let order = Order::new(&touches(nodes));
        let count = order.task_count();
        let mut task_of = vec![usize::MAX; nodes.len()];
        let mut parents = vec![0; count];
        // Which tasks each task waits for, all the way.
        let mut waits_for = vec![vec![false; count]; count];
        for task in 0..count {
            assert!(order.nodes(task).is_sorted() && !order.nodes(task).is_empty());
            order.nodes(task).iter().for_each(|&node| task_of[node as usize] = task);
            for &child in order.children(task) {
                let child = child as usize;
                assert!(child > task, "tasks are numbered in an order in which they can run");
                parents[child] += 1;
                let (earlier, later) = waits_for.split_at_mut(child);
                earlier[task].iter().zip(&mut later[0]).for_each(|(from, to)| *to |= from);
                later[0][task] = true;
            }
        }
        assert_eq!(order.parent_counts(), parents);
        assert!(task_of.iter().all(|&task| task < count), "every node is in a task");
        let precedence = Precedence::new(&order);
        let conflict = |a: &(Vec<u32>, Vec<u32>), b: &(Vec<u32>, Vec<u32>)| {
            let writes = |a: &(Vec<u32>, Vec<u32>), b: &(Vec<u32>, Vec<u32>)| {
                a.1.iter().any(|slot| b.0.contains(slot) || b.1.contains(slot))
            };
            writes(a, b) || writes(b, a)
        };
        for (late, b) in nodes.iter().enumerate() {
            for (early, a) in nodes[..late].iter().enumerate() {
                let ordered = task_of[early] == task_of[late] || waits_for[task_of[late]][task_of[early]];
                assert!(ordered || !conflict(a, b), "{early} {a:?} and {late} {b:?}");
                assert_eq!(precedence.is_before(early as u32, late as u32), ordered);
                assert!(!precedence.is_before(late as u32, early as u32));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn nodes_that_touch_the_same_blob_are_in_order(nodes in nodes(40, 8)) {
            check(&nodes);
        }

        #[test]
        fn so_they_are_among_many(nodes in nodes(150, 60)) {
            check(&nodes);
        }
    }
}
