//! Where the elements of a tensor live.

use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::Buffer;
use crate::{Charge, MemoryBudget, TensorError};

/// The elements of one or, when shared, of several tensors.
pub(crate) enum Storage {
    /// Elements of fixed size in memory of our own.
    Owned(Buffer),
    /// `uint8` elements inside somebody else's bytes, such as a model file; copied before a write.
    Foreign(Bytes),
    /// One byte string per element.
    Strings(Strings),
}

/// Byte strings, charged to a budget for the vector that holds them.
pub(crate) struct Strings {
    pub(crate) elements: Vec<Bytes>,
    _charge: Option<Charge>,
}

impl Strings {
    /// `numel` empty strings.
    pub(crate) fn empty(numel: usize, budget: Option<&Arc<MemoryBudget>>) -> Result<Strings, TensorError> {
        let bytes = numel.saturating_mul(size_of::<Bytes>());
        let charge = budget.map(|b| b.charge(bytes)).transpose()?;
        let mut elements = Vec::new();
        elements.try_reserve_exact(numel).map_err(|_| TensorError::OutOfMemory { bytes })?;
        elements.resize(numel, Bytes::new());
        Ok(Strings { elements, _charge: charge })
    }
}

impl Storage {
    /// The plain bytes; `None` for strings.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Storage::Owned(buffer) => Some(buffer.bytes()),
            Storage::Foreign(bytes) => Some(bytes),
            Storage::Strings(_) => None,
        }
    }
}
