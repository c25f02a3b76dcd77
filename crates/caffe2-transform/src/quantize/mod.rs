//! Float weights to bytes: [`quantize`].
//!
//! What is written is for every Caffe2: it needs no operator that the C++ framework does not have. For a weight `w` of
//! shape `[o, i, h, w]`:
//!
//! | scheme | the init net makes | bytes per value |
//! |---|---|---|
//! | [`Scheme::Byte`] | `w_bytes` by `GivenTensorByteStringToUInt8Fill`, and `w` from it by `ByteWeightDequant` | 1 |
//! | [`Scheme::Half`] | `w_high` and `w_low` by `GivenTensorByteStringToUInt8Fill`, and `w` from them by `ByteWeightDequant`, `Cast`, `Gather`, `Mul` and `Add` | 2 |
//!
//! # How codes are chosen
//!
//! The range of a weight is searched for such that the sum of the squared errors is small: it may cut off outliers, put
//! a code exactly on zero, or take up the grid on which the values lie already. It is never worse than the range
//! from the least to the greatest value. Each value gets the code whose float, computed with the operator's own
//! arithmetic, is nearest; of two that are equally near the smaller one. A weight of one value is exact. Results depend
//! neither on the number of threads nor, but for the search, on the instruction set.
//!
//! # Which weights
//!
//! Those that the net reads before it writes them, that one `GivenTensorFill` of floats makes, that have two dimensions
//! or more and enough elements. Patterns narrow this down; one that names a blob of one dimension lets it in.
//! [`Report`] tells of each other blob why it stays as it is.

mod byte;
mod codes;
mod error;
mod fit;
mod half;
mod report;
mod select;

use caffe2_operator::Threads;
use caffe2_proto::prost::Message as _;
use caffe2_proto::{NetDef, OperatorDef};

use crate::definitions::{size_in_net, without_operators};
use crate::names::Names;
use codes::Distance;
use select::{Choice, Weight, choose, kept};

pub use error::QuantizeError;
pub use report::{KeepReason, KeptFloat, QuantizedWeight, Report, WeightError};

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scheme {
    /// A code of one byte per value and one range per weight, expanded by `ByteWeightDequant`.
    #[default]
    Byte,
    /// Two bytes per value, the float rounded to half precision.
    Half,
}

impl Scheme {
    /// The name, as on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Byte => "byte",
            Scheme::Half => "half",
        }
    }
}

/// What to quantize, and how.
///
/// ```
/// use caffe2_transform::quantize::{QuantizeOptions, Scheme};
///
/// let options = QuantizeOptions { only: vec!["conv*_w".into()], ..QuantizeOptions::default() };
/// assert_eq!((options.scheme, options.min_elements), (Scheme::Byte, 1024));
/// ```
#[derive(Debug, Clone)]
pub struct QuantizeOptions {
    /// How weights are stored. By default [`Scheme::Byte`].
    pub scheme: Scheme,
    /// The fewest elements that a weight may have; 1024 by default. What is smaller takes no room to speak of.
    pub min_elements: usize,
    /// Patterns of the names of the blobs to quantize, in which `*` is any text and `?` any character; none: all.
    pub only: Vec<String>,
    /// Patterns of the names of the blobs to leave alone.
    pub skip: Vec<String>,
    /// How many threads may be used; by default as many as the process may use.
    pub threads: Threads,
}

impl Default for QuantizeOptions {
    fn default() -> QuantizeOptions {
        QuantizeOptions {
            scheme: Scheme::default(),
            min_elements: 1024,
            only: Vec::new(),
            skip: Vec::new(),
            threads: Threads::all(),
        }
    }
}

/// What [`quantize`] makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The init net, which makes the same blobs as before, some of them from bytes.
    pub init: NetDef,
    /// What was done to each weight.
    pub report: Report,
}

