//! Few rows times weights as they are: sums of rows of bytes.
#![allow(unsafe_code)]
// One index goes through several arrays of registers, with constant bounds.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use super::line::Direct;
use super::{ByteRows, Codes, sizes_of};
use crate::gemm::{Bias, MatRef, SharedMut};
use crate::isa::multiply_add;
use crate::simd::{self, Kernel, Vector};
use crate::{Isa, Threads};

/// Columns that are summed at a time: a piece of a row of the product stays in the first-level cache.
const COLUMNS: usize = 1024;
/// Bytes of weights below which waking a pool costs more than it gains.
const GRAIN: usize = 256 * 1024;
/// Rows of weights that are added in one pass.
const ROWS: usize = 16;
/// Rows of the other operand that are multiplied in one pass.
const FEW: usize = 4;

/// Writes `a * weights + bias` to `out`; false if some element needs the expanded weights, and then what is in `out` is
/// not the result.
pub(super) fn sums<B: ByteRows>(
    isa: Isa,
    threads: &Threads,
    a: MatRef<'_>,
    (weights, codes): (&B, Codes<'_>),
    bias: Bias<'_>,
    out: &SharedMut<'_>,
) -> bool {
    let columns = codes.width;
    assert!(a.cols() == codes.rows && out.holds(a.rows(), columns), "sizes of the product");
    let bounds = sizes_of(isa, a);
    let failed = AtomicBool::new(false);
    threads.for_each_index(columns.div_ceil(COLUMNS), columns * a.cols() > GRAIN, |block| {
        let range = block * COLUMNS..((block + 1) * COLUMNS).min(columns);
        let sums = Sums { fused: isa != Isa::Portable, a, weights, codes, bias, out, bounds, range };
        if !simd::dispatch(isa, sums) {
            failed.store(true, Ordering::Relaxed);
        }
    });
    !failed.into_inner()
}

/// Some columns of the product.
struct Sums<'a, B> {
    fused: bool,
    a: MatRef<'a>,
    weights: &'a B,
    codes: Codes<'a>,
    bias: Bias<'a>,
    out: &'a SharedMut<'a>,
    bounds: (f32, f32),
    /// Columns.
    range: Range<usize>,
}

/// What some rows of weights are multiplied by: the elements of a few rows of the other operand, times the slopes.
struct Factors {
    x: [[f32; ROWS]; FEW],
    /// For each row of the other operand what is too much, since bytes are added and not their distance from zero.
    zero: [f32; FEW],
}

impl<B: ByteRows> Kernel for Sums<'_, B> {
    type Output = bool;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> bool {
        let (rows, depth) = (self.a.rows(), self.a.cols());
        for r in 0..rows {
            self.piece(r).fill(0.0);
        }
        // What the rests of all lines add up to, for each row.
        let mut rests: SmallVec<[f64; 8]> = SmallVec::from_elem(0.0, rows);
        for first in (0..depth).step_by(ROWS) {
            let group = first..(first + ROWS).min(depth);
            let mut lines = [Direct::NONE; ROWS];
            for (line, row) in lines.iter_mut().zip(group.clone()) {
                match Direct::new(self.weights.line(row), self.bounds) {
                    Some(direct) => *line = direct,
                    None => return false,
                }
            }
            for row in (0..rows).step_by(FEW) {
                let count = FEW.min(rows - row);
                let factors = self.factors(group.clone(), row..row + count, &lines, &mut rests);
                // SAFETY: `count` rows from `row` on exist, `group` lies within the weights; the processor has the
                // instruction set, as promised.
                unsafe {
                    match (count, V::KEPT >= 24) {
                        (1, _) => self.add::<V, 8, 1>(group.clone(), row, &factors),
                        (2, true) => self.add::<V, 8, 2>(group.clone(), row, &factors),
                        (2, _) => self.add::<V, 4, 2>(group.clone(), row, &factors),
                        (3, true) => self.add::<V, 8, 3>(group.clone(), row, &factors),
                        (3, _) => self.add::<V, 4, 3>(group.clone(), row, &factors),
                        (_, true) => self.add::<V, 4, 4>(group.clone(), row, &factors),
                        (_, _) => self.add::<V, 2, 4>(group.clone(), row, &factors),
                    }
                }
            }
        }
        let mut finite = true;
        for (r, rest) in rests.iter().enumerate() {
            let piece = self.piece(r);
            for y in &mut *piece {
                *y = (f64::from(*y) + rest) as f32;
                finite &= y.is_finite();
            }
            self.bias.add_to(piece, r, self.range.start);
        }
        finite
    }
}

