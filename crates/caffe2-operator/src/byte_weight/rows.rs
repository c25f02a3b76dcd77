//! Weights that are kept as rows of bytes with a scale and a bias of their own.

use std::marker::PhantomData;

use caffe2_kernels::Threads;
use caffe2_kernels::rowwise::{Bits, FusedRows, RowFormat, dequantize_rows};
use caffe2_tensor::{CodedElements, Tensor, TensorError};

/// A float tensor that is kept as rows of bytes, each with its scale and bias behind, in the format `F`.
///
/// The operators of the name `Fused8BitRowwiseQuantizedToFloat` make tensors of it when they are told to keep the codes;
/// see [`ByteWeight`](super::ByteWeight).
#[derive(Debug)]
pub struct RowWeight<F> {
    /// The rows, shared with whoever else has them.
    rows: Tensor,
    row_bytes: usize,
    format: PhantomData<fn() -> F>,
}

impl<F: RowFormat<Packing = Bits<8>>> RowWeight<F> {
    /// The weights in `rows`, a tensor of `uint8` of which each `row_bytes` are a row; its memory is shared.
    ///
    /// # Errors
    /// When `rows` is another kind of tensor.
    pub fn new(rows: &Tensor, row_bytes: usize) -> Result<RowWeight<F>, TensorError> {
        rows.as_slice::<u8>()?;
        Ok(RowWeight { rows: rows.clone().within(None), row_bytes, format: PhantomData })
    }

    /// Whether these are the weights in the same bytes, without a look at them: they are where they were, and since they
    /// are shared nobody has written them.
    pub fn is_of(&self, rows: &Tensor, row_bytes: usize) -> bool {
        self.rows.shares_storage_with(rows)
            && self.rows.numel() == rows.numel()
            && self.row_bytes == row_bytes
    }

    /// The rows; `None` when the bytes are no whole rows.
    pub fn table(&self) -> Option<FusedRows<'_, F>> {
        FusedRows::new(self.rows.as_slice().ok()?, self.row_bytes).ok()
    }
}

impl<F: RowFormat<Packing = Bits<8>>> CodedElements for RowWeight<F> {
    fn expand(&self, out: &mut [f32]) {
        if let Some(table) = self.table() {
            // The lengths agree: the operator has found the shape from the same bytes.
            let expanded = dequantize_rows(&Threads::single(), &table, out);
            debug_assert!(expanded.is_ok(), "{expanded:?}");
        }
    }
}
