//! Weights that are stored as bytes back to floats: [`dequantize`].
//!
//! A weight is stored as bytes when operators that only expand, such as `ByteWeightDequant`, make it from fills of
//! bytes. Its value is computed by these operators themselves, and a `GivenTensorFill` takes the place of the last of
//! them; what only served to make it goes. All else stays as it is, and where it is.

mod graph;

use std::collections::{HashMap, HashSet};

use caffe2_operator::{Error, Tensor, Workspace};
use caffe2_proto::{NetDef, OperatorDef};

use crate::definitions::{size_in_net, without_operators};
use graph::{Graph, Part, Version};

/// What [`dequantize`] makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dequantized {
    /// The init net, which makes the same weights as before, from floats.
    pub init: NetDef,
    /// The weights that are floats now, in the order of the init net.
    pub weights: Vec<DequantizedWeight>,
}

/// A weight that is stored as floats now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DequantizedWeight {
    /// Its name.
    pub blob: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// The type of the last operator that made it.
    pub made_by: String,
    /// Bytes that the definitions that made it took, tables of floats aside.
    pub bytes_before: usize,
    /// Bytes that its definition takes now.
    pub bytes_after: usize,
}

/// Why a net could not be turned into floats: nothing is made then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DequantizeError {
    /// An operator that makes a weight is missing or fails.
    #[error("`{blob}` cannot be expanded: {error}")]
    Failed {
        /// The weight.
        blob: String,
        /// What the operator says.
        error: Error,
    },
    /// No weight is stored as bytes.
    #[error(
        "the init net stores no weight as bytes: none of its operators expands what a fill of bytes makes"
    )]
    Nothing,
}

/// Rewrites an init net such that it holds floats instead of bytes; see the [module](self).
///
/// Bytes are dropped when nothing but the expansion reads them. With the `net` that the init net is for, or when the
/// init net declares its outputs, tables of floats that the expansion needed are dropped too; bytes that are needed
/// besides stay. The operators of the init net must be linked into the program.
///
/// # Errors
/// When an operator is missing or fails, or no weight is stored as bytes.
pub fn dequantize(init: &NetDef, net: Option<&NetDef>) -> Result<Dequantized, DequantizeError> {
    let graph = Graph::new(init, net);
    let mut work = Work { init, graph: &graph, kept: HashSet::new(), weights: HashMap::new() };
    work.settle()?;
    if work.weights.is_empty() {
        return Err(DequantizeError::Nothing);
    }
    let Work { kept, mut weights, .. } = work;
    let (mut ops, mut reports) = (Vec::new(), Vec::new());
    let mut made = HashSet::new();
    for (position, op) in init.op.iter().enumerate() {
        let new = match weights.remove(&position) {
            Some((fill, report)) => {
                reports.push(report);
                Some(fill)
            }
            None if graph.parts[position] == Part::Free => still_to_free(op, &made),
            None => kept.contains(&position).then(|| op.clone()),
        };
        made.extend(new.iter().flat_map(|op| op.output.clone()));
        ops.extend(new);
    }
    let mut init = NetDef { op: ops, ..without_operators(init) };
    init.external_output.retain(|blob| made.contains(blob));
    Ok(Dequantized { init, weights: reports })
}

/// What is left to free of blobs that are still made.
fn still_to_free(free: &OperatorDef, made: &HashSet<String>) -> Option<OperatorDef> {
    let left =
        |names: &[String]| names.iter().filter(|name| made.contains(*name)).cloned().collect::<Vec<_>>();
    let free = OperatorDef { input: left(&free.input), output: left(&free.output), ..free.clone() };
    (!free.input.is_empty()).then_some(free)
}

/// Finding out what stays, and what becomes a fill of floats.
struct Work<'a, 'g> {
    init: &'a NetDef,
    graph: &'g Graph<'a>,
    kept: HashSet<usize>,
    /// By the position of the operator whose place the fill takes.
    weights: HashMap<usize, (OperatorDef, DequantizedWeight)>,
}

impl<'a> Work<'a, '_> {
    fn settle(&mut self) -> Result<(), DequantizeError> {
        let staying: Vec<usize> = self.graph.staying().collect();
        let read = staying.iter().flat_map(|&position| self.graph.inputs(position));
        let mut open: Vec<_> = read.copied().chain(self.graph.results()).collect();
        self.kept.extend(staying);
        while let Some(version) = open.pop() {
            let writer = version.writer;
            if self.kept.contains(&writer) {
                continue;
            }
            // A second output of the operator is needed as well: it has to run.
            let also = match self.weights.get(&writer) {
                Some((_, weight)) if weight.blob == version.blob => continue,
                other => other.is_some(),
            };
            let expands = self.graph.parts[writer] == Part::Expansion && self.graph.is_last(version) && !also;
            match if expands { self.expand(version)? } else { None } {
                Some(weight) => {
                    self.weights.insert(writer, weight);
                }
                None => {
                    self.weights.remove(&writer);
                    self.kept.insert(writer);
                    open.extend(self.graph.inputs(writer));
                }
            }
        }
        Ok(())
    }

    /// The fill of what operators make of bytes; `None` when these are no floats.
    fn expand(
        &self,
        version: Version<'a>,
    ) -> Result<Option<(OperatorDef, DequantizedWeight)>, DequantizeError> {
        let failed = |error| DequantizeError::Failed { blob: version.blob.to_owned(), error };
        let makers = self.graph.makers(version.writer);
        let value = self.run(&makers, version.blob).map_err(failed)?;
        let Ok(floats) = value.as_slice::<f32>() else { return Ok(None) };
        let last = &self.init.op[version.writer];
        let fill = OperatorDef::new("GivenTensorFill").output(version.blob);
        let fill = fill.arg("shape", value.shape().to_i64s().as_slice()).arg("values", floats);
        let fill = OperatorDef { device_option: last.device_option.clone(), ..fill };
        let own = makers.iter().filter(|&&maker| self.graph.parts[maker] != Part::Table);
        let report = DequantizedWeight {
            blob: version.blob.to_owned(),
            dims: value.dims().to_vec(),
            made_by: last.r#type().to_owned(),
            bytes_before: own.map(|&maker| size_in_net(&self.init.op[maker])).sum(),
            bytes_after: size_in_net(&fill),
        };
        Ok(Some((fill, report)))
    }

    /// Runs some operators of the init net, and gives what they make of a blob.
    fn run(&self, makers: &[usize], blob: &str) -> Result<Tensor, Error> {
        let ops = makers.iter().map(|&maker| self.init.op[maker].clone());
        let net = NetDef { name: Some(format!("expand {blob}")), ..without_operators(self.init) };
        let mut workspace = Workspace::new();
        workspace.run_net_once(&NetDef {
            external_input: Vec::new(),
            external_output: Vec::new(),
            ..net.ops(ops)
        })?;
        workspace.fetch(blob)
    }
}
