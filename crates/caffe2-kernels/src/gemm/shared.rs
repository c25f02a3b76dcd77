//! The output of a product, shared among threads that write different elements.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use super::MatMut;

/// A matrix that several threads write, each its own elements.
#[derive(Debug)]
pub(crate) struct SharedMut<'a> {
    ptr: *mut f32,
    len: usize,
    row_stride: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it stands for an exclusive borrow of floats.
unsafe impl Send for SharedMut<'_> {}
// SAFETY: through a shared reference elements are reached by unsafe functions only, whose callers see to it that each is
// used by one thread.
unsafe impl Sync for SharedMut<'_> {}

impl<'a> MatMut<'a> {
    /// The matrix, to be written by several threads.
    pub(crate) fn into_shared(self) -> SharedMut<'a> {
        let (data, row_stride) = (self.data, self.row_stride);
        SharedMut { ptr: data.as_mut_ptr(), len: data.len(), row_stride, borrowed: PhantomData }
    }
}

impl<'a> SharedMut<'a> {
    /// The distance between rows.
    pub(crate) fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// All of the slice that the matrix was made of.
    pub(crate) fn into_slice(self) -> &'a mut [f32] {
        // SAFETY: pointer and length are those of the slice, which is borrowed for 'a; what was lent of it was lent by
        // `self`, which ends here.
        unsafe { std::slice::from_raw_parts_mut(self.ptr, self.len) }
    }

    /// Whether so many rows and columns lie within the slice, the rows apart from each other.
    pub(crate) fn holds(&self, rows: usize, columns: usize) -> bool {
        let end =
            rows.saturating_sub(1).checked_mul(self.row_stride).and_then(|start| start.checked_add(columns));
        rows == 0 || end.is_some_and(|end| end <= self.len) && (columns <= self.row_stride || rows == 1)
    }

    /// Element (`r`, `j`).
    ///
    /// # Safety
    ///
    /// The matrix has this element.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, r: usize, j: usize) -> *mut f32 {
        // SAFETY: the matrix lies within its slice, as `MatMut` has checked.
        unsafe { self.ptr.add(r * self.row_stride + j) }
    }

    /// `width` elements of row `r` from column `start` on.
    ///
    /// # Safety
    ///
    /// The matrix has them, and nobody else uses them while the result lives.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn piece(&self, r: usize, start: usize, width: usize) -> &mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.at(r, start), width) }
    }
}
