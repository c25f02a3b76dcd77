//! Where the elements of a tensor live.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use bytes::Bytes;

use crate::buffer::Buffer;
use crate::coded::Coded;
use crate::{Charge, MemoryBudget, TensorError};

/// The elements of one or, when shared, of several tensors.
pub(crate) enum Storage {
    /// Elements of fixed size in memory of our own.
    Owned(Buffer),
    /// `uint8` elements inside somebody else's bytes, such as a model file; copied before a write.
    Foreign(Bytes),
    /// Floats that are made when they are first read; never written.
    Coded(Coded),
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

/// The storage for writing, when no other tensor shares it: `Arc::get_mut` without its lock against weak
/// references, of which there are none.
#[inline]
pub(crate) fn unique(storage: &mut Arc<Storage>) -> Option<&mut Storage> {
    if Arc::strong_count(storage) != 1 {
        return None;
    }
    // Pairs with the release of the last other reference, so that its reads have ended.
    fence(Ordering::Acquire);
    // SAFETY: this is the only reference: the count is 1, no weak ones are ever made of storage, and the
    // mutable borrow keeps anybody from cloning this one.
    Some(unsafe { &mut *Arc::as_ptr(storage).cast_mut() })
}

impl Storage {
    /// The plain bytes; `None` for strings.
    ///
    /// # Errors
    /// When elements have yet to be made and memory is short.
    #[inline]
    pub(crate) fn bytes(&self) -> Result<Option<&[u8]>, TensorError> {
        match self {
            Storage::Owned(buffer) => Ok(Some(buffer.bytes())),
            Storage::Foreign(bytes) => Ok(Some(bytes)),
            Storage::Coded(coded) => coded.bytes().map(Some),
            Storage::Strings(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unshared_storage_is_for_writing() {
        let mut one = Arc::new(Storage::Foreign(Bytes::from_static(b"a")));
        let two = Arc::clone(&one);
        assert!(unique(&mut one).is_none());
        drop(two);
        *unique(&mut one).unwrap() = Storage::Foreign(Bytes::from_static(b"bc"));
        assert_eq!(one.bytes(), Ok(Some(&b"bc"[..])));
    }

    #[test]
    fn what_another_thread_read_is_over_before_it_is_written() {
        let mut storage = Arc::new(Storage::Owned(Buffer::zeroed(8, None).unwrap()));
        for round in 0..100u8 {
            let reader = Arc::clone(&storage);
            let thread = std::thread::spawn(move || reader.bytes().unwrap().map(|b| b[0]));
            loop {
                if let Some(Storage::Owned(buffer)) = unique(&mut storage) {
                    buffer.bytes_mut()[0] = round + 1;
                    break;
                }
                std::thread::yield_now();
            }
            assert_eq!(thread.join().unwrap(), Some(round));
        }
    }
}
