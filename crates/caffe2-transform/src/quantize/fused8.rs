//! Weights as fused rows: the codes of a row, and behind them its scale and bias.

use caffe2_kernels::rowwise::{Fused8, Parameter, RowFormat};
use caffe2_proto::OperatorDef;
use caffe2_tensor::Shape;

use super::byte::too_wide;
use super::codes::Distance;
use super::fit::{Fit, Form, fit};
use super::select::Weight;
use super::{QuantizeError, Scribe, Stored};

type Tail = <Fused8 as RowFormat>::Parameter;

/// The number of rows of a weight and of values in each: its first dimension, and all others; a vector is one row.
fn rows(shape: &Shape) -> (usize, usize) {
    if shape.rank() < 2 { (1, shape.numel()) } else { (shape.dims()[0], shape.size_from(1)) }
}

/// The definitions that make a weight from rows; `shapes` is the blob for what `Reshape` tells of the shape before.
pub(super) fn store(weight: &Weight<'_>, shapes: &str, scribe: &mut Scribe) -> Result<Stored, QuantizeError> {
    let (count, width) = rows(&weight.shape);
    let Encoded { bytes, min, max, distance } = encode(weight, width, scribe)?;
    let blob = scribe.fresh(&format!("{}_fused8", weight.blob));
    let dims = [count as i64, (bytes.len() / count) as i64];
    let mut ops = vec![
        weight.byte_fill(&blob, &dims, bytes),
        weight.like(OperatorDef::new("Fused8BitRowwiseQuantizedToFloat").input(&blob).output(weight.blob)),
    ];
    if weight.shape.dims() != [count, width] {
        let reshape = OperatorDef::new("Reshape").input(weight.blob).outputs([weight.blob, shapes]);
        ops.push(weight.shaped(reshape));
    }
    Ok(Stored { ops, ranges: count, min, max, distance, rows: Some(blob) })
}

/// The rows of a weight.
struct Encoded {
    bytes: Vec<u8>,
    min: f32,
    max: f32,
    distance: Distance,
}

/// Rows that one thread makes at a time.
const GROUP: usize = 16;

fn encode(weight: &Weight<'_>, width: usize, scribe: &Scribe) -> Result<Encoded, QuantizeError> {
    // The values are in memory, four bytes each: a byte each and eight for every row are, too.
    let row_bytes = Fused8::row_bytes(width).map_err(|error| QuantizeError::BrokenFill {
        blob: weight.blob.to_owned(),
        why: error.to_string(),
    })?;
    let mut bytes = vec![0; weight.values.len() / width * row_bytes];
    let mut parts: Vec<_> =
        bytes.chunks_mut(GROUP * row_bytes).map(|rows| (rows, Some(Part::default()))).collect();
    scribe.threads.for_each_block(&mut parts, 1, 1, |index, part| {
        let (rows, result) = &mut part[0];
        let values = weight.values[index * GROUP * width..].chunks(width);
        *result = rows.chunks_mut(row_bytes).zip(values).try_fold(Part::default(), |part, (row, values)| {
            let Fit { line, codes, distance } = fit(values, Form::Tail, &caffe2_kernels::Threads::single())?;
            let (code_bytes, tail) = row.split_at_mut(width);
            code_bytes.copy_from_slice(&codes);
            Tail::write(line.affine, tail);
            Some(part.with(Part { min: line.min, max: line.max, distance }))
        });
    });
    let parts: Option<Vec<Part>> = parts.into_iter().map(|(_, part)| part).collect();
    let Some(parts) = parts else { return Err(too_wide(weight)) };
    let Part { min, max, distance } = parts.into_iter().fold(Part::default(), Part::with);
    Ok(Encoded { bytes, min, max, distance })
}

/// What is known of some rows.
struct Part {
    min: f32,
    max: f32,
    distance: Distance,
}

impl Default for Part {
    fn default() -> Part {
        Part { min: f32::INFINITY, max: f32::NEG_INFINITY, distance: Distance::default() }
    }
}

impl Part {
    fn with(self, other: Part) -> Part {
        Part {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            distance: self.distance.with(other.distance),
        }
    }
}
