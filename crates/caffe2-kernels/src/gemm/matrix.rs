//! Matrices borrowed from slices, bounds checked when they are made.

use crate::KernelError;
use crate::error::{check_len, product};

/// A matrix of floats within a slice, read-only, row-major or transposed.
#[derive(Debug, Clone, Copy)]
pub struct MatRef<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl<'a> MatRef<'a> {
    /// The whole of `data` as a row-major matrix.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] unless `data` has exactly `rows * cols` elements.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Result<Self, KernelError> {
        check_len("matrix", product("matrix", &[rows, cols])?, data.len())?;
        Ok(MatRef { data, rows, cols, row_stride: cols, col_stride: 1 })
    }

    /// A row-major matrix whose rows begin `row_stride` elements apart.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] if the last element lies outside of `data`.
    pub fn with_row_stride(
        data: &'a [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Result<Self, KernelError> {
        check_span(data.len(), rows, cols, row_stride)?;
        Ok(MatRef { data, rows, cols, row_stride, col_stride: 1 })
    }

    /// A row-major matrix within a slice that the caller has made long enough.
    ///
    /// # Panics
    ///
    /// If the last element lies outside of `data`.
    pub(crate) fn within(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(check_span(data.len(), rows, cols, row_stride).is_ok(), "matrix within its slice");
        MatRef { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, which shares the elements.
    #[must_use]
    pub fn transposed(self) -> Self {
        MatRef {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    /// The transpose if `transpose`, else the matrix itself.
    #[must_use]
    pub fn transposed_if(self, transpose: bool) -> Self {
        if transpose { self.transposed() } else { self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Whether the elements of a row lie together.
    pub(crate) fn is_row_major(&self) -> bool {
        self.col_stride == 1
    }

    /// The elements of a row of a matrix that is row-major.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub(crate) fn row(&self, r: usize) -> &'a [f32] {
        debug_assert!(self.is_row_major());
        &self.data[r * self.row_stride..][..self.cols]
    }
}

/// A row-major matrix of floats within a slice, to be written.
#[derive(Debug)]
pub struct MatMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
}

impl<'a> MatMut<'a> {
    /// The whole of `data` as a row-major matrix.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] unless `data` has exactly `rows * cols` elements.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Result<Self, KernelError> {
        check_len("matrix", product("matrix", &[rows, cols])?, data.len())?;
        Ok(MatMut { data, rows, cols, row_stride: cols })
    }

    /// A row-major matrix whose rows begin `row_stride` elements apart.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] if the last element lies outside of `data`, [`KernelError::Mismatch`] if rows
    /// would overlap (`row_stride` below `cols`).
    pub fn with_row_stride(
        data: &'a mut [f32],
        rows: usize,
        cols: usize,
        row_stride: usize,
    ) -> Result<Self, KernelError> {
        if row_stride < cols && rows > 1 {
            return Err(KernelError::Mismatch {
                what: "row stride below the columns",
                left: row_stride,
                right: cols,
            });
        }
        check_span(data.len(), rows, cols, row_stride)?;
        Ok(MatMut { data, rows, cols, row_stride })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }
}

/// Checks that a row-major matrix with the given row stride lies within `len` elements.
fn check_span(len: usize, rows: usize, cols: usize, row_stride: usize) -> Result<(), KernelError> {
    if rows == 0 || cols == 0 {
        return Ok(());
    }
    let end = (rows - 1).checked_mul(row_stride).and_then(|start| start.checked_add(cols));
    let end = end.ok_or(KernelError::Overflow { what: "matrix" })?;
    if end > len {
        return Err(KernelError::Length { what: "matrix", expected: end, found: len });
    }
    Ok(())
}