/// Rewrites the init net of `net` such that it holds bytes instead of floats; see the [module](self).
///
/// # Errors
/// When a weight holds what cannot be stored, a pattern fits no blob, a fill is broken, or there is nothing to do.
pub fn quantize(init: &NetDef, net: &NetDef, options: &QuantizeOptions) -> Result<Quantized, QuantizeError> {
    let mut scribe = Scribe { names: Names::of([init, net]), threads: options.threads.clone() };
    let mut report =
        Report { weights: Vec::new(), kept: Vec::new(), bytes_before: init.encoded_len(), bytes_after: 0 };
    let mut shared = None;
    let mut replaced = std::collections::HashMap::new();
    for (position, choice) in choose(init, net, options)? {
        let weight = match choice {
            Choice::Keep(kept) => {
                report.kept.push(kept);
                continue;
            }
            Choice::Quantize(weight) => weight,
        };
        let mut stored = match options.scheme {
            Scheme::Byte => byte::store(&weight, &mut scribe)?,
            Scheme::Half => {
                let shared = shared.get_or_insert_with(|| half::Shared::new(&mut scribe));
                half::store(&weight, shared, &mut scribe)?
            }
        };
        let (bytes_before, bytes_after) = (size_in_net(weight.fill), stored.size_in_net());
        if bytes_after >= bytes_before {
            let reason = KeepReason::NotSmaller { bytes: bytes_after };
            report.kept.push(kept(weight.fill, weight.blob, reason));
            continue;
        }
        replaced.insert(position, std::mem::take(&mut stored.ops));
        report.weights.push(stored.report(&weight, bytes_before, bytes_after));
    }
    if report.weights.is_empty() {
        return Err(QuantizeError::Nothing { kept: report.kept });
    }
    let mut ops = Vec::with_capacity(init.op.len());
    for (position, op) in init.op.iter().enumerate() {
        match replaced.remove(&position) {
            Some(stored) => {
                // The tables stand before the first weight that needs them.
                ops.extend(shared.take().iter().flat_map(half::Shared::fills));
                ops.extend(stored);
            }
            None => ops.push(op.clone()),
        }
    }
    let init = NetDef { op: ops, ..without_operators(init) };
    report.bytes_after = init.encoded_len();
    Ok(Quantized { init, report })
}

/// Names and threads for those who write definitions.
struct Scribe {
    names: Names,
    threads: Threads,
}

impl Scribe {
    /// A name for a blob that is none yet.
    fn fresh(&mut self, wanted: &str) -> String {
        self.names.fresh(wanted)
    }
}

/// A weight in its new form.
struct Stored {
    ops: Vec<OperatorDef>,
    ranges: usize,
    min: f32,
    max: f32,
    distance: Distance,
}

impl Stored {
    fn size_in_net(&self) -> usize {
        self.ops.iter().map(size_in_net).sum()
    }

    fn report(&self, weight: &Weight<'_>, bytes_before: usize, bytes_after: usize) -> QuantizedWeight {
        QuantizedWeight {
            blob: weight.blob.to_owned(),
            dims: weight.shape.dims().to_vec(),
            bytes_before,
            bytes_after,
            ranges: self.ranges,
            min: self.min,
            max: self.max,
            error: self.distance.into(),
        }
    }
}

impl Weight<'_> {
    /// An operator for the same device, after the same control inputs, as the fill of the weight.
    fn like(&self, op: OperatorDef) -> OperatorDef {
        let (device_option, control_input) =
            (self.fill.device_option.clone(), self.fill.control_input.clone());
        OperatorDef { device_option, control_input, ..op }
    }

    /// An operator that makes the weight, with its shape.
    fn shaped(&self, op: OperatorDef) -> OperatorDef {
        self.like(op.arg("shape", self.shape.to_i64s().as_slice()))
    }

    /// The fill of a blob of bytes.
    fn byte_fill(&self, blob: &str, dims: &[i64], bytes: Vec<u8>) -> OperatorDef {
        let fill = OperatorDef::new("GivenTensorByteStringToUInt8Fill").output(blob);
        self.like(fill.arg("shape", dims).arg("values", vec![bytes]))
    }
}
