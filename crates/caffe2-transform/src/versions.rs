//! Who reads and writes the blobs of a net, told apart by version: each write of a blob makes a new one.

use std::collections::{HashMap, HashSet};

use caffe2_proto::NetDef;

use crate::names::nets_within;

/// What a blob holds between two writes: its name, and how many operators wrote it before.
pub(crate) type Version<'a> = (&'a str, usize);

/// The versions of the blobs of a net.
#[derive(Default)]
pub(crate) struct Versions<'a> {
    /// By operator, what it reads and writes.
    reads: Vec<Vec<Version<'a>>>,
    writes: Vec<Vec<Version<'a>>>,
    readers: HashMap<Version<'a>, Vec<usize>>,
    /// By blob, the operators that write it, once for each time.
    writers: HashMap<&'a str, Vec<usize>>,
    /// Blobs that are looked at when the net has run.
    outputs: HashSet<&'a str>,
    /// Blobs that nets within operators name.
    within: HashSet<&'a str>,
}

impl<'a> Versions<'a> {
    /// The versions in `net`; of the blobs in `keep`, as of the net's outputs, the last is looked at when it has run.
    pub(crate) fn of(net: &'a NetDef, keep: &'a [String]) -> Versions<'a> {
        let mut versions = Versions::default();
        versions.outputs.extend(net.external_output.iter().chain(keep).map(String::as_str));
        for (position, op) in net.op.iter().enumerate() {
            let reads: Vec<_> = op.input.iter().map(|name| versions.latest(name)).collect();
            let waits: Vec<_> = op.control_input.iter().map(|name| versions.latest(name)).collect();
            for version in reads.iter().chain(&waits) {
                versions.readers.entry(*version).or_default().push(position);
            }
            let mut writes = Vec::with_capacity(op.output.len());
            for name in &op.output {
                versions.writers.entry(name).or_default().push(position);
                writes.push(versions.latest(name));
            }
            versions.reads.push(reads);
            versions.writes.push(writes);
            nets_within(op).for_each(|within| versions.look_into(within));
        }
        versions
    }

    fn look_into(&mut self, net: &'a NetDef) {
        let of_ops = net.op.iter().flat_map(|op| op.input.iter().chain(&op.output));
        let names = of_ops.chain(&net.external_input).chain(&net.external_output);
        self.within.extend(names.map(String::as_str));
        net.op.iter().flat_map(nets_within).for_each(|within| self.look_into(within));
    }

    fn latest(&self, name: &'a str) -> Version<'a> {
        (name, self.writes_of(name))
    }

    /// What operator `position` reads.
    pub(crate) fn reads(&self, position: usize) -> &[Version<'a>] {
        &self.reads[position]
    }

    /// What operator `position` writes.
    pub(crate) fn writes(&self, position: usize) -> &[Version<'a>] {
        &self.writes[position]
    }

    /// The operators that read a version or wait for it, once for each time.
    pub(crate) fn readers(&self, version: Version<'a>) -> &[usize] {
        self.readers.get(&version).map_or(&[], Vec::as_slice)
    }

    /// Whether something else than the operators that read it may look at a version: nets within operators, whoever
    /// wants the net's outputs, or the next run of the net.
    pub(crate) fn is_visible(&self, version: Version<'a>) -> bool {
        let (name, _) = version;
        let goes_on = || !self.readers((name, 0)).is_empty();
        let last = || version == self.latest(name) && (self.outputs.contains(name) || goes_on());
        self.within.contains(name) || last()
    }

    /// Whether a net within an operator names a blob.
    pub(crate) fn is_within(&self, name: &str) -> bool {
        self.within.contains(name)
    }

    /// How many times operators of the net write a blob.
    pub(crate) fn writes_of(&self, name: &str) -> usize {
        self.writers.get(name).map_or(0, Vec::len)
    }

    /// Whether a blob still holds this version when operator `position` begins. Of one that nets within operators name
    /// that is not known.
    pub(crate) fn lasts_until(&self, (name, version): Version<'a>, position: usize) -> bool {
        if self.within.contains(name) {
            return false;
        }
        let writers = self.writers.get(name).map_or(&[][..], Vec::as_slice);
        writers.partition_point(|writer| *writer < position) == version
    }
}

#[cfg(test)]
mod tests {
    use caffe2_proto::OperatorDef;

    use super::*;

    fn op(inputs: &[&str], output: &str) -> OperatorDef {
        OperatorDef::new("Sum").inputs(inputs.iter().copied()).output(output)
    }

    #[test]
    fn each_write_is_a_version() {
        let net = NetDef::new("n").op(op(&["x", "x"], "y")).op(op(&["y"], "y")).op(op(&["y", "x"], "z"));
        let versions = Versions::of(&net, &[]);
        assert_eq!(versions.reads(0), [("x", 0), ("x", 0)]);
        assert_eq!((versions.writes(0), versions.writes(1)), (&[("y", 1)][..], &[("y", 2)][..]));
        assert_eq!(versions.readers(("x", 0)), [0, 0, 2]);
        assert_eq!((versions.readers(("y", 1)), versions.readers(("y", 2))), (&[1][..], &[2][..]));
        assert!(versions.lasts_until(("y", 1), 1) && !versions.lasts_until(("y", 1), 2));
        assert!(versions.lasts_until(("x", 0), 3));
    }

    #[test]
    fn the_last_version_of_an_output_is_visible_and_all_of_blobs_within() {
        let inner = NetDef::new("inner").op(op(&["w"], "v"));
        let branch = OperatorDef::new("If").input("c").arg("then_net", inner);
        let net = NetDef::new("n").op(op(&["x"], "y")).op(op(&["y"], "y")).op(branch).external_output("y");
        let net = net.op(op(&["y"], "z"));
        let keep = ["z".to_owned()];
        let versions = Versions::of(&net, &keep);
        for (version, visible) in
            [(("y", 1), false), (("y", 2), true), (("w", 0), true), (("v", 0), true), (("z", 1), true)]
        {
            assert_eq!(versions.is_visible(version), visible, "{version:?}");
        }
        assert!(!Versions::of(&net, &[]).is_visible(("z", 1)));
        assert!(!versions.lasts_until(("w", 0), 3) && versions.lasts_until(("x", 0), 3));
    }

    #[test]
    fn what_the_next_run_reads_is_visible() {
        let net = NetDef::new("n").op(op(&["y"], "e")).op(op(&["x"], "y")).op(op(&["y"], "z"));
        assert!(Versions::of(&net, &[]).is_visible(("y", 1)));
        assert!(!Versions::of(&net, &[]).is_visible(("z", 1)));
    }
}
