//! What the definition of a net says about its blobs.

use std::collections::{HashMap, HashSet};

use caffe2_proto::NetDef;

/// Who reads and writes the blobs of a net. Nets within operators are not looked at, nor are arguments.
///
/// ```
/// use caffe2::{NetDef, NetFacts, OperatorDef};
///
/// let net = NetDef::new("n").op(OperatorDef::new("Conv").inputs(["data", "w"]).output("y"));
/// let facts = NetFacts::new(&net);
/// let inputs: Vec<_> = facts.inputs().map(|(name, _)| name).collect();
/// assert_eq!((inputs, facts.outputs()), (vec!["data", "w"], vec!["y".to_owned()]));
/// ```
#[derive(Debug)]
pub struct NetFacts<'a> {
    net: &'a NetDef,
    /// By blob: the position of the last operator that writes it.
    writers: HashMap<&'a str, usize>,
    /// Blobs that are read before the net writes them, with the position of the first operator that does.
    inputs: Vec<(&'a str, usize)>,
}

impl<'a> NetFacts<'a> {
    /// What the definition says.
    pub fn new(net: &'a NetDef) -> NetFacts<'a> {
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
    pub fn inputs(&self) -> impl Iterator<Item = (&'a str, String)> {
        self.inputs.iter().map(|&(name, position)| (name, self.operator(position)))
    }

    /// Whether the net reads what a blob held before.
    pub fn reads(&self, blob: &str) -> bool {
        self.inputs.iter().any(|&(name, _)| name == blob)
    }

    /// The operator that a blob has its content from.
    pub fn writer(&self, blob: &str) -> Option<String> {
        self.writers.get(blob).map(|&position| self.operator(position))
    }

    /// All blobs that the net reads or writes.
    pub fn blobs(&self) -> impl Iterator<Item = &'a str> {
        self.inputs.iter().map(|&(name, _)| name).chain(self.writers.keys().copied())
    }

    /// What the net is there to compute: its external outputs; where it declares none, what its operators write and no
    /// later one reads.
    pub fn outputs(&self) -> Vec<String> {
        if !self.net.external_output.is_empty() {
            return self.net.external_output.clone();
        }
        let mut read = HashMap::new();
        for (position, op) in self.net.op.iter().enumerate() {
            read.extend(op.input.iter().map(|input| (input.as_str(), position)));
        }
        // An operator in place reads before it writes.
        let is_last =
            |name: &str| read.get(name).is_none_or(|read| self.writers.get(name).is_some_and(|w| w >= read));
        let mut seen = HashSet::new();
        let names = self.net.op.iter().flat_map(|op| &op.output);
        names.filter(|name| is_last(name) && seen.insert(name.as_str())).cloned().collect()
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
    use caffe2_proto::OperatorDef;

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
        assert_eq!(NetFacts::new(&net).outputs(), ["a", "b"]);
        net.external_output = vec!["y".into()];
        assert_eq!(NetFacts::new(&net).outputs(), ["y"]);
    }
}
