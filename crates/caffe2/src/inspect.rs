//! What a net is made of, and what a run of it takes, told without running it.
//!
//! ```
//! use caffe2::inspect::{Before, NetSummary};
//! use caffe2::{NetDef, OpRegistry, OperatorDef};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fill = |name: &str, shape: Vec<i64>| OperatorDef::new("XavierFill").output(name).arg("shape", shape);
//! let init = NetDef::new("init").op(fill("w", vec![10, 4])).op(fill("b", vec![10]));
//! let predict = NetDef::new("score")
//!     .op(OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y"))
//!     .op(OperatorDef::new("Softmax").input("y").output("y"));
//!
//! let registry = OpRegistry::linked()?;
//! let summary = NetSummary::new(&registry, &predict, &Before::init_net(&registry, &init, &predict));
//! assert_eq!(summary.inputs[0].info.to_string(), "float [1, 4]"); // since `w` has four columns
//! assert_eq!((summary.parameters.len(), summary.macs), (2, 40));
//! # Ok(())
//! # }
//! ```

mod input_shape;
mod memory;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use caffe2_operator::{
    BlobInfos, Diagnosis, Error, InferredOp, OpRegistry, TensorInfo, Workspace, diagnose_net,
};
use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::DataType;

use crate::files::{FileError, Limits, PredictorFile};
use crate::{NetFacts, placeholders};

pub use input_shape::{InputGuess, Sizes, guess_input};
pub use memory::ActivationMemory;

/// What is there before a net runs.
#[derive(Debug, Default)]
pub struct Before {
    /// The blobs, and what is known of each.
    pub blobs: BlobInfos,
    /// Those that only hold a place for what is to be fed.
    pub placeholders: Vec<String>,
    /// How the parameters are stored in the file that they come from.
    pub stored: Vec<Stored>,
    /// What is wrong with the net that makes them.
    pub problems: Vec<Error>,
}

/// Parameters that are stored in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The type of the values; `None` for those that a rule makes, such as `XavierFill`, which take no place.
    pub data_type: Option<DataType>,
    /// How many blobs there are.
    pub blobs: usize,
    /// Bytes that the values take.
    pub bytes: u64,
}

impl Before {
    /// What an init net makes for a predict net.
    pub fn init_net(registry: &Arc<OpRegistry>, init: &NetDef, predict: &NetDef) -> Before {
        let mut blobs = BlobInfos::new();
        let Diagnosis { problems, ops } = diagnose_net(registry, init, &mut blobs);
        let placeholders: Vec<String> = placeholders(init, predict).into_iter().map(str::to_owned).collect();
        let places: HashSet<&String> = placeholders.iter().collect();
        let mut stored: BTreeMap<Option<&str>, Stored> = BTreeMap::new();
        for (op, inferred) in init.op.iter().zip(&ops) {
            let is_place = op.output.iter().all(|output| places.contains(output));
            if op.input.is_empty() && !is_place {
                count_stored(&mut stored, op, inferred);
            }
        }
        Before { blobs, placeholders, stored: stored.into_values().collect(), problems }
    }

    /// What a workspace has, and those above it.
    pub fn workspace(workspace: &Workspace) -> Before {
        let tensor = |name: &str| workspace.blob(name)?.as_tensor().map(TensorInfo::from);
        let info = |name: &str| (name.to_owned(), tensor(name).unwrap_or_default());
        Before { blobs: workspace.blobs().into_iter().map(info).collect(), ..Before::default() }
    }

    /// What a predictor file has for its net.
    ///
    /// # Errors
    /// When its parameters cannot be read.
    pub fn predictor(file: &PredictorFile, limits: &Limits) -> Result<Before, FileError> {
        let mut before = Before { placeholders: file.inputs().to_vec(), ..Before::default() };
        let mut stored: BTreeMap<Option<&str>, Stored> = BTreeMap::new();
        for (name, info) in file.parameter_infos(limits)? {
            let entry = entry_of(&mut stored, info.data_type);
            entry.blobs += 1;
            entry.bytes = entry.bytes.saturating_add(info.byte_len());
            before.blobs.insert(name, info);
        }
        for parameter in file.parameters() {
            if !before.blobs.contains_key(parameter) {
                before.blobs.insert(parameter.clone(), TensorInfo::unknown());
            }
        }
        for (input, shape) in file.input_shapes() {
            let data_type = shape.as_ref().map(|_| DataType::Float);
            before.blobs.insert(input.clone(), TensorInfo { data_type, shape });
        }
        before.stored = stored.into_values().collect();
        Ok(before)
    }
}

fn entry_of<'a>(
    stored: &'a mut BTreeMap<Option<&'static str>, Stored>,
    data_type: Option<DataType>,
) -> &'a mut Stored {
    let empty = Stored { data_type, blobs: 0, bytes: 0 };
    stored.entry(data_type.map(DataType::name)).or_insert(empty)
}

