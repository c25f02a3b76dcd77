//! A few lines about a blob, for people.

use std::fmt::Display;
use std::io::{self, Write};

use caffe2::{Blob, DataType, Element, Tensor, TensorError, f16};
use serde_json::{Value, json};

use crate::units::{ByteSize, grouped, short};

/// Elements that are shown of a tensor.
const FIRST: usize = 8;

/// Largest elements that are shown of a vector of scores.
const TOP: usize = 5;

/// Longest part of a string that is shown, in bytes.
const LONGEST: usize = 60;

/// Writes name, type and shape of a blob, and what can be said of its content in a few lines.
pub(super) fn write(out: &mut impl Write, name: &str, blob: &Blob) -> io::Result<()> {
    if let Some(int8) = blob.as_int8() {
        writeln!(out, "{name}: 8-bit tensor, scale {}, zero point {}", int8.scale, int8.zero_point)?;
    }
    let values = blob.as_tensor().or_else(|| blob.as_int8().map(|int8| &int8.values));
    let Some(tensor) = values else {
        return writeln!(out, "{name}: {}", blob.type_name());
    };
    let Some(data_type) = tensor.data_type() else {
        return writeln!(out, "{name}: shape {}, never written", tensor.shape());
    };
    let (count, size) = (grouped(tensor.numel()), ByteSize(tensor.byte_len()));
    let elements = if tensor.numel() == 1 { "element" } else { "elements" };
    writeln!(out, "{name}: {data_type} {}, {count} {elements}, {size}", tensor.shape())?;
    if tensor.numel() == 0 {
        return Ok(());
    }
    let lines = describe(tensor, data_type).map_err(io::Error::other)?;
    lines.iter().try_for_each(|(what, text)| writeln!(out, "  {what:<8} {text}"))
}

/// The same as JSON: name, type, shape, and of numbers the range, the mean, and the largest or the first values.
pub(super) fn json(name: &str, blob: &Blob) -> Result<Value, TensorError> {
    let Some(tensor) = blob.as_tensor() else {
        return Ok(json!({ "name": name, "holds": blob.type_name() }));
    };
    let mut value = json!({ "name": name, "shape": tensor.dims(), "bytes": tensor.byte_len() });
    let Some(data_type) = tensor.data_type() else { return Ok(value) };
    value["type"] = data_type.name().into();
    value["elements"] = tensor.numel().into();
    if let Ok(strings) = tensor.as_strings() {
        let first: Vec<_> = strings.iter().take(FIRST).map(|s| String::from_utf8_lossy(s)).collect();
        value["first"] = json!(first);
        return Ok(value);
    }
    let values = numbers(tensor, data_type)?;
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let count = finite().count();
    if count > 0 {
        value["min"] = json!(finite().fold(f64::INFINITY, f64::min));
        value["max"] = json!(finite().fold(f64::NEG_INFINITY, f64::max));
        value["mean"] = json!(finite().sum::<f64>() / count as f64);
    }
    value["not_finite"] = json!(values.len() - count);
    value["first"] = json!(values[..values.len().min(FIRST)]);
    if are_scores(tensor) && count == values.len() {
        let largest = order(&values).into_iter().take(TOP);
        value["largest"] = largest.map(|index| json!({ "index": index, "value": values[index] })).collect();
    }
    Ok(value)
}

/// The elements as numbers; truth values as 0 and 1.
fn numbers(tensor: &Tensor, data_type: DataType) -> Result<Vec<f64>, TensorError> {
    fn wide<T: Element>(tensor: &Tensor, wide: fn(T) -> f64) -> Result<Vec<f64>, TensorError> {
        Ok(tensor.as_slice::<T>()?.iter().map(|v| wide(*v)).collect())
    }
    match data_type {
        DataType::Float => wide(tensor, |v: f32| v.into()),
        DataType::Double => wide(tensor, |v: f64| v),
        DataType::Float16 => wide(tensor, |v: f16| v.into()),
        DataType::Int8 => wide(tensor, |v: i8| v.into()),
        DataType::Int16 => wide(tensor, |v: i16| v.into()),
        DataType::Int32 => wide(tensor, |v: i32| v.into()),
        DataType::Int64 => wide(tensor, |v: i64| v as f64),
        DataType::UInt8 => wide(tensor, |v: u8| v.into()),
        DataType::UInt16 => wide(tensor, |v: u16| v.into()),
        DataType::Bool => wide(tensor, |v: bool| f64::from(u8::from(v))),
        DataType::String => Ok(Vec::new()),
    }
}

/// The positions of values, the largest first.
fn order(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order
}

