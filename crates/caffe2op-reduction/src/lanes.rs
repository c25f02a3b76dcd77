//! Reduction of the rows or the columns of a matrix, compiled for each instruction set.

use caffe2_kernels::Isa;

use crate::number::Number;
use crate::reducer::Reducer;

/// Elements that a row is taken by.
const LANES: usize = 16;
/// Columns that are kept in registers.
const WIDE: usize = 64;

/// Reduces each row of `len` elements to one. If not `first`, rows join what `out` holds.
pub(crate) fn rows<T: Number, R: Reducer<T>>(isa: Isa, x: &[T], len: usize, out: &mut [T], first: bool) {
    isa.dispatch(
        #[inline(always)]
        move || {
            for (row, y) in x.chunks_exact(len).zip(out) {
                let joined = row_of::<T, R>(row);
                *y = match row {
                    [opening, ..] if first => R::open(*opening, joined),
                    _ => R::join(*y, joined),
                };
            }
        },
    );
}

#[inline(always)]
fn row_of<T: Number, R: Reducer<T>>(row: &[T]) -> T {
    let fold = |start, values: &[T]| values.iter().fold(start, |sum, &x| R::join(sum, R::lift(x)));
    let (chunks, rest) = row.as_chunks::<LANES>();
    if chunks.is_empty() {
        return fold(R::NEUTRAL, rest);
    }
    let mut lanes = [[R::NEUTRAL; LANES]; 4];
    let (fours, single) = chunks.as_chunks::<4>();
    for four in fours {
        for (lanes, chunk) in lanes.iter_mut().zip(four) {
            join_all::<T, R>(lanes, chunk);
        }
    }
    let [mut joined, others @ ..] = lanes;
    for chunk in single {
        join_all::<T, R>(&mut joined, chunk);
    }
    for other in &others {
        for (a, &b) in joined.iter_mut().zip(other) {
            *a = R::join(*a, b);
        }
    }
    let joined = joined.iter().fold(R::NEUTRAL, |a, &b| R::join(a, b));
    fold(joined, rest)
}

#[inline(always)]
fn join_all<T: Number, R: Reducer<T>>(lanes: &mut [T], chunk: &[T]) {
    for (lane, &x) in lanes.iter_mut().zip(chunk) {
        *lane = R::join(*lane, R::lift(x));
    }
}

/// Reduces as many columns as `out` has elements of a matrix whose `rows` rows begin `stride` elements apart. If not
/// `first`, columns join what `out` holds.
pub(crate) fn columns<T: Number, R: Reducer<T>>(
    isa: Isa,
    x: &[T],
    stride: usize,
    rows: usize,
    out: &mut [T],
    first: bool,
) {
    isa.dispatch(
        #[inline(always)]
        move || {
            if first {
                out.iter_mut().zip(x).for_each(|(y, &x)| *y = R::lift(x));
            }
            let (x, rows) = if first { (x.get(stride..).unwrap_or(&[]), rows - 1) } else { (x, rows) };
            let narrow = stride == out.len() && stride <= LANES;
            if !narrow || rows < 2 * LANES {
                return join_columns::<T, R>(x, stride, rows, out);
            }
            // Narrow rows are taken by LANES at a time: as one long row.
            let mut many = [R::NEUTRAL; LANES * LANES];
            let many = &mut many[..stride * LANES];
            join_columns::<T, R>(x, stride * LANES, rows / LANES, many);
            for joined in many.chunks_exact(stride) {
                out.iter_mut().zip(joined).for_each(|(y, &joined)| *y = R::join(*y, joined));
            }
            let left = rows % LANES;
            join_columns::<T, R>(&x[(rows - left) * stride..], stride, left, out);
        },
    );
}

#[inline(always)]
fn join_columns<T: Number, R: Reducer<T>>(x: &[T], stride: usize, rows: usize, out: &mut [T]) {
    let (chunks, rest) = out.as_chunks_mut::<WIDE>();
    let whole = chunks.len() * WIDE;
    for (i, chunk) in chunks.iter_mut().enumerate() {
        let mut lanes = *chunk;
        for row in 0..rows {
            join_all::<T, R>(&mut lanes, &x[row * stride + i * WIDE..][..WIDE]);
        }
        *chunk = lanes;
    }
    if !rest.is_empty() {
        for row in 0..rows {
            join_all::<T, R>(rest, &x[row * stride + whole..]);
        }
    }
}
