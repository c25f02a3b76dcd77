//! Few rows times transposed weights: dot products of rows of floats with rows of bytes.
#![allow(unsafe_code)]
// One index goes through several arrays of registers, with constant bounds.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;

use super::line::{CodeLine, Direct};
use super::{ByteRows, Codes, sizes_of};
use crate::gemm::{Bias, MatRef, SharedMut};
use crate::simd::{self, Kernel, Vector};
use crate::{Isa, Threads, scratch};

/// Bytes of weights that one thread reads at a time, about.
const BLOCK: usize = 256 * 1024;
/// Bytes of weights below which waking a pool costs more than it gains.
const GRAIN: usize = 256 * 1024;
/// Rows of weights that all rows of the other operand are multiplied by before the next: a multiple of the rows of all
/// tiles.
const GROUP: usize = 48;
/// Vectors of a row between two corrections.
const STEPS: usize = 16;

/// Writes `a * transpose(weights) + bias` to `out`; false if some element needs the expanded weights, and then what is
/// in `out` is not the result.
///
/// The loop sums `x * q`, and not `x * (q - zero)`, which would take an operation more for each element. Instead
/// `zero` times the sum of the next few `x` is taken from the sum beforehand, lane by lane, so that it stays small.
pub(super) fn dots<B: ByteRows>(
    isa: Isa,
    threads: &Threads,
    a: MatRef<'_>,
    (weights, codes): (&B, Codes<'_>),
    bias: Bias<'_>,
    out: &SharedMut<'_>,
) -> bool {
    let (rows, depth) = (codes.rows, codes.width);
    assert!(a.cols() == depth && out.holds(a.rows(), rows), "sizes of the product");
    let lanes = simd::lanes(isa);
    let sums_len = (depth / lanes).div_ceil(STEPS) * lanes;
    let bounds = sizes_of(isa, a);
    let failed = AtomicBool::new(false);
    scratch::with(a.rows() * sums_len, |sums| {
        let totals = simd::dispatch(isa, Sum { a, sums, sums_len });
        let per_block = (BLOCK / depth).max(1).next_multiple_of(GROUP);
        threads.for_each_index(rows.div_ceil(per_block), rows * depth > GRAIN, |block| {
            let range = block * per_block..((block + 1) * per_block).min(rows);
            let dots = Dots { a, weights, codes, bias, out, sums, sums_len, totals: &totals, bounds, range };
            if !simd::dispatch(isa, dots) {
                failed.store(true, Ordering::Relaxed);
            }
        });
    });
    !failed.into_inner()
}

/// For each row of `a` the sums of every [`STEPS`] vectors, lane by lane, and the sum of all elements.
struct Sum<'a, 's> {
    a: MatRef<'a>,
    sums: &'s mut [f32],
    sums_len: usize,
}

impl Kernel for Sum<'_, '_> {
    type Output = SmallVec<[f64; 8]>;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> Self::Output {
        let Sum { a, sums, sums_len } = self;
        let mut totals = SmallVec::new();
        for r in 0..a.rows() {
            let (vectors, rest) = a.row(r).split_at(a.cols() / V::LANES * V::LANES);
            let sums = &mut sums[r * sums_len..][..sums_len];
            for (xs, to) in vectors.chunks(STEPS * V::LANES).zip(sums.chunks_exact_mut(V::LANES)) {
                // SAFETY: pieces of `xs`, and `to`, have as many elements as vectors have lanes.
                unsafe {
                    let mut sum = V::splat(0.0);
                    for x in xs.chunks_exact(V::LANES) {
                        sum = sum.add(V::load(x.as_ptr()));
                    }
                    sum.store(to.as_mut_ptr());
                }
            }
            totals.push(sums.iter().chain(rest).map(|x| f64::from(*x)).sum());
        }
        totals
    }
}

/// The dot products of all rows of `a` with some rows of weights.
struct Dots<'a, B> {
    a: MatRef<'a>,
    weights: &'a B,
    codes: Codes<'a>,
    bias: Bias<'a>,
    out: &'a SharedMut<'a>,
    /// See [`Sum`].
    sums: &'a [f32],
    sums_len: usize,
    totals: &'a [f64],
    bounds: (f32, f32),
    /// Rows of the weights.
    range: Range<usize>,
}

impl<B: ByteRows> Kernel for Dots<'_, B> {
    type Output = bool;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> bool {
        let mut lines = [Direct::NONE; GROUP];
        for first in self.range.clone().step_by(GROUP) {
            let group = first..(first + GROUP).min(self.range.end);
            if !self.direct_lines(group.clone(), &mut lines) {
                return false;
            }
            let mut row = 0;
            while row < self.a.rows() {
                let left = self.a.rows() - row;
                let (group, lines) = (group.clone(), &lines);
                // SAFETY: the rows exist, and the processor has the instruction set, as promised.
                let (count, finite) = unsafe {
                    match (left, V::KEPT >= 24) {
                        (1, true) => (1, self.tiles::<V, 16, 4, 1>(group, row, lines)),
                        (1, _) => (1, self.tiles::<V, 12, 4, 1>(group, row, lines)),
                        (2, true) => (2, self.tiles::<V, 12, 4, 2>(group, row, lines)),
                        (2, _) => (2, self.tiles::<V, 6, 2, 2>(group, row, lines)),
                        (3 | 5 | 6, true) => (3, self.tiles::<V, 8, 2, 3>(group, row, lines)),
                        (3 | 5 | 6, _) => (3, self.tiles::<V, 4, 2, 3>(group, row, lines)),
                        (_, true) => (4, self.tiles::<V, 6, 2, 4>(group, row, lines)),
                        (_, _) => (4, self.tiles::<V, 3, 1, 4>(group, row, lines)),
                    }
                };
                if !finite {
                    return false;
                }
                row += count;
            }
        }
        true
    }
}

