//! A net as boxes and lines: each operator once, in the order of data, not of names.

use std::collections::{HashMap, HashSet};

use caffe2::NetDef;
use caffe2::inspect::NetSummary;
use caffe2::operator::TensorInfo;

use super::details::{self, Family};
use crate::units::compact;

/// The most operators that share a box.
const MOST_LINES: usize = 12;

/// Boxes with lines between them.
#[derive(Debug)]
pub(super) struct Graph {
    /// The name of the net.
    pub(super) name: String,
    pub(super) boxes: Vec<NetBox>,
    /// From box to box, each pair once.
    pub(super) edges: Vec<(usize, usize)>,
}

/// What stands in one frame.
#[derive(Debug)]
pub(super) struct NetBox {
    pub(super) kind: BoxKind,
    pub(super) lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoxKind {
    Input,
    Operators,
    Output,
}

/// One operator, or the blob that an input or output is.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) family: Family,
    /// The operator type, or the name of the blob.
    pub(super) title: String,
    /// The arguments that matter for a picture.
    pub(super) detail: String,
    /// How many parameters it has; empty for none.
    pub(super) weights: String,
    /// The shape of its first output; empty where it is not known.
    pub(super) shape: String,
    /// Everything about it.
    pub(super) full: String,
}

impl Graph {
    pub(super) fn of(net: &NetDef, summary: &NetSummary) -> Graph {
        let mut maker = Maker::new(net, summary);
        for position in 0..net.op.len() {
            maker.operator(position);
        }
        maker.outputs();
        maker.finish()
    }
}

struct Maker<'a> {
    net: &'a NetDef,
    summary: &'a NetSummary,
    /// The blobs that are fed; all others that are there before are parameters.
    inputs: HashSet<&'a str>,
    boxes: Vec<NetBox>,
    edges: Vec<(usize, usize)>,
    /// The box of the operator that wrote a blob last, or of the input that it is.
    current: HashMap<&'a str, usize>,
}

