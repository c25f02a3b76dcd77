//! Float weights to bytes: [`quantize`].
//!
//! What is written is for every Caffe2: it needs no operator that the C++ framework does not have. For a weight `w` of
//! shape `[o, i, h, w]`:
//!
//! | scheme | the init net makes | bytes per value |
//! |---|---|---|
//! | [`Scheme::Byte`] | `w_bytes` by `GivenTensorByteStringToUInt8Fill`, and `w` from it by `ByteWeightDequant` | 1 |
//! | [`Scheme::Fused8`] | `w_fused8` by `GivenTensorByteStringToUInt8Fill`: `o` rows of codes, scale and bias; `w` from it by `Fused8BitRowwiseQuantizedToFloat` and `Reshape` | 1, and 8 per row |
//! | [`Scheme::Half`] | `w_high` and `w_low` by `GivenTensorByteStringToUInt8Fill`, and `w` from them by `ByteWeightDequant`, `Cast`, `Gather`, `Mul` and `Add` | 2 |
//!
//! # How codes are chosen
//!
//! The range of a weight, or of a row, is searched for such that the sum of the squared errors is small: it may cut off
//! outliers, put a code exactly on zero, or take up the grid on which the values lie already. It is never worse than the range
//! from the least to the greatest value. Each value gets the code whose float, computed with the operator's own
//! arithmetic, is nearest; of two that are equally near the smaller one. A weight of one value is exact. Results depend
//! neither on the number of threads nor on the instruction set.
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
mod fused8;
mod half;
mod lookups;
mod report;
mod select;

use std::collections::HashMap;

use caffe2_operator::{BlobInfos, Threads};
use caffe2_proto::prost::Message as _;
use caffe2_proto::{NetDef, OperatorDef};

use crate::definitions::{size_in_net, without_operators};
use crate::names::Names;
use codes::Distance;
use lookups::Lookups;
use select::{Choice, Weight, choose, kept};

pub use error::QuantizeError;
pub use report::{KeepReason, KeptFloat, Lookup, QuantizedWeight, Report, WeightError};

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scheme {
    /// A code of one byte per value and one range per weight, expanded by `ByteWeightDequant`.
    #[default]
    Byte,
    /// A code of one byte per value and one range per row, with the scale and the bias of a row behind its codes,
    /// expanded by `Fused8BitRowwiseQuantizedToFloat`. A row is all that belongs to one index of the first dimension,
    /// such as an output of a layer, or an entry of an embedding table.
    Fused8,
    /// Two bytes per value, the float rounded to half precision.
    Half,
}

impl Scheme {
    /// The name, as on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Byte => "byte",
            Scheme::Fused8 => "fused8",
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
    /// Whether tables in [`Scheme::Fused8`] that only lookups read stay rows, and the net gets lookups for them. By
    /// default not: the net stays as it is.
    pub fuse_lookups: bool,
    /// What is known of the blobs that the net is fed. `Gather` can look up in rows only where its indices are known
    /// to be a vector.
    pub inputs: BlobInfos,
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
            fuse_lookups: false,
            inputs: BlobInfos::new(),
            threads: Threads::all(),
        }
    }
}

/// What [`quantize`] makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The init net, which makes the same blobs as before, some of them from bytes; of a table that stays rows, the rows.
    pub init: NetDef,
    /// The net with other lookups, where it has to be another one: it goes with the init net then.
    pub net: Option<NetDef>,
    /// What was done to each weight.
    pub report: Report,
}

/// Rewrites the init net of `net` such that it holds bytes instead of floats; see the [module](self).
///
/// # Errors
/// When a weight holds what cannot be stored, a pattern fits no blob, a fill is broken, or there is nothing to do.
pub fn quantize(init: &NetDef, net: &NetDef, options: &QuantizeOptions) -> Result<Quantized, QuantizeError> {
    let mut writer = Writer::new(init, net, options);
    let mut kept = Vec::new();
    for (position, choice) in choose(init, net, options)? {
        match choice {
            Choice::Keep(blob) => kept.push(blob),
            Choice::Quantize(weight) => kept.extend(writer.store(position, &weight)?),
        }
    }
    if writer.weights.is_empty() {
        return Err(QuantizeError::Nothing { kept });
    }
    Ok(writer.finish(kept))
}

