//! The filter of a convolution as an operand of matrix products.

use super::ConvGeometry;
use crate::byte_rows::{ByteRows, LeftBytes, RightBytes};
use crate::gemm::{LeftOperand, MatRef, RightOperand};

/// Filters, of which those of one group are a matrix: a row for each.
pub(super) trait Filter<'a>: Copy + Sync + Send {
    /// The filters of a group on the left of a product.
    type Left: LeftOperand;
    /// The filters of a group, transposed, on its right.
    type Right: RightOperand;

    fn left(self, geometry: &ConvGeometry, group: usize) -> Self::Left;
    fn right(self, geometry: &ConvGeometry, group: usize) -> Self::Right;
}

/// Filters that are floats.
impl<'a> Filter<'a> for &'a [f32] {
    type Left = MatRef<'a>;
    type Right = MatRef<'a>;

    fn left(self, geometry: &ConvGeometry, group: usize) -> MatRef<'a> {
        let (rows, depth) = (geometry.group_filters(), geometry.depth());
        MatRef::within(&self[group * rows * depth..], rows, depth, depth)
    }

    fn right(self, geometry: &ConvGeometry, group: usize) -> MatRef<'a> {
        self.left(geometry, group).transposed()
    }
}

/// Filters that are kept as bytes.
#[derive(Debug)]
pub(super) struct Bytes<'a, B>(pub(super) &'a B);

impl<B> Clone for Bytes<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Bytes<'_, B> {}

impl<'a, B: ByteRows> Filter<'a> for Bytes<'a, B> {
    type Left = LeftBytes<'a, B>;
    type Right = RightBytes<'a, B, true>;

    fn left(self, geometry: &ConvGeometry, group: usize) -> Self::Left {
        let rows = geometry.group_filters();
        LeftBytes { weights: self.0, first: group * rows, rows }
    }

    fn right(self, geometry: &ConvGeometry, group: usize) -> Self::Right {
        RightBytes { weights: self.0, first: group * geometry.group_filters() }
    }
}
