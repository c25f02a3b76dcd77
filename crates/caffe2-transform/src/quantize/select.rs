//! Which blobs are weights to quantize, and why the others are not.

use std::collections::{HashMap, HashSet};

use caffe2_proto::{Argument, NetDef, OperatorDef};
use caffe2_tensor::{DataType, Shape};
use wildmatch::WildMatch;

use super::{KeepReason, KeptFloat, QuantizeError, QuantizeOptions};
use crate::definitions::size_in_net;
use crate::names::{Read, reads};

/// A weight: floats that the init net holds and the net reads.
#[derive(Debug, Clone)]
pub(super) struct Weight<'a> {
    /// The fill that makes it.
    pub(super) fill: &'a OperatorDef,
    pub(super) blob: &'a str,
    pub(super) shape: Shape,
    pub(super) values: &'a [f32],
}

/// What becomes of a blob of the init net.
#[derive(Debug)]
pub(super) enum Choice<'a> {
    Quantize(Weight<'a>),
    Keep(KeptFloat),
}

/// What becomes of the blobs that the net reads, with the position of the operator that writes each.
pub(super) fn choose<'a>(
    init: &'a NetDef,
    net: &NetDef,
    options: &QuantizeOptions,
) -> Result<Vec<(usize, Choice<'a>)>, QuantizeError> {
    let judge = Judge {
        init,
        least: options.min_elements,
        only: Patterns::new(&options.only, init)?,
        skip: Patterns::new(&options.skip, init)?,
        writes: counts(init),
        reads: reads(net),
    };
    let mut seen = HashSet::new();
    let mut choices = Vec::new();
    for (position, op) in init.op.iter().enumerate() {
        for blob in op.output.iter().map(String::as_str).filter(|&blob| seen.insert(blob)) {
            // What neither the net nor the caller speaks of is no parameter.
            if !judge.reads.contains_key(blob) && judge.only.matching(blob).is_none() {
                continue;
            }
            let choice = match judge.weight(op, blob)? {
                Ok(weight) => Choice::Quantize(weight),
                Err(reason) => Choice::Keep(kept(op, blob, reason)),
            };
            choices.push((position, choice));
        }
    }
    Ok(choices)
}

/// The report of a blob that stays as `op` makes it.
pub(super) fn kept(op: &OperatorDef, blob: &str, reason: KeepReason) -> KeptFloat {
    KeptFloat { blob: blob.to_owned(), bytes: size_in_net(op), reason }
}

fn counts(net: &NetDef) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for output in net.op.iter().flat_map(|op| &op.output) {
        *counts.entry(output.as_str()).or_default() += 1;
    }
    counts
}

/// What is known for the decision on each blob.
struct Judge<'a, 'n> {
    init: &'a NetDef,
    least: usize,
    only: Patterns,
    skip: Patterns,
    writes: HashMap<&'a str, usize>,
    reads: HashMap<&'n str, Vec<Read>>,
}

impl<'a> Judge<'a, '_> {
    fn weight(
        &self,
        op: &'a OperatorDef,
        blob: &'a str,
    ) -> Result<Result<Weight<'a>, KeepReason>, QuantizeError> {
        if let Some(reason) = self.reason_by_name(blob).or_else(|| self.reason_by_fill(op)) {
            return Ok(Err(reason));
        }
        let weight = given(op, blob)?;
        let elements = weight.values.len();
        if weight.shape.rank() < 2 && self.only.matching(blob).is_none() {
            return Ok(Err(KeepReason::OneDimension));
        }
        if elements < self.least.max(1) {
            return Ok(Err(KeepReason::FewElements { elements, least: self.least.max(1) }));
        }
        Ok(Ok(weight))
    }

    fn reason_by_name(&self, blob: &str) -> Option<KeepReason> {
        if !self.reads.contains_key(blob) {
            return Some(KeepReason::NotRead);
        }
        if let Some(pattern) = self.skip.matching(blob) {
            return Some(KeepReason::Skipped(pattern.to_owned()));
        }
        if !self.only.0.is_empty() && self.only.matching(blob).is_none() {
            return Some(KeepReason::NotSelected);
        }
        (self.writes.get(blob) > Some(&1)).then_some(KeepReason::WrittenAgain)
    }

    fn reason_by_fill(&self, op: &OperatorDef) -> Option<KeepReason> {
        if op.r#type() != "GivenTensorFill" {
            return Some(KeepReason::MadeBy(op.r#type().to_owned()));
        }
        if op.argument("dtype").is_some_and(|dtype| !is_float(dtype)) {
            return Some(KeepReason::NotFloat);
        }
        if !op.input.is_empty() {
            return Some(KeepReason::ShapeFromInput);
        }
        let device = op.device_option.as_ref().or(self.init.device_option.as_ref());
        device.is_some_and(|device| device.device_type() != 0).then_some(KeepReason::OtherDevice)
    }
}

fn is_float(dtype: &Argument) -> bool {
    match &dtype.s {
        Some(name) => name.eq_ignore_ascii_case(DataType::Float.name().as_bytes()),
        None => dtype.i == Some(i64::from(DataType::Float.to_proto() as i32)),
    }
}

/// The values and the shape of a fill.
fn given<'a>(fill: &'a OperatorDef, blob: &'a str) -> Result<Weight<'a>, QuantizeError> {
    let broken = |why: String| QuantizeError::BrokenFill { blob: blob.to_owned(), why };
    let dims = fill.argument("shape").map_or(&[][..], |shape| &shape.ints);
    let shape = Shape::from_i64s(dims).map_err(|error| broken(error.to_string()))?;
    let values = fill.argument("values").map_or(&[][..], |values| &values.floats);
    if shape.numel() != values.len() {
        let elements = shape.numel();
        return Err(broken(format!("{} values, but shape {shape} has {elements} elements", values.len())));
    }
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(QuantizeError::NotFinite { blob: blob.to_owned(), index, value });
    }
    Ok(Weight { fill, blob, shape, values })
}

/// Patterns of names, in which `*` is any text and `?` any character.
struct Patterns(Vec<(String, WildMatch)>);

impl Patterns {
    /// The patterns, each of which some blob that the init net makes has to match.
    fn new(patterns: &[String], init: &NetDef) -> Result<Patterns, QuantizeError> {
        let patterns = patterns.iter().map(|text| (text.clone(), WildMatch::new(text)));
        let patterns = Patterns(patterns.collect());
        let blobs = || init.op.iter().flat_map(|op| &op.output);
        match patterns.0.iter().find(|(_, pattern)| !blobs().any(|blob| pattern.matches(blob))) {
            Some((text, _)) => {
                Err(QuantizeError::NoSuchBlob { pattern: text.clone(), known: blobs().cloned().collect() })
            }
            None => Ok(patterns),
        }
    }

    /// The first pattern that the name matches.
    fn matching(&self, blob: &str) -> Option<&str> {
        self.0.iter().find(|(_, pattern)| pattern.matches(blob)).map(|(text, _)| text.as_str())
    }
}
