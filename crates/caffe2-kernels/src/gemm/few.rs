//! Products with few rows or few columns: each element of the large operand is used only a few times, so
//! reading it once, straight through, is all that counts.
#![allow(unsafe_code)]

use super::{Factors, MatMut, MatRef};
use crate::isa::multiply_add;
use crate::rows::add_rows;
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
    threads.for_each_index(many.div_ceil(many_per_block), many * depth > GRAIN, |block| {
        let range = block * many_per_block..((block + 1) * many_per_block).min(many);
        isa.dispatch_fused(
            #[inline(always)]
            |fused| {
                if few_rows {
                    dot_block(isa, fused, range, few, right, left, store);
                } else {
                    dot_block(isa, fused, range, few, left, right, store);
                }
            },
        );
    });
}

/// `y = alpha * sum + beta * y + bias`
#[inline(always)]
fn store_one(y: &mut f32, factors: Factors<'_>, sum: f32, r: usize, j: usize) {
    let old = if factors.beta == 0.0 { 0.0 } else { factors.beta * *y };
    *y = factors.alpha * sum + old;
    factors.bias.add_to(std::slice::from_mut(y), r, j);
}

/// Stores the dot products of rows `range` of one operand with the first `few` of the other, in groups that
/// suit the number of vector registers.
#[inline(always)]
fn dot_block<'a>(
    isa: Isa,
    fused: bool,
    range: std::ops::Range<usize>,
    few: usize,
    many_row: impl Fn(usize) -> &'a [f32] + Copy,
    few_row: impl Fn(usize) -> &'a [f32] + Copy,
    store: impl Fn(usize, usize, f32) + Copy,
) {
    let group = match (isa, few) {
        (_, 1) => 8,
        (Isa::Avx512, _) => 4,
        _ => 2,
    };
    let mut m = range.start;
    while m < range.end {
        let count = group.min(range.end - m);
        let mut f = 0;
        while f < few {
            let left = few - f;
            f += match (isa, count, left) {
                (Isa::Avx512, 4, 4..) => dot_tile::<4, 4>(fused, m, f, many_row, few_row, store),
                (_, 4, 2..) => dot_tile::<4, 2>(fused, m, f, many_row, few_row, store),
                (_, 2, 2..) => dot_tile::<2, 2>(fused, m, f, many_row, few_row, store),
                (_, 8, _) => dot_tile::<8, 1>(fused, m, f, many_row, few_row, store),
                (_, 4, _) => dot_tile::<4, 1>(fused, m, f, many_row, few_row, store),
                _ => {
                    for i in 0..count {
                        dot_tile::<1, 1>(fused, m + i, f, many_row, few_row, store);
                    }
                    1
                }
            };
        }
        m += count;
    }
}

/// Stores the dot products of `M` rows with `F` others; returns `F`.
#[inline(always)]
fn dot_tile<'a, const M: usize, const F: usize>(
    fused: bool,
    m: usize,
    f: usize,
    many_row: impl Fn(usize) -> &'a [f32],
    few_row: impl Fn(usize) -> &'a [f32],
    store: impl Fn(usize, usize, f32),
) -> usize {
    let many: [(&[[f32; LANES]], &[f32]); M] = std::array::from_fn(|i| many_row(m + i).as_chunks());
    let few: [(&[[f32; LANES]], &[f32]); F] = std::array::from_fn(|i| few_row(f + i).as_chunks());
    let chunks = many[0].0.len();
    let many_chunks: [&[[f32; LANES]]; M] = many.map(|(chunks_of, _)| &chunks_of[..chunks]);
    let few_chunks: [&[[f32; LANES]]; F] = few.map(|(chunks_of, _)| &chunks_of[..chunks]);
    let mut sums = [[[0.0f32; LANES]; F]; M];
    for p in 0..chunks {
        for i in 0..M {
            for j in 0..F {
                for lane in 0..LANES {
                    let (x, y) = (many_chunks[i][p][lane], few_chunks[j][p][lane]);
                    sums[i][j][lane] = multiply_add(fused, x, y, sums[i][j][lane]);
                }
            }
        }
    }
    for i in 0..M {
        for j in 0..F {
            let mut sum = sums[i][j];
            for (lane, (x, y)) in many[i].1.iter().zip(few[j].1).enumerate() {
                sum[lane] = multiply_add(fused, *x, *y, sum[lane]);
            }
            store(m + i, f + j, total(sum));
        }
    }
    F
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
