//! Files of tensors.

use std::io::Cursor;

use caffe2::Tensor;
use caffe2::files::{npy, npz, tensor_protos as protos};

use super::{LIMITS, MEMORY};

/// A `TensorProtos` message.
pub(super) fn tensor_protos(data: &[u8]) {
    if let Ok(tensors) = protos::from_bytes(data.to_vec(), &LIMITS) {
        bounded(tensors.iter().map(|(_, tensor)| tensor));
    }
}

/// An `.npy` or `.npz` file.
pub(super) fn numpy(data: &[u8]) {
    if let Ok(tensor) = npy::from_bytes(data, &LIMITS) {
        bounded([&tensor]);
    }
    if let Ok(tensors) = npz::read_from(Cursor::new(data), &LIMITS) {
        bounded(tensors.iter().map(|(_, tensor)| tensor));
    }
}

/// Looks at all elements; together they stay within the limit.
fn bounded<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) {
    let bytes: usize = tensors
        .into_iter()
        .map(|tensor| match tensor.as_strings() {
            Ok(strings) => strings.iter().map(|string| string.len()).sum(),
            Err(_) => tensor.as_bytes().map_or(0, |bytes| bytes.iter().map(|_| 1).sum()),
        })
        .sum();
    assert!(bytes <= MEMORY, "{bytes} bytes of tensors");
}