impl<'a> Maker<'a> {
    fn new(net: &'a NetDef, summary: &'a NetSummary) -> Maker<'a> {
        let first: HashSet<&str> =
            net.op.iter().filter_map(|op| op.input.first()).map(String::as_str).collect();
        let names = summary.inputs.iter().map(|input| input.name.as_str());
        // Without an init net, parameters are to be fed too; they never are the first input.
        let inputs = names.filter(|name| first.contains(name) || summary.inputs.len() == 1).collect();
        Maker { net, summary, inputs, boxes: Vec::new(), edges: Vec::new(), current: HashMap::new() }
    }

    fn operator(&mut self, position: usize) {
        let op = &self.net.op[position];
        let (mut sources, mut weights) = (Vec::new(), Vec::new());
        for input in &op.input {
            match self.current.get(input.as_str()) {
                Some(&from) => sources.push(from),
                None if self.inputs.contains(input.as_str()) => sources.push(self.input(input)),
                None => weights.push(input.as_str()),
            }
        }
        let place = self.boxes.len();
        let line = self.line(position, &weights);
        self.boxes.push(NetBox { kind: BoxKind::Operators, lines: vec![line] });
        sources.sort_unstable();
        sources.dedup();
        self.edges.extend(sources.into_iter().map(|from| (from, place)));
        self.current.extend(op.output.iter().map(|output| (output.as_str(), place)));
    }

    fn line(&self, position: usize, weights: &[&str]) -> Line {
        let op = &self.net.op[position];
        let inferred = &self.summary.diagnosis.ops[position];
        let info = |name: &str| {
            let index = op.input.iter().position(|input| input == name);
            index.and_then(|index| inferred.inputs.get(index)).cloned().unwrap_or_default()
        };
        let numel = |name: &&str| info(name).shape.map_or(0, |shape| shape.numel());
        let count = weights.iter().map(numel).fold(0, usize::saturating_add);
        let mut full = format!("#{position} {}", op.r#type());
        if !op.name().is_empty() {
            full += &format!(" {}", op.name());
        }
        for (words, names) in [("reads", &op.input), ("writes", &op.output)] {
            let infos = if words == "reads" { &inferred.inputs } else { &inferred.outputs };
            for (name, info) in names.iter().zip(infos) {
                full += &format!("\n{words} {name}: {info}");
            }
        }
        let args = details::arguments(op);
        if !args.is_empty() {
            full += &format!("\n{args}");
        }
        Line {
            family: Family::of(op.r#type()),
            title: op.r#type().to_owned(),
            detail: details::short(op, inferred),
            weights: if count > 0 { compact(count as u64) } else { String::new() },
            shape: inferred.outputs.first().map(shape).unwrap_or_default(),
            full,
        }
    }

    fn input(&mut self, name: &'a str) -> usize {
        let input = self.summary.inputs.iter().find(|input| input.name == name);
        let info = input.map(|input| input.info.clone()).unwrap_or_default();
        let place = self.blob(BoxKind::Input, name, &info);
        self.current.insert(name, place);
        place
    }

    fn blob(&mut self, kind: BoxKind, name: &str, info: &TensorInfo) -> usize {
        let line = Line {
            family: Family::Blob,
            title: name.to_owned(),
            detail: info.data_type.map_or(String::new(), |data_type| data_type.name().to_owned()),
            weights: String::new(),
            shape: shape(info),
            full: format!("{name}: {info}"),
        };
        self.boxes.push(NetBox { kind, lines: vec![line] });
        self.boxes.len() - 1
    }

    fn outputs(&mut self) {
        for (name, info) in &self.summary.outputs {
            if let Some(&from) = self.current.get(name.as_str()) {
                let place = self.blob(BoxKind::Output, name, info);
                self.edges.push((from, place));
            }
        }
    }

    /// Puts operators in a row into one box.
    fn finish(self) -> Graph {
        let count = self.boxes.len();
        let (mut out, mut into) = (vec![0usize; count], vec![Vec::new(); count]);
        for &(from, to) in &self.edges {
            out[from] += 1;
            into[to].push(from);
        }
        let mut place: Vec<usize> = Vec::with_capacity(count);
        let mut boxes: Vec<NetBox> = Vec::new();
        for (index, own) in self.boxes.into_iter().enumerate() {
            let before = match into[index][..] {
                [only] if out[only] == 1 && own.kind == BoxKind::Operators => Some(place[only]),
                _ => None,
            };
            let joins =
                |at: &usize| boxes[*at].kind == BoxKind::Operators && boxes[*at].lines.len() < MOST_LINES;
            match before.filter(joins) {
                Some(at) => {
                    boxes[at].lines.extend(own.lines);
                    place.push(at);
                }
                None => {
                    place.push(boxes.len());
                    boxes.push(own);
                }
            }
        }
        let mut seen = HashSet::new();
        let edges = self.edges.iter().map(|&(from, to)| (place[from], place[to]));
        let edges = edges.filter(|edge| edge.0 != edge.1 && seen.insert(*edge)).collect();
        Graph { name: self.net.name().to_owned(), boxes, edges }
    }
}

/// A shape as `1×3×224×224`; empty where it is not known.
fn shape(info: &TensorInfo) -> String {
    match &info.shape {
        Some(shape) if shape.rank() == 0 => "scalar".to_owned(),
        Some(shape) => shape.dims().iter().map(usize::to_string).collect::<Vec<_>>().join("×"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caffe2::inspect::Before;
    use caffe2::{OpRegistry, OperatorDef};

    fn graph(net: &NetDef) -> Graph {
        let registry = OpRegistry::linked().unwrap();
        Graph::of(net, &NetSummary::new(&registry, net, &Before::default()))
    }

    fn op(op_type: &str, from: &[&str], to: &str) -> OperatorDef {
        OperatorDef::new(op_type).inputs(from.iter().copied()).output(to)
    }

    fn titles(graph: &Graph) -> Vec<String> {
        let line = |b: &NetBox| b.lines.iter().map(|l| l.title.as_str()).collect::<Vec<_>>().join(" ");
        graph.boxes.iter().map(line).collect()
    }

    #[test]
    fn operators_in_place_follow_one_another() {
        let net = NetDef::new("n").op(op("Conv", &["x", "w", "b"], "y")).op(op("Relu", &["y"], "y"));
        let net = net.op(op("Dropout", &["y"], "y")).op(op("Softmax", &["y"], "y")).external_output("y");
        let graph = graph(&net);
        assert_eq!(titles(&graph), ["x", "Conv Relu Dropout Softmax", "y"]);
        assert_eq!(graph.edges, [(0, 1), (1, 2)]);
    }

    #[test]
    fn branches_stand_apart() {
        let net = NetDef::new("n").op(op("Relu", &["x"], "a")).op(op("Sigmoid", &["a"], "b"));
        let net = net.op(op("Tanh", &["a"], "c")).op(op("Sum", &["b", "c"], "d")).op(op("Relu", &["d"], "d"));
        let graph = graph(&net);
        assert_eq!(titles(&graph), ["x", "Relu", "Sigmoid", "Tanh", "Sum Relu", "d"]);
        assert_eq!(graph.edges, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5)]);
    }

    #[test]
    fn a_name_that_is_used_again_is_another_blob() {
        let net = NetDef::new("n").op(op("Relu", &["x"], "t")).op(op("Sigmoid", &["t"], "a"));
        let net = net.op(op("Tanh", &["x"], "t")).op(op("Sum", &["a", "t"], "y"));
        let graph = graph(&net);
        assert_eq!(titles(&graph), ["x", "Relu Sigmoid", "Tanh", "Sum", "y"]);
        assert_eq!(graph.edges, [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]);
    }
}
