//! Weights as codes of one range each, behind `ByteWeightDequant`.

use caffe2_proto::OperatorDef;

use super::fit::{Form, extremes, fit};
use super::select::Weight;
use super::{QuantizeError, Scribe, Stored};

/// The definitions that make a weight from codes.
pub(super) fn store(weight: &Weight<'_>, scribe: &mut Scribe) -> Result<Stored, QuantizeError> {
    let fit = fit(weight.values, Form::Range, &scribe.threads).ok_or_else(|| too_wide(weight))?;
    let codes = scribe.fresh(&format!("{}_bytes", weight.blob));
    let (min, max) = (fit.line.min, fit.line.max);
    let ops = vec![
        weight.byte_fill(&codes, weight.shape.to_i64s().as_slice(), fit.codes),
        weight.shaped(
            OperatorDef::new("ByteWeightDequant")
                .input(codes)
                .output(weight.blob)
                .arg("min", min)
                .arg("max", max),
        ),
    ];
    Ok(Stored { ops, ranges: 1, min, max, distance: fit.distance, rows: None })
}

pub(super) fn too_wide(weight: &Weight<'_>) -> QuantizeError {
    let (min, max) = extremes(weight.values).unwrap_or_default();
    QuantizeError::TooWide { blob: weight.blob.to_owned(), min, max }
}
