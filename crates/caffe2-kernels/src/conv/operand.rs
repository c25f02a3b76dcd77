//! The filter of a convolution as an operand of matrix products: those of one group are a matrix, a row for each.

use super::ConvGeometry;
use crate::byte_rows::{ByteRows, LeftBytes, RightBytes};
use crate::gemm::{LeftLayout, LeftOperand, MatRef, PackedLeft, RightOperand};

/// Filters on the left of a product.
pub(super) trait LeftFilter: Copy + Sync + Send {
    type Left: LeftOperand;

    /// The filters of a group.
    fn left(self, geometry: &ConvGeometry, group: usize) -> Self::Left;
}

/// Filters on the right of a product.
pub(super) trait RightFilter: Copy + Sync + Send {
    type Right: RightOperand;

    /// The filters of a group, transposed.
    fn right(self, geometry: &ConvGeometry, group: usize) -> Self::Right;
}

/// Filters that are floats.
impl<'a> LeftFilter for &'a [f32] {
    type Left = MatRef<'a>;

    fn left(self, geometry: &ConvGeometry, group: usize) -> MatRef<'a> {
        let (rows, depth) = (geometry.group_filters(), geometry.depth());
        MatRef::within(&self[group * rows * depth..], rows, depth, depth)
    }
}

impl<'a> RightFilter for &'a [f32] {
    type Right = MatRef<'a>;

    fn right(self, geometry: &ConvGeometry, group: usize) -> MatRef<'a> {
        self.left(geometry, group).transposed()
    }
}

/// Filters that are packed, group by group.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedGroups<'a> {
    pub(super) layout: LeftLayout,
    pub(super) data: &'a [f32],
}

impl<'a> LeftFilter for PackedGroups<'a> {
    type Left = PackedLeft<'a>;

    fn left(self, _: &ConvGeometry, group: usize) -> PackedLeft<'a> {
        let len = self.layout.len();
        PackedLeft::new(self.layout, &self.data[group * len..][..len])
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

impl<'a, B: ByteRows> LeftFilter for Bytes<'a, B> {
    type Left = LeftBytes<'a, B>;

    fn left(self, geometry: &ConvGeometry, group: usize) -> Self::Left {
        let rows = geometry.group_filters();
        LeftBytes { weights: self.0, first: group * rows, rows }
    }
}

impl<'a, B: ByteRows> RightFilter for Bytes<'a, B> {
    type Right = RightBytes<'a, B, true>;

    fn right(self, geometry: &ConvGeometry, group: usize) -> Self::Right {
        RightBytes { weights: self.0, first: group * geometry.group_filters() }
    }
}
