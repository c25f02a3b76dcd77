//! The names of blobs in nets, and new ones beside them.

use std::collections::{HashMap, HashSet};

use caffe2_proto::{NetDef, OperatorDef};

/// The nets in the arguments of an operator.
pub(crate) fn nets_within(op: &OperatorDef) -> impl Iterator<Item = &NetDef> {
    op.arg.iter().flat_map(|arg| arg.n.as_deref().into_iter().chain(&arg.nets))
}

/// All names of blobs in some nets, and in the nets within them.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    pub(crate) fn of<'a>(nets: impl IntoIterator<Item = &'a NetDef>) -> Names {
        let mut names = Names::default();
        nets.into_iter().for_each(|net| names.add(net));
        names
    }

    fn add(&mut self, net: &NetDef) {
        self.0.extend(net.external_input.iter().chain(&net.external_output).cloned());
        for op in &net.op {
            self.0.extend(op.input.iter().chain(&op.output).cloned());
            nets_within(op).for_each(|within| self.add(within));
        }
    }

    /// A name that no blob has: `wanted`, or `wanted_2`, `wanted_3` …
    pub(crate) fn fresh(&mut self, wanted: &str) -> String {
        let numbered = (2usize..).map(|number| format!("{wanted}_{number}"));
        let mut free = std::iter::once(wanted.to_owned()).chain(numbered);
        // The numbers do not end.
        let name = free.find(|name| !self.0.contains(name)).unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// A place where a net reads a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    /// The position of the operator in the net.
    pub(crate) position: usize,
    /// The index of the input; `None` for a read by a net within the operator.
    pub(crate) input: Option<usize>,
}

/// By blob: where a net reads what the blob held before the net ran, in order.
pub(crate) fn reads(net: &NetDef) -> HashMap<&str, Vec<Read>> {
    let mut reads = HashMap::<&str, Vec<Read>>::new();
    let mut written = HashSet::new();
    for (position, op) in net.op.iter().enumerate() {
        let own = op.input.iter().enumerate().map(|(index, name)| (name.as_str(), Some(index)));
        let within = nets_within(op).flat_map(|net| self::reads(net).into_keys().map(|name| (name, None)));
        for (name, input) in own.chain(within).filter(|(name, _)| !written.contains(name)) {
            reads.entry(name).or_default().push(Read { position, input });
        }
        written.extend(op.output.iter().map(String::as_str));
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_of_what_was_there_before() {
        let branch = NetDef::new("then").op(OperatorDef::new("Mul").inputs(["w", "y"]).output("z"));
        let net = NetDef::new("n")
            .op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"))
            .op(OperatorDef::new("If").input("c").output("z").arg("then_net", branch))
            .op(OperatorDef::new("Add").inputs(["z", "x"]).output("x"))
            .op(OperatorDef::new("Relu").input("x").output("x"));
        let reads = reads(&net);
        let read = |position, input| Read { position, input };
        assert_eq!(reads["w"], [read(0, Some(1)), read(1, None)]);
        assert_eq!(reads["x"], [read(0, Some(0)), read(2, Some(1))]);
        assert!(!reads.contains_key("y") && !reads.contains_key("z"));
    }

    #[test]
    fn fresh_names_are_those_of_no_blob() {
        let within = NetDef::new("in").op(OperatorDef::new("Copy").input("w_bytes").output("q"));
        let net = NetDef::new("n").op(OperatorDef::new("Do").arg("net", within)).external_output("q_2");
        let mut names = Names::of([&net]);
        assert_eq!(
            ["w_bytes", "w_bytes", "q", "free"].map(|w| names.fresh(w)),
            ["w_bytes_2", "w_bytes_3", "q_3", "free"]
        );
    }
}
