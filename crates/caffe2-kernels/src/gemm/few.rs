//! Products with few rows or few columns: each element of the large operand is used only a few times, so
//! reading it once, straight through, is all that counts.
#![allow(unsafe_code)]

use std::ops::Range;

use super::{Factors, MatMut, MatRef};
use crate::isa::multiply_add;
use crate::rows::add_rows;
use crate::simd::{Kernel, Vector, dispatch};
use crate::{Isa, Threads};

/// Elements of the large operand that one thread reads at a time, about.
const BLOCK: usize = 64 * 1024;
/// Elements of the large operand below which waking a pool costs more than it gains.
const GRAIN: usize = 128 * 1024;
/// Partial sums of a dot product: fixed, so that its result is the same however rows are grouped.
const LANES: usize = 16;

/// The product where the summands of each element lie contiguous in both operands.
///
/// # Panics
///
/// If the sizes do not fit together.
pub(super) fn dot_products(
    isa: Isa,
    threads: &Threads,
    factors: Factors<'_>,
    a: MatRef<'_>,
    b: MatRef<'_>,
    c: MatMut<'_>,
) {
    let (rows, columns, depth) = (c.rows, c.cols, a.cols);
    assert!((a.rows, b.cols, b.rows) == (rows, columns, depth) && a.col_stride == 1 && b.row_stride == 1);
    let left = |r: usize| &a.data[r * a.row_stride..][..depth];
    let right = |j: usize| &b.data[j * b.col_stride..][..depth];
    let few_rows = rows <= columns;
    let (many, few) = if few_rows { (columns, rows) } else { (rows, columns) };
    let out = &c.into_shared();
    let store = move |m: usize, f: usize, sum: f32| {
        let (r, j) = if few_rows { (f, m) } else { (m, f) };
        // SAFETY: r < rows and j < columns, so `MatMut` has checked the element; each is stored once, by the
        // thread whose block has m.
        let y = unsafe { &mut *out.at(r, j) };
        store_one(y, factors, sum, r, j);
    };
    let many_per_block = (BLOCK / depth).max(1).next_multiple_of(8);
    let fused = isa.min(Isa::detected()) != Isa::Portable;
    threads.for_each_index(many.div_ceil(many_per_block), many * depth > GRAIN, |block| {
        let range = block * many_per_block..((block + 1) * many_per_block).min(many);
        if few_rows {
            dispatch(isa, DotBlock { fused, depth, range, few, many_row: right, few_row: left, store });
        } else {
            dispatch(isa, DotBlock { fused, depth, range, few, many_row: left, few_row: right, store });
        }
    });
}

/// `y = alpha * sum + beta * y + bias`
#[inline(always)]
fn store_one(y: &mut f32, factors: Factors<'_>, sum: f32, r: usize, j: usize) {
    let old = if factors.beta == 0.0 { 0.0 } else { factors.beta * *y };
    *y = factors.alpha * sum + old;
    factors.bias.add_to(std::slice::from_mut(y), r, j);
}

/// Stores the dot products of rows `range` of one operand with the first `few` of the other.
struct DotBlock<M, F, S> {
    /// Whether vectors multiply and add with one rounding.
    fused: bool,
    depth: usize,
    range: Range<usize>,
    few: usize,
    many_row: M,
    few_row: F,
    store: S,
}

impl<'a, M, F, S> Kernel for DotBlock<M, F, S>
where
    M: Fn(usize) -> &'a [f32],
    F: Fn(usize) -> &'a [f32],
    S: Fn(usize, usize, f32),
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // Groups whose sums, of `LANES` floats each, stay in registers.
        // SAFETY: the caller's promise.
        unsafe {
            match V::LANES {
                16 => self.groups::<V, 1, 8, 4, 4>(),
                8 => self.groups::<V, 2, 6, 3, 2>(),
                _ => self.groups::<V, 4, 3, 1, 2>(),
            }
        }
    }
}

