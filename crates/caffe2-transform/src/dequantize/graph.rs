//! Which operators of an init net expand bytes, and what of it is needed.

use std::collections::{HashMap, HashSet};

use caffe2_proto::{NetDef, OperatorDef};

use crate::names::{nets_within, reads};

/// Operators that make floats of bytes, or of what such operators make, and depend on nothing else.
const EXPANSIONS: &[&str] = &[
    "Add",
    "ByteWeightDequant",
    "Cast",
    "Copy",
    "Fused2BitRowwiseQuantizedToFloat",
    "Fused4BitRowwiseQuantizedToFloat",
    "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat",
    "Fused8BitRowwiseQuantizedToFloat",
    "Gather",
    "HalfToFloat",
    "Mul",
    "QuantDecode",
    "Reshape",
    "Rowwise8BitQuantizedToFloat",
];

/// Fills that hold their values.
const FILLS: &[&str] = &["ConstantFill", "GivenTensorFill", "GivenTensorInt64Fill", "GivenTensorIntFill"];

/// Fills that hold bytes.
const BYTE_FILLS: &[&str] = &["GivenTensorByteStringToUInt8Fill", "GivenTensorStringFill"];

/// What an operator is to a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Holds bytes.
    Bytes,
    /// Makes something of bytes.
    Expansion,
    /// Holds something that an expansion may need besides.
    Table,
    /// Frees what is no longer needed.
    Free,
    /// Has nothing to do with it.
    Other,
}

/// A blob as one operator left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version<'a> {
    pub(super) blob: &'a str,
    pub(super) writer: usize,
}

/// Who reads what in an init net.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    init: &'a NetDef,
    pub(super) parts: Vec<Part>,
    /// By operator: what it reads of what others wrote.
    inputs: Vec<Vec<Version<'a>>>,
    /// What operators read, those that only free it aside.
    read: HashSet<Version<'a>>,
    last: HashMap<&'a str, usize>,
    needed: Needed<'a>,
}

/// What is needed once the init net has run.
#[derive(Debug)]
enum Needed<'a> {
    /// These blobs.
    Known(HashSet<&'a str>),
    /// Nobody says.
    Unknown,
}

impl<'a> Graph<'a> {
    pub(super) fn new(init: &'a NetDef, net: Option<&'a NetDef>) -> Graph<'a> {
        let needed = match net {
            Some(net) => Needed::Known(reads(net).into_keys().collect()),
            None if init.external_output.is_empty() => Needed::Unknown,
            None => Needed::Known(init.external_output.iter().map(String::as_str).collect()),
        };
        let parts = Vec::with_capacity(init.op.len());
        let inputs = Vec::with_capacity(init.op.len());
        let mut graph = Graph { init, parts, inputs, read: HashSet::new(), last: HashMap::new(), needed };
        for (writer, op) in init.op.iter().enumerate() {
            let names = inputs_of(op);
            let inputs =
                names.iter().filter_map(|&blob| Some(Version { blob, writer: *graph.last.get(blob)? }));
            let inputs: Vec<_> = inputs.collect();
            let part = graph.part(op, inputs.len() == names.len(), &inputs);
            if part != Part::Free {
                graph.read.extend(&inputs);
            }
            graph.parts.push(part);
            graph.inputs.push(inputs);
            graph.last.extend(op.output.iter().map(|blob| (blob.as_str(), writer)));
        }
        graph
    }

    fn part(&self, op: &OperatorDef, all_made: bool, inputs: &[Version<'_>]) -> Part {
        let op_type = op.r#type();
        let within = |part: &[Part]| inputs.iter().all(|input| part.contains(&self.parts[input.writer]));
        match op_type {
            "Free" => Part::Free,
            _ if !all_made => Part::Other,
            _ if BYTE_FILLS.contains(&op_type) && inputs.is_empty() => Part::Bytes,
            _ if FILLS.contains(&op_type) && inputs.is_empty() => Part::Table,
            _ if EXPANSIONS.contains(&op_type) && within(&[Part::Bytes, Part::Expansion, Part::Table]) => {
                if within(&[Part::Table]) {
                    Part::Other
                } else {
                    Part::Expansion
                }
            }
            _ => Part::Other,
        }
    }

    /// What operators leave behind at the end and somebody may need, or nobody in the init net reads.
    pub(super) fn results(&self) -> impl Iterator<Item = Version<'a>> {
        let all = self.init.op.iter().enumerate().flat_map(|(writer, op)| {
            // The shape that `Reshape` tells of is not what it is there for.
            let count = if op.r#type() == "Reshape" { 1 } else { op.output.len() };
            op.output.iter().take(count).map(move |blob| Version { blob, writer })
        });
        all.filter(|version| {
            let wanted = !self.read.contains(version) || self.is_needed(version.blob);
            wanted && self.is_last(*version) && self.parts[version.writer] != Part::Free
        })
    }

    /// Whether nobody writes the blob again.
    pub(super) fn is_last(&self, version: Version<'_>) -> bool {
        self.last.get(version.blob) == Some(&version.writer)
    }

    fn is_needed(&self, blob: &str) -> bool {
        match &self.needed {
            Needed::Known(known) => known.contains(blob),
            Needed::Unknown => false,
        }
    }

    /// What the operators read that stay whatever becomes of the weights.
    pub(super) fn staying(&self) -> impl Iterator<Item = usize> {
        let serves = self.tables_that_serve();
        (0..self.parts.len()).filter(move |position| match self.parts[*position] {
            Part::Other => true,
            Part::Table => !serves.contains(position),
            Part::Bytes | Part::Expansion | Part::Free => false,
        })
    }

    /// Tables that expansions read and that nobody else needs, as far as is known.
    fn tables_that_serve(&self) -> HashSet<usize> {
        if matches!(self.needed, Needed::Unknown) {
            return HashSet::new();
        }
        let expansions = self.parts.iter().zip(&self.inputs).filter(|(part, _)| **part == Part::Expansion);
        let tables = expansions.flat_map(|(_, inputs)| inputs);
        tables
            .filter(|input| self.parts[input.writer] == Part::Table && !self.is_needed(input.blob))
            .map(|input| input.writer)
            .collect()
    }

    pub(super) fn inputs(&self, position: usize) -> &[Version<'a>] {
        &self.inputs[position]
    }

    /// The operators that make what this one makes, itself included, in order.
    pub(super) fn makers(&self, position: usize) -> Vec<usize> {
        let mut makers = HashSet::from([position]);
        let mut open = vec![position];
        while let Some(position) = open.pop() {
            let new = self.inputs[position]
                .iter()
                .map(|input| input.writer)
                .filter(|&writer| makers.insert(writer));
            open.extend(new);
        }
        let mut makers: Vec<_> = makers.into_iter().collect();
        makers.sort_unstable();
        makers
    }
}

/// The blobs that an operator reads, those of the nets within it included.
fn inputs_of(op: &OperatorDef) -> Vec<&str> {
    let own = op.input.iter().map(String::as_str);
    own.chain(nets_within(op).flat_map(|net| reads(net).into_keys())).collect()
}
