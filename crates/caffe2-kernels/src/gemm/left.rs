//! Left operands of a product: matrices as they lie, packed once for many products, or expanded piece by piece.

use std::ops::Range;

use super::MatRef;
use super::micro::{Left, Micro};
use crate::Isa;

/// The layout of a left operand that is packed for an instruction set: groups of as many rows as a tile has, in each
/// of them column by column. The last group is padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftLayout {
    isa: Isa,
    rows: usize,
    depth: usize,
    group: usize,
}

impl LeftLayout {
    pub(crate) fn new(isa: Isa, rows: usize, depth: usize) -> LeftLayout {
        let micro = Micro::new(isa);
        LeftLayout { isa: micro.isa(), rows, depth, group: micro.rows }
    }

    /// The instruction set whose products read the operand.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Fills a packed operand with `value(row, column)`.
    ///
    /// # Panics
    ///
    /// If `to` has not the floats of the layout.
    pub(crate) fn fill(&self, to: &mut [f32], value: impl Fn(usize, usize) -> f32) {
        assert_eq!(to.len(), self.len(), "packed operand");
        for (first, to) in
            (0..self.rows).step_by(self.group).zip(to.chunks_exact_mut(self.group * self.depth))
        {
            for (k, to) in to.chunks_exact_mut(self.group).enumerate() {
                for (row, x) in (first..).zip(to) {
                    *x = if row < self.rows { value(row, k) } else { 0.0 };
                }
            }
        }
    }

    /// Floats of the packed operand.
    pub(crate) fn len(&self) -> usize {
        self.rows.next_multiple_of(self.group) * self.depth
    }

    /// Packs a matrix of the layout's size.
    ///
    /// # Panics
    ///
    /// If the sizes do not fit.
    pub(crate) fn pack(&self, matrix: &MatRef<'_>, to: &mut [f32]) {
        assert_eq!(
            (matrix.rows, matrix.cols, to.len()),
            (self.rows, self.depth, self.len()),
            "packed operand"
        );
        pack_rows(matrix, 0..self.rows, 0..self.depth, self.group, to);
    }
}

/// Packs some rows and columns of a matrix in groups of `group` rows, column by column.
pub(super) fn pack_rows(
    matrix: &MatRef<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    group: usize,
    to: &mut [f32],
) {
    for (first, to) in rows.clone().step_by(group).zip(to.chunks_exact_mut(group * k.len())) {
        for r in 0..group {
            let mut lane = to[r..].iter_mut().step_by(group);
            if first + r >= rows.end {
                lane.for_each(|x| *x = 0.0);
                continue;
            }
            let row = &matrix.data[(first + r) * matrix.row_stride + k.start * matrix.col_stride..];
            if matrix.col_stride == 1 {
                lane.zip(&row[..k.len()]).for_each(|(x, value)| *x = *value);
            } else {
                for p in 0..k.len() {
                    if let Some(x) = lane.next() {
                        *x = row[p * matrix.col_stride];
                    }
                }
            }
        }
    }
}

/// A left operand: a matrix, or something that is expanded into one piece by piece.
pub(crate) trait LeftOperand: Sync {
    /// The number of rows, and of summands.
    fn size(&self) -> (usize, usize);

    /// How the operand lies in memory.
    fn form(&self) -> LeftForm<'_>;

    /// Writes summands `k` of `rows`, row by row, to `out`, which holds as many elements. Called for operands that are
    /// [`LeftForm::Expanded`] only.
    fn expand(&self, rows: Range<usize>, k: Range<usize>, out: &mut [f32]);
}

/// How a left operand lies in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LeftForm<'a> {
    /// As a matrix.
    Matrix(MatRef<'a>),
    /// Packed.
    Packed(PackedLeft<'a>),
    /// Not as floats: it has to be expanded.
    Expanded,
}

impl LeftOperand for MatRef<'_> {
    fn size(&self) -> (usize, usize) {
        (self.rows(), self.cols())
    }

    fn form(&self) -> LeftForm<'_> {
        LeftForm::Matrix(*self)
    }

    fn expand(&self, _: Range<usize>, _: Range<usize>, _: &mut [f32]) {
        unreachable!("a matrix in memory is used where it lies")
    }
}

/// A packed matrix, with as many floats as its layout says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedLeft<'a> {
    layout: LeftLayout,
    data: &'a [f32],
}

impl<'a> PackedLeft<'a> {
    /// A packed operand.
    ///
    /// # Panics
    ///
    /// If `data` has not the floats of the layout.
    pub(crate) fn new(layout: LeftLayout, data: &'a [f32]) -> PackedLeft<'a> {
        assert_eq!(data.len(), layout.len(), "packed operand");
        PackedLeft { layout, data }
    }
}

impl LeftOperand for PackedLeft<'_> {
    fn size(&self) -> (usize, usize) {
        (self.layout.rows, self.layout.depth)
    }

    fn form(&self) -> LeftForm<'_> {
        LeftForm::Packed(*self)
    }

    fn expand(&self, _: Range<usize>, _: Range<usize>, _: &mut [f32]) {
        unreachable!("a packed matrix is used where it lies")
    }
}

impl LeftForm<'_> {
    /// Whether products on `micro` can read it.
    pub(super) fn suits(&self, micro: &Micro) -> bool {
        match self {
            LeftForm::Packed(packed) => packed.layout.group == micro.rows,
            LeftForm::Matrix(_) | LeftForm::Expanded => true,
        }
    }

    /// Where element (`row`, `k`) is, with the strides from there, in a tile's worth of rows; none when the operand has
    /// to be expanded. `row` is a multiple of the rows of a tile where the operand is packed.
    ///
    /// # Panics
    ///
    /// If there is no such element.
    pub(super) fn at(&self, row: usize, k: usize) -> Option<Left> {
        match self {
            LeftForm::Matrix(m) => Some(Left {
                ptr: m.data[row * m.row_stride + k * m.col_stride..].as_ptr(),
                row_stride: m.row_stride as isize,
                col_stride: m.col_stride as isize,
            }),
            LeftForm::Packed(PackedLeft { layout, data }) => Some(Left {
                ptr: data[row * layout.depth + k * layout.group..].as_ptr(),
                row_stride: 1,
                col_stride: layout.group as isize,
            }),
            LeftForm::Expanded => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_lie_together() {
        let data: Vec<f32> = (0..7 * 5).map(|i| i as f32).collect();
        for isa in Isa::available() {
            for transposed in [false, true] {
                let matrix = if transposed { MatRef::new(&data, 5, 7) } else { MatRef::new(&data, 7, 5) };
                let matrix = matrix.unwrap().transposed_if(transposed);
                let layout = LeftLayout::new(isa, 7, 5);
                let mut packed = vec![-1.0; layout.len()];
                layout.pack(&matrix, &mut packed);
                for r in 0..layout.len() / 5 {
                    for k in 0..5 {
                        let at = r / layout.group * layout.group * 5 + k * layout.group + r % layout.group;
                        let value = || matrix.data[r * matrix.row_stride + k * matrix.col_stride];
                        assert_eq!(packed[at], if r < 7 { value() } else { 0.0 }, "{isa:?} {r} {k}");
                    }
                }
            }
        }
    }
}
