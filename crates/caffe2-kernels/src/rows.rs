//! Several rows combined into one in a single pass, for bodies given to [`Isa::dispatch_fused`](crate::Isa::dispatch_fused).

use crate::isa::multiply_add;

/// Floats that are kept in registers while all rows are added to them. (A loop over whole rows would have to
/// prove first that none overlaps `y`, which compilers do for a few rows only.)
const CHUNK: usize = 64;

/// `y += x[0] * rows[0] + x[1] * rows[1] + …`, element by element and from left to right.
#[inline(always)]
pub(crate) fn add_rows<const N: usize>(fused: bool, y: &mut [f32], x: [f32; N], rows: [&[f32]; N]) {
    let (chunks, rest) = y.as_chunks_mut::<CHUNK>();
    let whole = chunks.len() * CHUNK;
    let row_chunks = rows.map(|row| &row.as_chunks::<CHUNK>().0[..chunks.len()]);
    for (c, y) in chunks.iter_mut().enumerate() {
        let mut sum = *y;
        for p in 0..N {
            for (sum, &w) in sum.iter_mut().zip(&row_chunks[p][c]) {
                *sum = multiply_add(fused, x[p], w, *sum);
            }
        }
        *y = sum;
    }
    for (x, row) in x.iter().zip(rows) {
        for (y, &w) in rest.iter_mut().zip(&row[whole..]) {
            *y = multiply_add(fused, *x, w, *y);
        }
    }
}

/// `y += x[0] * w[0] + x[1] * w[1] + …`, element by element and from left to right.
#[inline(always)]
pub(crate) fn add_products<const N: usize>(fused: bool, y: &mut [f32], x: [&[f32]; N], w: [&[f32]; N]) {
    let (chunks, rest) = y.as_chunks_mut::<CHUNK>();
    let whole = chunks.len() * CHUNK;
    let x_chunks = x.map(|x| &x.as_chunks::<CHUNK>().0[..chunks.len()]);
    let w_chunks = w.map(|w| &w.as_chunks::<CHUNK>().0[..chunks.len()]);
    for (c, y) in chunks.iter_mut().enumerate() {
        let mut sum = *y;
        for p in 0..N {
            for ((sum, &x), &w) in sum.iter_mut().zip(&x_chunks[p][c]).zip(&w_chunks[p][c]) {
                *sum = multiply_add(fused, x, w, *sum);
            }
        }
        *y = sum;
    }
    for (x, w) in x.iter().zip(w) {
        for ((y, &x), &w) in rest.iter_mut().zip(&x[whole..]).zip(&w[whole..]) {
            *y = multiply_add(fused, x, w, *y);
        }
    }
}

/// `y = f(f(y, rows[0]), rows[1])…`, element by element; for a few rows.
#[inline(always)]
pub(crate) fn combine_rows<const N: usize>(y: &mut [f32], rows: [&[f32]; N], f: impl Fn(f32, f32) -> f32) {
    let rows = rows.map(|row| &row[..y.len()]);
    for (j, y) in y.iter_mut().enumerate() {
        let mut result = *y;
        for row in rows {
            result = f(result, row[j]);
        }
        *y = result;
    }
}

/// Copies `from[i * stride]` to `to[i]` for `i` below `count`, in fixed steps where both slices leave room:
/// up to 15 floats after the last may be overwritten with anything.
#[inline(always)]
pub(crate) fn copy_over(stride: usize, from: &[f32], to: &mut [f32], count: usize) {
    match stride {
        1 => copy_steps::<1>(from, to, count),
        2 => copy_steps::<2>(from, to, count),
        4 => copy_steps::<4>(from, to, count),
        _ => to[..count].iter_mut().zip(from.iter().step_by(stride)).for_each(|(y, x)| *y = *x),
    }
}

/// Floats that [`copy_over`] copies at a time.
const STEP: usize = 16;

#[inline(always)]
fn copy_steps<const STRIDE: usize>(from: &[f32], to: &mut [f32], count: usize) {
    let steps = count.div_ceil(STEP);
    if from.len() >= steps * STEP * STRIDE && to.len() >= steps * STEP {
        let from = from.chunks_exact(STEP * STRIDE);
        for (to, from) in to.chunks_exact_mut(STEP).zip(from).take(steps) {
            let mut chunk = [0.0; STEP];
            for (i, x) in chunk.iter_mut().enumerate() {
                *x = from[i * STRIDE];
            }
            to.copy_from_slice(&chunk);
        }
    } else {
        to[..count].iter_mut().zip(from.iter().step_by(STRIDE)).for_each(|(y, x)| *y = *x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_reach_their_count_and_at_most_15_floats_beyond() {
        for stride in 1..6 {
            for count in 0..50 {
                for room in [0, 1, 15, 16, 40] {
                    let from: Vec<f32> = (0..(count * stride + room)).map(|i| i as f32).collect();
                    let mut to = vec![-1.0; count + room];
                    copy_over(stride, &from, &mut to, count);
                    for (i, &y) in to.iter().enumerate() {
                        if i < count {
                            assert_eq!(y, (i * stride) as f32);
                        } else if i >= count + 15 {
                            assert_eq!(y, -1.0);
                        }
                    }
                }
            }
        }
    }
}
