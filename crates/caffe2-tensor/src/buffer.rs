//! Aligned, always initialised memory: one of the few places with `unsafe`.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::{Charge, Element, MemoryBudget, TensorError, huge_pages};

/// The alignment of every buffer: a cache line, and the widest vector.
pub(crate) const ALIGNMENT: usize = 64;

/// A block of bytes that starts at a multiple of [`ALIGNMENT`] and was zeroed when it was made.
///
/// The block is asked of the allocator with spare bytes and the allocator's own alignment, since a zeroed
/// block of a larger alignment would be cleared by hand, where a large plain one comes as untouched zero
/// pages. A large buffer begins at a huge page and asks the system for these.
pub(crate) struct Buffer {
    /// The first aligned byte of the block.
    data: NonNull<u8>,
    capacity: usize,
    /// The block as the allocator knows it; absent for no bytes.
    block: Option<(NonNull<u8>, Layout)>,
    _charge: Option<Charge>,
}

// SAFETY: a buffer owns its block alone, and the block is plain bytes.
unsafe impl Send for Buffer {}
// SAFETY: through a shared buffer the bytes can only be read.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A zeroed buffer of `capacity` bytes, charged to `budget`.
    pub(crate) fn zeroed(capacity: usize, budget: Option<&Arc<MemoryBudget>>) -> Result<Buffer, TensorError> {
        if capacity == 0 {
            // Aligned, never read or written through: the slices made of it are empty.
            let data = NonNull::without_provenance(const { std::num::NonZero::new(ALIGNMENT).unwrap() });
            return Ok(Buffer { data, capacity, block: None, _charge: None });
        }
        let charge = budget.map(|b| b.charge(capacity)).transpose()?;
        let refused = TensorError::OutOfMemory { bytes: capacity };
        let alignment = huge_pages::alignment(capacity).unwrap_or(ALIGNMENT);
        let size = capacity.checked_add(alignment).ok_or_else(|| refused.clone())?;
        let layout = Layout::from_size_align(size, 16).map_err(|_| refused.clone())?;
        // SAFETY: the layout is not of size zero.
        let block = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(refused)?;
        let skip = block.as_ptr().addr().wrapping_neg() % alignment;
        // SAFETY: skip < alignment, the number of spare bytes behind the capacity.
        let data = unsafe { block.add(skip) };
        let mut buffer = Buffer { data, capacity, block: Some((block, layout)), _charge: charge };
        if alignment > ALIGNMENT {
            huge_pages::ask(buffer.bytes_mut());
        }
        Ok(buffer)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// All bytes of the buffer.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the block is `capacity` initialised bytes from `data` on, and is only written through
        // a mutable borrow of the buffer.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.capacity) }
    }

    /// All bytes of the buffer, for writing.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and the buffer is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.capacity) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some((block, layout)) = self.block {
            // SAFETY: the block came from `alloc_zeroed` with this layout and is freed once.
            unsafe { dealloc(block.as_ptr(), layout) }
        }
    }
}

/// The first `numel` elements of `bytes`.
///
/// For `bool` the caller must have made sure that the bytes are zeros and ones.
///
/// # Panics
/// When the bytes are too few or not aligned for `T`: the tensor broke its own rules.
pub(crate) fn typed<T: Element>(bytes: &[u8], numel: usize) -> &[T] {
    check_cast::<T>(bytes, numel);
    // SAFETY: length and alignment were checked; every `Element` is plain data for which any bytes are
    // a value, but bool, for which the tensor zeroes bytes that were written as another type.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), numel) }
}

/// As [`typed`], for writing.
pub(crate) fn typed_mut<T: Element>(bytes: &mut [u8], numel: usize) -> &mut [T] {
    check_cast::<T>(bytes, numel);
    // SAFETY: as in `typed`, and the bytes are borrowed mutably; any `Element` leaves valid bytes.
    unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<T>(), numel) }
}

fn check_cast<T: Element>(bytes: &[u8], numel: usize) {
    assert!(numel <= bytes.len() / size_of::<T>() && bytes.as_ptr().cast::<T>().is_aligned());
}

/// The bytes of plain elements, in the order of the machine.
pub(crate) fn as_bytes<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: elements are plain data without padding, so all their bytes are initialised.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast::<u8>(), size_of_val(elements)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_writable_to_the_last_byte() {
        for capacity in [0, 1, 63, 64, 65, 4096, 1 << 20, (4 << 20) + 5] {
            let mut buffer = Buffer::zeroed(capacity, None).unwrap();
            assert_eq!(buffer.bytes().as_ptr().addr() % ALIGNMENT, 0);
            assert!(buffer.bytes().iter().all(|&b| b == 0));
            buffer.bytes_mut().fill(0xff);
            assert_eq!(buffer.bytes().len(), capacity);
            assert!(buffer.bytes().iter().all(|&b| b == 0xff));
        }
    }

    #[test]
    fn views_are_of_the_bytes() {
        let mut buffer = Buffer::zeroed(8, None).unwrap();
        typed_mut::<u16>(buffer.bytes_mut(), 4).copy_from_slice(&[1, 2, 3, 0x0405]);
        assert_eq!(typed::<u16>(buffer.bytes(), 4), [1, 2, 3, 0x0405]);
        assert_eq!(as_bytes(&[0x0405u16]), 0x0405u16.to_ne_bytes());
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn a_view_past_the_end_is_caught() {
        typed::<f64>(Buffer::zeroed(15, None).unwrap().bytes(), 2);
    }

    #[test]
    fn what_cannot_be_had_is_an_error() {
        assert!(matches!(Buffer::zeroed(usize::MAX, None), Err(TensorError::OutOfMemory { .. })));
        assert!(matches!(
            Buffer::zeroed(isize::MAX as usize - 64, None),
            Err(TensorError::OutOfMemory { .. })
        ));
        let budget = MemoryBudget::new(100);
        let held = Buffer::zeroed(90, Some(&budget)).unwrap();
        assert!(matches!(Buffer::zeroed(11, Some(&budget)), Err(TensorError::OverBudget { .. })));
        drop(held);
        assert_eq!(budget.used(), 0);
    }
}