impl<B: ByteRows> Dots<'_, B> {
    /// The lines of some rows of weights; false if one is not direct.
    #[inline(always)]
    fn direct_lines(&self, rows: Range<usize>, lines: &mut [Direct; GROUP]) -> bool {
        let mut last: Option<(CodeLine, Direct)> = None;
        for (row, to) in rows.zip(lines) {
            let line = self.weights.line(row);
            let direct = match last {
                Some((same, direct)) if same == line => Some(direct),
                _ => Direct::new(line, self.bounds),
            };
            let Some(direct) = direct else { return false };
            last = Some((line, direct));
            *to = direct;
        }
        true
    }

    /// The dot products of `group` with `M` rows of `a` from `row` on: `R` rows of weights at a time, then `S`, then
    /// one. False if a result is not finite.
    ///
    /// # Safety
    ///
    /// `a` and the weights have these rows, the latter within their bytes; the processor has the instruction set.
    #[inline(always)]
    unsafe fn tiles<V: Vector, const R: usize, const S: usize, const M: usize>(
        &self,
        group: Range<usize>,
        row: usize,
        lines: &[Direct; GROUP],
    ) -> bool {
        let (mut at, mut finite) = (group.start, true);
        while at < group.end {
            let lines = &lines[at - group.start..];
            // SAFETY: the caller's promise.
            unsafe {
                if group.end - at >= R {
                    finite &= self.tile::<V, R, M>(at, row, lines);
                    at += R;
                } else if group.end - at >= S {
                    finite &= self.tile::<V, S, M>(at, row, lines);
                    at += S;
                } else {
                    finite &= self.tile::<V, 1, M>(at, row, lines);
                    at += 1;
                }
            }
        }
        finite
    }

    /// The dot products of `R` rows of weights with `M` rows of `a`.
    ///
    /// # Safety
    ///
    /// As for [`Dots::tiles`].
    #[inline(always)]
    unsafe fn tile<V: Vector, const R: usize, const M: usize>(
        &self,
        at: usize,
        row: usize,
        lines: &[Direct],
    ) -> bool {
        let Codes { bytes, stride, .. } = self.codes;
        let depth = self.a.cols();
        // SAFETY: all `R` rows of bytes, `M` rows of floats and their sums are as long as the loop runs: rows of
        // bytes lie within the bytes, as `Codes` has asserted; rows of `a` have `depth` elements; sums have a
        // vector for every `STEPS` vectors, begun ones included.
        unsafe {
            let first = bytes.as_ptr().add(at * stride);
            // Three rows at a time have addresses of one register and a multiple of the stride.
            let codes: [*const u8; R] = std::array::from_fn(|i| first.add(i / 3 * 3 * stride));
            let x: [*const f32; M] = std::array::from_fn(|m| self.a.row(row + m).as_ptr());
            let sums: [*const f32; M] =
                std::array::from_fn(|m| self.sums[(row + m) * self.sums_len..].as_ptr());
            let mut dots = [[V::splat(0.0); M]; R];
            let (whole, mut k, mut block) = (depth / V::LANES * V::LANES, 0, 0);
            while k < whole {
                for m in 0..M {
                    let sum = V::load(sums[m].add(block));
                    for i in 0..R {
                        dots[i][m] = sum.mul_add(V::splat(-lines[i].zero), dots[i][m]);
                    }
                }
                block += V::LANES;
                let end = (k + STEPS * V::LANES).min(whole);
                while k < end {
                    let mut xs = [V::splat(0.0); M];
                    for m in 0..M {
                        xs[m] = V::load(x[m].add(k));
                    }
                    for i in 0..R {
                        let q = V::load_bytes(codes[i].add(k + i % 3 * stride));
                        for m in 0..M {
                            dots[i][m] = q.mul_add(xs[m], dots[i][m]);
                        }
                    }
                    k += V::LANES;
                }
            }
            let mut finite = true;
            for i in 0..R {
                let rest = &bytes[(at + i) * stride..][whole..depth];
                for m in 0..M {
                    let mut lanes = [0.0; 16];
                    dots[i][m].store(lanes.as_mut_ptr());
                    let x = &self.a.row(row + m)[whole..];
                    let dot = total(&mut lanes[..V::LANES]) + rest_of_dot(x, rest, lines[i].zero);
                    finite &= self.store(row + m, at + i, dot, lines[i]);
                }
            }
            finite
        }
    }

    /// Writes the element that has this dot product with bytes; tells whether it is finite.
    ///
    /// # Safety
    ///
    /// There is such an element, and nobody else writes it.
    #[inline(always)]
    unsafe fn store(&self, row: usize, column: usize, dot: f32, line: Direct) -> bool {
        let product = (line.slope * f64::from(dot) + line.rest * self.totals[row]) as f32;
        // SAFETY: the caller's promise.
        let y = unsafe { &mut *self.out.at(row, column) };
        *y = product;
        self.bias.add_to(std::slice::from_mut(y), row, column);
        product.is_finite()
    }
}

/// What elements behind the last whole vector add.
#[inline(always)]
fn rest_of_dot(x: &[f32], bytes: &[u8], zero: f32) -> f32 {
    x.iter().zip(bytes).map(|(x, &q)| x * (f32::from(q) - zero)).sum()
}

#[inline(always)]
fn total(lanes: &mut [f32]) -> f32 {
    let mut width = lanes.len() / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}
