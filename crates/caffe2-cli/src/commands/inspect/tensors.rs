//! Files of tensors.

use caffe2::operator::{Int8Tensor, TensorInfo};
use caffe2::proto::bytes::Bytes;
use caffe2::{Blob, Tensor};
use serde_json::json;

use super::{Report, bytes};
use crate::table::{Align, indented};
use crate::units::grouped;

/// Names, types and shapes.
pub(super) fn report(blobs: impl IntoIterator<Item = (String, Blob)>) -> Report {
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    let (mut elements, mut total) = (0u64, 0u64);
    for (name, blob) in blobs {
        let (what, shape, size) = describe(&blob);
        if let Some(tensor) = blob.as_tensor() {
            elements += tensor.numel() as u64;
        }
        total += size;
        entries.push(json!({ "name": name, "type": what, "shape": shape, "bytes": size }));
        let shape = shape.map_or(String::new(), |dims| format!("{dims:?}"));
        rows.push(vec![name, what, shape, bytes(size).to_string()]);
    }
    let count = rows.len();
    let plural = if count == 1 { "blob" } else { "blobs" };
    let mut text = indented(&[Align::Left, Align::Left, Align::Left, Align::Right], &rows);
    let elements = grouped(usize::try_from(elements).unwrap_or(usize::MAX));
    text += &format!("{count} {plural}, {elements} elements, {}\n", bytes(total));
    Report { text, json: json!({ "blobs": entries }) }
}

/// Type, shape and bytes.
fn describe(blob: &Blob) -> (String, Option<Vec<usize>>, u64) {
    let size = |tensor: &Tensor| match tensor.as_strings() {
        Ok(strings) => strings.iter().map(|s| s.len() as u64).sum(),
        Err(_) => TensorInfo::from(tensor).byte_len(),
    };
    if let Some(tensor) = blob.as_tensor() {
        let name = tensor.data_type().map_or("never written", |data_type| data_type.name());
        return (name.to_owned(), Some(tensor.dims().to_vec()), size(tensor));
    }
    let int8 = |q: &Int8Tensor| {
        let what = format!("8-bit, scale {}, zero {}", q.scale, q.zero_point);
        (what, Some(q.values.dims().to_vec()), size(&q.values))
    };
    let text = |text: &Bytes| ("string, no tensor".to_owned(), None, text.len() as u64);
    blob.with(int8).or_else(|_| blob.with(text)).unwrap_or_else(|_| (blob.type_name().to_owned(), None, 0))
}
