//! Weights in half precision, as two strings of bytes that operators of every Caffe2 make floats of.
//!
//! No fill of Caffe2 makes a tensor of float16. But a finite half is `base[h] + step[h] * l`, where `h` is its high
//! byte (sign, exponent, two bits of the mantissa), `l` its low byte, `base[h]` the half with the low byte 0 and
//! `step[h]` the distance from there to the next. Both the product and the sum are floats without rounding, so that
//! `Gather`, `Mul` and `Add` give exactly the half, `-0` and the smallest numbers included.

use caffe2_operator::f16;
use caffe2_proto::OperatorDef;

use super::codes::Distance;
use super::select::Weight;
use super::{QuantizeError, Scribe, Stored};

/// The blobs that all weights of a net share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    base: String,
    step: String,
    index: String,
    value: String,
}

impl Shared {
    pub(super) fn new(scribe: &mut Scribe) -> Shared {
        let mut name = |wanted: &str| scribe.fresh(wanted);
        let (base, step) = (name("half_base"), name("half_step"));
        Shared { base, step, index: name("half_index"), value: name("half_value") }
    }

    /// The fills of the tables.
    pub(super) fn fills(&self) -> [OperatorDef; 2] {
        let fill = |name: &str, values: [f32; 256]| {
            OperatorDef::new("GivenTensorFill").output(name).arg("shape", [256]).arg("values", values)
        };
        [fill(&self.base, std::array::from_fn(base)), fill(&self.step, std::array::from_fn(step))]
    }
}

fn half(high: usize, low: u8) -> f32 {
    f16::from_be_bytes([high as u8, low]).to_f32()
}

/// The half with this high byte and the low byte 0; zero where there is no finite one.
fn base(high: usize) -> f32 {
    Some(half(high, 0)).filter(|base| base.is_finite()).unwrap_or_default()
}

/// From there to the next half.
fn step(high: usize) -> f32 {
    if half(high, 0).is_finite() { half(high, 1) - half(high, 0) } else { 0.0 }
}

/// The definitions that make a weight from halves.
pub(super) fn store(
    weight: &Weight<'_>,
    shared: &Shared,
    scribe: &mut Scribe,
) -> Result<Stored, QuantizeError> {
    let mut planes = [Vec::with_capacity(weight.values.len()), Vec::with_capacity(weight.values.len())];
    let mut distance = Distance::default();
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    for (index, &value) in weight.values.iter().enumerate() {
        let half = f16::from_f32(value);
        if half.is_infinite() {
            return Err(QuantizeError::BeyondHalf { blob: weight.blob.to_owned(), index, value });
        }
        for (plane, byte) in planes.iter_mut().zip(half.to_be_bytes()) {
            plane.push(byte);
        }
        distance.add(value, half.to_f32());
        (min, max) = (min.min(half.to_f32()), max.max(half.to_f32()));
    }
    let blob = weight.blob;
    let [high, low] = ["high", "low"].map(|plane| scribe.fresh(&format!("{blob}_{plane}")));
    let [high_bytes, low_bytes] = planes;
    let dims = weight.shape.to_i64s();
    let Shared { base, step, index, value } = shared;
    let op = |op_type: &str, inputs: [&str; 2], output: &str| {
        weight.like(OperatorDef::new(op_type).inputs(inputs).output(output))
    };
    let scratch = [&high, &low, index, value];
    let ops = vec![
        weight.byte_fill(&high, &dims, high_bytes),
        weight.byte_fill(&low, &dims, low_bytes),
        // With this range the float of a byte is the byte.
        weight.shaped(
            OperatorDef::new("ByteWeightDequant")
                .input(&low)
                .output(blob)
                .arg("min", 0.0f32)
                .arg("max", 255.0f32),
        ),
        weight.like(OperatorDef::new("Cast").input(&high).output(index).arg("to", INT32)),
        op("Gather", [step, index], value),
        op("Mul", [blob, value], blob),
        op("Gather", [base, index], value),
        op("Add", [blob, value], blob),
        weight.like(OperatorDef::new("Free").inputs(scratch).outputs(scratch)),
    ];
    Ok(Stored { ops, ranges: 0, min, max, distance, rows: None })
}

/// The number of the data type.
const INT32: i32 = caffe2_proto::tensor_proto::DataType::Int32 as i32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_two_exact_operations_give_every_half() {
        for half in (0..=u16::MAX).map(f16::from_bits).filter(|half| half.is_finite()) {
            let [high, low] = half.to_be_bytes();
            let (base, step) = (base(high.into()), step(high.into()));
            let value = f32::from(low) * step + base;
            assert_eq!(value.to_bits(), half.to_f32().to_bits(), "{half}");
        }
        assert!((0..256).all(|high| base(high).is_finite() && step(high).is_finite()));
    }
}