impl<B: ByteRows> Sums<'_, B> {
    /// The elements of this block in row `r`.
    #[allow(clippy::mut_from_ref)]
    fn piece(&self, r: usize) -> &mut [f32] {
        // SAFETY: the matrix has these elements, this block alone uses them, and one piece at a time.
        unsafe { self.out.piece(r, self.range.start, self.range.len()) }
    }

    #[inline(always)]
    fn factors(
        &self,
        group: Range<usize>,
        rows: Range<usize>,
        lines: &[Direct; ROWS],
        rests: &mut [f64],
    ) -> Factors {
        let mut factors = Factors { x: [[0.0; ROWS]; FEW], zero: [0.0; FEW] };
        for (m, row) in rows.enumerate() {
            let elements = &self.a.row(row)[group.clone()];
            for ((&x, line), to) in elements.iter().zip(lines).zip(&mut factors.x[m]) {
                *to = (f64::from(x) * line.slope) as f32;
                factors.zero[m] += *to * line.zero;
                rests[row] += f64::from(x) * line.rest;
            }
        }
        factors
    }

    /// Adds rows `group` of the weights, times their factors, to `M` rows of the product from `row` on, `C` vectors of
    /// columns at a time.
    ///
    /// # Safety
    ///
    /// The product has the rows, `group` are rows of the weights, which lie within their bytes; the processor has the
    /// instruction set.
    #[inline(always)]
    unsafe fn add<V: Vector, const C: usize, const M: usize>(
        &self,
        group: Range<usize>,
        row: usize,
        factors: &Factors,
    ) {
        let end = self.range.end;
        let mut column = self.range.start;
        // SAFETY: all columns up to `end` exist.
        unsafe {
            while end - column >= C * V::LANES {
                self.tile::<V, C, M>(group.clone(), row, column, factors);
                column += C * V::LANES;
            }
            while end - column >= V::LANES {
                self.tile::<V, 1, M>(group.clone(), row, column, factors);
                column += V::LANES;
            }
        }
        let Codes { bytes, stride, .. } = self.codes;
        for column in column..end {
            for m in 0..M {
                // SAFETY: the product has this element, which this block alone uses.
                let y = unsafe { &mut *self.out.at(row + m, column) };
                *y -= factors.zero[m];
                for (p, row) in group.clone().enumerate() {
                    *y = multiply_add(
                        self.fused,
                        f32::from(bytes[row * stride + column]),
                        factors.x[m][p],
                        *y,
                    );
                }
            }
        }
    }

    /// The same for `C` vectors from `column` on.
    ///
    /// # Safety
    ///
    /// As for [`Sums::add`]; the columns exist.
    #[inline(always)]
    unsafe fn tile<V: Vector, const C: usize, const M: usize>(
        &self,
        group: Range<usize>,
        row: usize,
        column: usize,
        factors: &Factors,
    ) {
        let Codes { bytes, stride, .. } = self.codes;
        // SAFETY: `C` vectors of columns lie within rows `group` of the weights and within `M` rows of the product,
        // which this block alone uses.
        unsafe {
            let mut sums = [[V::splat(0.0); C]; M];
            for m in 0..M {
                for c in 0..C {
                    let y = V::load(self.out.at(row + m, column + c * V::LANES));
                    sums[m][c] = y.add(V::splat(-factors.zero[m]));
                }
            }
            let mut from = bytes.as_ptr().add(group.start * stride + column);
            for p in 0..group.len() {
                let mut x = [V::splat(0.0); M];
                for m in 0..M {
                    x[m] = V::splat(factors.x[m][p]);
                }
                for c in 0..C {
                    let q = V::load_bytes(from.add(c * V::LANES));
                    for m in 0..M {
                        sums[m][c] = q.mul_add(x[m], sums[m][c]);
                    }
                }
                from = from.wrapping_add(stride);
            }
            for m in 0..M {
                for c in 0..C {
                    sums[m][c].store(self.out.at(row + m, column + c * V::LANES));
                }
            }
        }
    }
}