type Lines = Vec<(&'static str, String)>;

fn describe(tensor: &Tensor, data_type: DataType) -> Result<Lines, TensorError> {
    match data_type {
        DataType::Float => floats(tensor, |v: f32| v.into()),
        DataType::Double => floats(tensor, |v: f64| v),
        DataType::Float16 => floats(tensor, |v: f16| v.into()),
        DataType::Int8 => integers(tensor, |v: i8| v.into()),
        DataType::Int16 => integers(tensor, |v: i16| v.into()),
        DataType::Int32 => integers(tensor, |v: i32| v.into()),
        DataType::Int64 => integers(tensor, |v: i64| v),
        DataType::UInt8 => integers(tensor, |v: u8| v.into()),
        DataType::UInt16 => integers(tensor, |v: u16| v.into()),
        DataType::Bool => {
            let values = tensor.as_slice::<bool>()?;
            let count = values.iter().filter(|v| **v).count();
            Ok(vec![
                ("true", format!("{} of {}", grouped(count), grouped(values.len()))),
                listed(values, |v| *v),
            ])
        }
        DataType::String => Ok(vec![listed(tensor.as_strings()?, quoted)]),
    }
}

fn floats<T: Element>(tensor: &Tensor, wide: fn(T) -> f64) -> Result<Lines, TensorError> {
    let values = tensor.as_slice::<T>()?;
    let all = || values.iter().map(|v| wide(*v));
    let finite = || all().filter(|v| v.is_finite());
    let count = finite().count();
    let mut lines = Lines::new();
    if count > 0 {
        let (low, high) = finite().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let mean = finite().sum::<f64>() / count as f64;
        lines.push(("range", format!("{} to {}, mean {}", short(low), short(high), short(mean))));
    }
    let nans = all().filter(|v| v.is_nan()).count();
    let infinite = values.len() - count - nans;
    for (what, count) in [("NaN", nans), ("infinite", infinite)] {
        if count > 0 {
            lines.push((what, format!("{} of {}", grouped(count), grouped(values.len()))));
        }
    }
    if are_scores(tensor) && nans == 0 {
        let top: Vec<_> = order(&all().collect::<Vec<_>>())
            .iter()
            .take(TOP)
            .map(|&i| format!("#{i} {}", short(wide(values[i]))))
            .collect();
        lines.push(("largest", top.join(", ")));
    } else {
        lines.push(listed(values, |v| short(wide(*v))));
    }
    Ok(lines)
}

/// Whether a tensor looks like one score for each of several classes: all axes but one have length 1.
fn are_scores(tensor: &Tensor) -> bool {
    tensor.numel() > 1 && tensor.dims().contains(&tensor.numel())
}

fn integers<T: Element>(tensor: &Tensor, wide: fn(T) -> i64) -> Result<Lines, TensorError> {
    let values = tensor.as_slice::<T>()?;
    let all = || values.iter().map(|v| wide(*v));
    let range = all().min().zip(all().max()).map(|(low, high)| ("range", format!("{low} to {high}")));
    Ok(range.into_iter().chain([listed(values, |v| wide(*v))]).collect())
}

fn listed<T, D: Display>(values: &[T], show: impl Fn(&T) -> D) -> (&'static str, String) {
    let mut text = values.iter().take(FIRST).map(|v| show(v).to_string()).collect::<Vec<_>>().join(", ");
    if values.len() > FIRST {
        text.push_str(", …");
        return ("first", text);
    }
    (if values.len() == 1 { "value" } else { "values" }, text)
}

fn quoted(string: &caffe2::proto::bytes::Bytes) -> String {
    let cut = string.len() > LONGEST;
    let mut end = LONGEST.min(string.len());
    // Not within a character, where it is text.
    while cut && end > LONGEST - 4 && string[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    let text = match std::str::from_utf8(&string[..end]) {
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => string[..end].escape_ascii().to_string(),
    };
    if cut { format!("\"{text}\"… ({} bytes)", string.len()) } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: impl Into<Blob>) -> String {
        let mut out = Vec::new();
        write(&mut out, "y", &value.into()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_have_range_and_values() {
        let y = Tensor::from_slice([2, 2], &[1.0f32, -2.5, 0.0, 4.0]).unwrap();
        assert_eq!(
            text(y),
            "y: float [2, 2], 4 elements, 16 B\n  range    -2.5 to 4, mean 0.625\n  values   1, -2.5, 0, 4\n"
        );
        let y = Tensor::from_slice([2, 2], &[f32::NAN, f32::INFINITY, 1.0, f32::NAN]).unwrap();
        let y = text(y);
        assert!(y.contains("NaN      2 of 4\n") && y.contains("infinite 1 of 4\n"), "{y}");
    }

    #[test]
    fn scores_have_the_largest() {
        let mut scores = vec![0.0f32; 1000];
        (scores[7], scores[3]) = (0.75, 0.25);
        let y = text(Tensor::from_slice([1, 1000], &scores).unwrap());
        assert!(y.contains("  largest  #7 0.75, #3 0.25, #0 0, #1 0, #2 0\n"), "{y}");
        assert!(y.starts_with("y: float [1, 1000], 1,000 elements, 3.9 KiB\n"), "{y}");
    }

    #[test]
    fn other_types_and_states() {
        let y = text(Tensor::from_slice([9], &[3i64; 9]).unwrap());
        assert!(y.ends_with("  range    3 to 3\n  first    3, 3, 3, 3, 3, 3, 3, 3, …\n"), "{y}");
        let y = text(Tensor::scalar(true).unwrap());
        assert_eq!(y, "y: bool [], 1 element, 1 B\n  true     1 of 1\n  value    true\n");
        let y = text(
            Tensor::from_strings([2], ["a\n\"é\"", "x".repeat(100).as_str()].map(str::to_owned)).unwrap(),
        );
        assert!(y.contains(r#"values   "a\n\"é\"", "xxx"#) && y.contains("x\"… (100 bytes)\n"), "{y}");
        assert_eq!(text(Tensor::zeros::<f32>([0, 3]).unwrap()), "y: float [0, 3], 0 elements, 0 B\n");
        assert_eq!(text(Tensor::new()), "y: shape [0], never written\n");
        assert_eq!(text(Blob::new(5u8)), "y: u8\n");
    }
}
