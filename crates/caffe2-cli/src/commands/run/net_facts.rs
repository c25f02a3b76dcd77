//! What the definition of a net says about its blobs.

use std::collections::{HashMap, HashSet};

use caffe2::NetDef;

/// Who reads and writes the blobs of a net.
#[derive(Debug)]
pub(super) struct NetFacts<'a> {
    net: &'a NetDef,
    /// By blob: the position of the last operator that writes it.
    writers: HashMap<&'a str, usize>,
    /// Blobs that are read before the net writes them, with the position of the first operator that does.
    inputs: Vec<(&'a str, usize)>,
}

impl<'a> NetFacts<'a> {
    pub(super) fn new(net: &'a NetDef) -> NetFacts<'a> {
        let mut writers = HashMap::new();
        let mut inputs = Vec::new();
        let mut seen = HashSet::new();
        for (position, op) in net.op.iter().enumerate() {
            for input in &op.input {
                if !writers.contains_key(input.as_str()) && seen.insert(input.as_str()) {
                    inputs.push((input.as_str(), position));
                }
            }
            writers.extend(op.output.iter().map(|output| (output.as_str(), position)));
        }
        NetFacts { net, writers, inputs }
    }

    /// Blobs that must be there before the net runs, with the first operator that reads each.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (&'a str, String)> {
        self.inputs.iter().map(|&(name, position)| (name, self.operator(position)))
    }

    /// Whether the net reads what a blob held before.
    pub(super) fn reads(&self, blob: &str) -> bool {
        self.inputs.iter().any(|&(name, _)| name == blob)
    }

    /// The operator that a blob has its content from.
    pub(super) fn writer(&self, blob: &str) -> Option<String> {
        self.writers.get(blob).map(|&position| self.operator(position))
    }

    /// All blobs that the net reads or writes.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &'a str> {
        self.inputs.iter().map(|&(name, _)| name).chain(self.writers.keys().copied())
    }

    fn operator(&self, position: usize) -> String {
        match self.net.op.get(position) {
            Some(op) if op.name().is_empty() => format!("operator #{position} {}", op.r#type()),
            Some(op) => format!("operator #{position} {} `{}`", op.r#type(), op.name()),
            None => format!("operator #{position}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2::OperatorDef;

    #[test]
    fn facts_are_those_of_the_definition() {
        let mut net = NetDef::new("n")
            .op(OperatorDef::new("Conv").inputs(["x", "w"]).output("y"))
            .op(OperatorDef::new("Relu").named("act").input("y").output("y"))
            .op(OperatorDef::new("Split").input("y").outputs(["a", "b", "a"]));
        let facts = NetFacts::new(&net);
        let inputs: Vec<_> = facts.inputs().collect();
        assert_eq!(inputs, [("x", "operator #0 Conv".to_owned()), ("w", "operator #0 Conv".to_owned())]);
        assert!(facts.reads("x") && !facts.reads("y") && !facts.reads("a"));
        assert_eq!(facts.writer("y").unwrap(), "operator #1 Relu `act`");
        assert_eq!(caffe2::outputs_of(&net), ["a", "b"]);
        net.external_output = vec!["y".into()];
        assert_eq!(caffe2::outputs_of(&net), ["y"]);
    }
}