/// The nets in the making.
struct Writer<'a> {
    init: &'a NetDef,
    options: &'a QuantizeOptions,
    scribe: Scribe,
    lookups: Option<Lookups<'a>>,
    /// What all weights of a scheme share, once there is one.
    halves: Option<half::Shared>,
    shapes: Option<String>,
    /// By position in the init net: what takes the place of a fill.
    replaced: HashMap<usize, Vec<OperatorDef>>,
    weights: Vec<QuantizedWeight>,
    /// Tables by name: the blob of their rows, which lookups read.
    tables: HashMap<String, String>,
}

impl<'a> Writer<'a> {
    fn new(init: &'a NetDef, net: &'a NetDef, options: &'a QuantizeOptions) -> Writer<'a> {
        let by_rows = options.scheme == Scheme::Fused8;
        Writer {
            init,
            options,
            scribe: Scribe { names: Names::of([init, net]), threads: options.threads.clone() },
            lookups: by_rows.then(|| Lookups::of(init, net, &options.inputs)),
            halves: None,
            shapes: None,
            replaced: HashMap::new(),
            weights: Vec::new(),
            tables: HashMap::new(),
        }
    }

    /// Puts a weight into its new form; tells if it stays after all.
    fn store(&mut self, position: usize, weight: &Weight<'_>) -> Result<Option<KeptFloat>, QuantizeError> {
        let scribe = &mut self.scribe;
        let mut stored = match self.options.scheme {
            Scheme::Byte => byte::store(weight, scribe)?,
            Scheme::Fused8 => {
                let shapes = self.shapes.get_or_insert_with(|| scribe.fresh("fused8_shape"));
                fused8::store(weight, shapes, scribe)?
            }
            Scheme::Half => {
                let shared = self.halves.get_or_insert_with(|| half::Shared::new(scribe));
                half::store(weight, shared, scribe)?
            }
        };
        let mut lookup = Lookup::None;
        if let (Some(lookups), Some(rows)) = (&self.lookups, &stored.rows)
            && lookups.alone_read(weight)
        {
            lookup = if self.options.fuse_lookups { Lookup::Fused } else { Lookup::Possible };
            if lookup == Lookup::Fused {
                self.tables.insert(weight.blob.to_owned(), rows.clone());
                // The rows are all that is needed.
                stored.ops.truncate(1);
            }
        }
        let (before, after) = (size_in_net(weight.fill), stored.ops.iter().map(size_in_net).sum());
        if after >= before {
            self.tables.remove(weight.blob);
            return Ok(Some(kept(weight.fill, weight.blob, KeepReason::NotSmaller { bytes: after })));
        }
        self.weights.push(QuantizedWeight {
            blob: weight.blob.to_owned(),
            dims: weight.shape.dims().to_vec(),
            bytes_before: before,
            bytes_after: after,
            ranges: stored.ranges,
            min: stored.min,
            max: stored.max,
            error: stored.distance.into(),
            lookup,
        });
        self.replaced.insert(position, stored.ops);
        Ok(None)
    }

    fn finish(mut self, kept: Vec<KeptFloat>) -> Quantized {
        let mut ops = Vec::with_capacity(self.init.op.len());
        for (position, op) in self.init.op.iter().enumerate() {
            match self.replaced.remove(&position) {
                Some(stored) => {
                    // The tables stand before the first weight that needs them.
                    ops.extend(self.halves.take().iter().flat_map(half::Shared::fills));
                    ops.extend(stored);
                }
                None => ops.push(op.clone()),
            }
        }
        let mut init = NetDef { op: ops, ..without_operators(self.init) };
        for output in &mut init.external_output {
            if let Some(rows) = self.tables.get(output) {
                output.clone_from(rows);
            }
        }
        let net =
            self.lookups.filter(|_| !self.tables.is_empty()).map(|lookups| lookups.rewritten(&self.tables));
        let (bytes_before, bytes_after) = (self.init.encoded_len(), init.encoded_len());
        Quantized { init, net, report: Report { weights: self.weights, kept, bytes_before, bytes_after } }
    }
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
    /// The blob of fused rows, if that is what the weight is made from.
    rows: Option<String>,
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