/// Counts what an operator makes of nothing but its arguments.
fn count_stored(
    stored: &mut BTreeMap<Option<&'static str>, Stored>,
    op: &OperatorDef,
    inferred: &InferredOp,
) {
    let given = op.r#type().starts_with("GivenTensor");
    for info in &inferred.outputs {
        let entry = entry_of(stored, info.data_type.filter(|_| given));
        entry.blobs += 1;
        if given {
            let strings = op.argument("values").map_or(0, |v| v.strings.iter().map(|s| s.len() as u64).sum());
            let bytes = if info.data_type == Some(DataType::String) { strings } else { info.byte_len() };
            entry.bytes = entry.bytes.saturating_add(bytes);
        }
    }
}

/// A blob that is to be fed.
#[derive(Debug, Clone)]
pub struct InputSummary {
    /// Its name.
    pub name: String,
    /// Its type and shape, as far as they are known or could be guessed.
    pub info: TensorInfo,
    /// How the shape was found, where it is a guess.
    pub guess: Option<InputGuess>,
}

/// What a net is made of, and what a run takes.
#[derive(Debug)]
pub struct NetSummary {
    /// Operator types with their numbers, the most frequent first.
    pub operators: Vec<(String, usize)>,
    /// Blobs to feed, in the order in which they are read.
    pub inputs: Vec<InputSummary>,
    /// Blobs that the net is run for, with what is known of them.
    pub outputs: Vec<(String, TensorInfo)>,
    /// Blobs that are read and there before, in the order in which they are read.
    pub parameters: Vec<(String, TensorInfo)>,
    /// Multiply-adds of one run; unknown shapes count as none.
    pub macs: u64,
    /// Memory for what the net computes.
    pub memory: ActivationMemory,
    /// Operator types that are not registered, with their numbers.
    pub missing: Vec<(String, usize)>,
    /// What is wrong, and what is known of each operator.
    pub diagnosis: Diagnosis,
    /// All blobs with what is known of them last.
    pub blobs: BlobInfos,
}

impl NetSummary {
    /// The summary of a net; where the shape of its only input is not known, it is guessed.
    pub fn new(registry: &Arc<OpRegistry>, net: &NetDef, before: &Before) -> NetSummary {
        let mut known = before.blobs.clone();
        let facts = NetFacts::new(net);
        let read: Vec<&str> = facts.inputs().map(|(name, _)| name).collect();
        let places: HashSet<&str> = before.placeholders.iter().map(String::as_str).collect();
        let is_input = |name: &&str| !known.contains_key(*name) || places.contains(name);
        let inputs: Vec<&str> = read.iter().copied().filter(is_input).collect();
        let guess = match inputs[..] {
            [only] if !is_fed(&known, only, before) => guess_input(registry, net, &known, only),
            _ => None,
        };
        let inputs: Vec<_> = inputs
            .iter()
            .map(|&name| {
                let info = match &guess {
                    Some(guess) => guess.info.clone(),
                    None => known.get(name).cloned().unwrap_or_default(),
                };
                InputSummary { name: name.to_owned(), info, guess: guess.clone() }
            })
            .collect();
        known.extend(inputs.iter().map(|input| (input.name.clone(), input.info.clone())));
        let of_inputs: HashSet<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        let is_parameter = |name: &&&str| !of_inputs.contains(**name);
        let parameters: Vec<_> = read
            .iter()
            .filter(is_parameter)
            .map(|&name| (name.to_owned(), before.blobs.get(name).cloned().unwrap_or_default()))
            .collect();
        let diagnosis = diagnose_net(registry, net, &mut known);
        let info = |name: String| (name.clone(), known.get(&name).cloned().unwrap_or_default());
        let outputs: Vec<_> = facts.outputs().into_iter().map(info).collect();
        NetSummary {
            operators: counted(net.op.iter().map(|op| op.r#type())),
            macs: diagnosis.ops.iter().fold(0, |sum: u64, op| sum.saturating_add(op.cost.macs)),
            memory: ActivationMemory::of(net, &diagnosis.ops, &inputs, &outputs),
            missing: counted(net.op.iter().map(|op| op.r#type()).filter(|t| registry.schema(t).is_none())),
            inputs,
            outputs,
            parameters,
            diagnosis,
            blobs: known,
        }
    }
}

/// Whether the shape of an input is known, and not that of a stand-in of one element.
fn is_fed(known: &BlobInfos, input: &str, before: &Before) -> bool {
    let is_place = before.placeholders.iter().any(|p| p == input);
    known.get(input).and_then(|info| info.shape.as_ref()).is_some_and(|s| !is_place || s.numel() > 1)
}

/// Names with their numbers, the most frequent first.
fn counted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests;