impl<'a, M, F, S> DotBlock<M, F, S>
where
    M: Fn(usize) -> &'a [f32],
    F: Fn(usize) -> &'a [f32],
    S: Fn(usize, usize, f32),
{
    /// All dot products: `ONE` rows at a time if there is one other, else `ROWS` rows with `OTHERS` others. `PARTS`
    /// vectors hold the partial sums of one.
    ///
    /// # Safety
    ///
    /// The processor has the instruction set.
    #[inline(always)]
    unsafe fn groups<
        V: Vector,
        const PARTS: usize,
        const ONE: usize,
        const ROWS: usize,
        const OTHERS: usize,
    >(
        &self,
    ) {
        let (mut m, end) = (self.range.start, self.range.end);
        // SAFETY: the caller's promise, for all tiles.
        unsafe {
            while self.few == 1 && m + ONE <= end {
                self.tile::<V, PARTS, ONE, 1>(m, 0);
                m += ONE;
            }
            while self.few > 1 && m + ROWS <= end {
                let mut f = 0;
                while f + OTHERS <= self.few {
                    self.tile::<V, PARTS, ROWS, OTHERS>(m, f);
                    f += OTHERS;
                }
                for f in f..self.few {
                    self.tile::<V, PARTS, ROWS, 1>(m, f);
                }
                m += ROWS;
            }
            for m in m..end {
                for f in 0..self.few {
                    self.tile::<V, PARTS, 1, 1>(m, f);
                }
            }
        }
    }

    /// Stores the dot products of `ROWS` rows with `OTHERS` others.
    ///
    /// # Safety
    ///
    /// As for [`DotBlock::groups`].
    // Constant indices keep sums in registers.
    #[allow(clippy::needless_range_loop)]
    #[inline(always)]
    unsafe fn tile<V: Vector, const PARTS: usize, const ROWS: usize, const OTHERS: usize>(
        &self,
        m: usize,
        f: usize,
    ) {
        assert_eq!(PARTS * V::LANES, LANES);
        let many: [&[f32]; ROWS] = std::array::from_fn(|i| &(self.many_row)(m + i)[..self.depth]);
        let few: [&[f32]; OTHERS] = std::array::from_fn(|j| &(self.few_row)(f + j)[..self.depth]);
        let whole = self.depth / LANES * LANES;
        // SAFETY: all rows have `depth` elements, which `whole` does not exceed; `sum` holds `LANES`, as many as
        // `PARTS` vectors. The processor has the instruction set, as promised.
        unsafe {
            let mut sums = [[[V::splat(0.0); PARTS]; OTHERS]; ROWS];
            for k in (0..whole).step_by(LANES) {
                for part in 0..PARTS {
                    let at = k + part * V::LANES;
                    let mut ys = [V::splat(0.0); OTHERS];
                    for j in 0..OTHERS {
                        ys[j] = V::load(few[j].as_ptr().add(at));
                    }
                    for i in 0..ROWS {
                        let x = V::load(many[i].as_ptr().add(at));
                        for j in 0..OTHERS {
                            sums[i][j][part] = x.mul_add(ys[j], sums[i][j][part]);
                        }
                    }
                }
            }
            for i in 0..ROWS {
                for j in 0..OTHERS {
                    let mut sum = [0.0; LANES];
                    for part in 0..PARTS {
                        sums[i][j][part].store(sum.as_mut_ptr().add(part * V::LANES));
                    }
                    let rest = many[i][whole..].iter().zip(&few[j][whole..]);
                    for (sum, (x, y)) in sum.iter_mut().zip(rest) {
                        *sum = multiply_add(self.fused, *x, *y, *sum);
                    }
                    (self.store)(m + i, f + j, total(sum));
                }
            }
        }
    }
}

#[inline(always)]
fn total(mut sum: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sum[lane] += sum[lane + width];
        }
        width /= 2;
    }
    sum[0]
}

/// Columns that are summed at a time: a piece of each row of the product stays in the first-level cache.
const COLUMNS: usize = 1024;
/// Rows of the right operand that are added in one pass.
const DEPTH: usize = 8;

/// The product where rows of the right operand are contiguous: each row of the product is a sum of these.
///
/// # Panics
///
/// If the sizes do not fit together.
pub(super) fn sums_of_rows(
    isa: Isa,
    threads: &Threads,
    factors: Factors<'_>,
    a: MatRef<'_>,
    b: MatRef<'_>,
    c: MatMut<'_>,
) {
    let (rows, columns, depth) = (c.rows, c.cols, a.cols);
    assert!((a.rows, b.cols, b.rows) == (rows, columns, depth) && b.col_stride == 1);
    let out = c.into_shared();
    threads.for_each_index(columns.div_ceil(COLUMNS), columns * depth > GRAIN, |block| {
        let start = block * COLUMNS;
        let width = COLUMNS.min(columns - start);
        let piece = |r: usize| {
            // SAFETY: columns start..start + width of row r < rows, which `MatMut` has checked and this
            // block alone accesses; pieces are used one at a time.
            unsafe { out.piece(r, start, width) }
        };
        for r in 0..rows {
            for y in piece(r) {
                *y = if factors.beta == 0.0 { 0.0 } else { factors.beta * *y };
            }
        }
        for first in (0..depth).step_by(DEPTH) {
            let count = DEPTH.min(depth - first);
            for r in 0..rows {
                let mut x = [0.0; DEPTH];
                for (p, x) in x.iter_mut().take(count).enumerate() {
                    *x = factors.alpha * a.data[r * a.row_stride + (first + p) * a.col_stride];
                }
                let row = |p: usize| &b.data[(first + p) * b.row_stride + start..][..width];
                let y = piece(r);
                isa.dispatch_fused(
                    #[inline(always)]
                    move |fused| {
                        if count == DEPTH {
                            add_rows(fused, y, x, std::array::from_fn(row));
                        } else {
                            for (p, &x) in x.iter().take(count).enumerate() {
                                add_rows(fused, y, [x], [row(p)]);
                            }
                        }
                    },
                );
            }
        }
        for r in 0..rows {
            factors.bias.add_to(piece(r), r, start);
        }
    });
}
