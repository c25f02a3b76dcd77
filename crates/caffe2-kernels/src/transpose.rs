//! Permutation of the dimensions of a tensor.

use smallvec::SmallVec;

use crate::error::{check_len, product};
use crate::{Isa, KernelError, Threads};

/// Copies `input` of shape `dims` to `output` with its dimensions permuted: dimension `k` of the output is
/// dimension `axes[k]` of the input (Caffe2 `Transpose`, numpy `transpose`).
///
/// ```
/// use caffe2_kernels::{Threads, transpose::transpose};
///
/// let mut y = [0; 6];
/// transpose(&Threads::single(), &[2, 3], &[1, 0], &[1, 2, 3, 4, 5, 6], &mut y)?;
/// assert_eq!(y, [1, 4, 2, 5, 3, 6]);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::NotAPermutation`] if `axes` does not name each dimension once, [`KernelError::Length`] if
/// a slice does not have the elements that `dims` says, [`KernelError::Overflow`] if these cannot be counted.
pub fn transpose<T: Copy + Send + Sync>(
    threads: &Threads,
    dims: &[usize],
    axes: &[usize],
    input: &[T],
    output: &mut [T],
) -> Result<(), KernelError> {
    check_permutation(dims.len(), axes)?;
    let len = product("tensor to transpose", dims)?;
    check_len("input of the transposition", len, input.len())?;
    check_len("output of the transposition", len, output.len())?;
    if len == 0 {
        return Ok(());
    }
    let moves = merge(dims, axes);
    match moves.as_slice() {
        [] | [Move { stride: 1, .. }] => output.copy_from_slice(input),
        [outer @ .., last] if last.stride == 1 => copy_runs(threads, outer, last.size, input, output),
        _ => transpose_rows(threads, &moves, input, output),
    }
    Ok(())
}

/// A dimension of the output: its size, and how far a step in it moves within the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    size: usize,
    stride: usize,
}

type Moves = SmallVec<[Move; 8]>;

fn check_permutation(rank: usize, axes: &[usize]) -> Result<(), KernelError> {
    let mut seen: SmallVec<[bool; 8]> = SmallVec::from_elem(false, rank);
    let all_new = axes.iter().all(|&axis| axis < rank && !std::mem::replace(&mut seen[axis], true));
    if axes.len() == rank && all_new { Ok(()) } else { Err(KernelError::NotAPermutation { rank }) }
}

/// The dimensions of the output, outermost first, with those merged that stay neighbours.
fn merge(dims: &[usize], axes: &[usize]) -> Moves {
    let mut strides: SmallVec<[usize; 8]> = SmallVec::from_elem(1, dims.len());
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    let mut moves = Moves::new();
    for &axis in axes {
        let next = Move { size: dims[axis], stride: strides[axis] };
        if next.size == 1 {
            continue;
        }
        match moves.last_mut() {
            Some(last) if last.stride == next.size * next.stride => {
                *last = Move { size: last.size * next.size, stride: next.stride };
            }
            _ => moves.push(next),
        }
    }
    moves
}

/// Offset in the input of element `index` of the given dimensions.
fn offset(dims: &[Move], mut index: usize) -> usize {
    let mut offset = 0;
    for dim in dims.iter().rev() {
        offset += index % dim.size * dim.stride;
        index /= dim.size;
    }
    offset
}

/// Bytes that one thread writes at a time, about.
const BLOCK_BYTES: usize = 64 * 1024;
/// Bytes below which waking a pool costs more than it gains.
const GRAIN_BYTES: usize = 256 * 1024;

fn elements<T>(bytes: usize) -> usize {
    bytes / size_of::<T>().max(1)
}

/// The innermost dimension stays innermost: whole runs are copied.
fn copy_runs<T: Copy + Send + Sync>(
    threads: &Threads,
    outer: &[Move],
    run: usize,
    input: &[T],
    output: &mut [T],
) {
    let runs_per_block = elements::<T>(BLOCK_BYTES).div_ceil(run);
    threads.for_each_block(output, runs_per_block * run, elements::<T>(GRAIN_BYTES), |index, block| {
        for (k, out) in block.chunks_exact_mut(run).enumerate() {
            let from = offset(outer, index * runs_per_block + k);
            out.copy_from_slice(&input[from..from + run]);
        }
    });
}

/// The innermost dimension changes. The output is then made of rows, one for each step of the dimension
/// that is contiguous in the input, and blocks of rows are filled by transposing small tiles.
fn transpose_rows<T: Copy + Send + Sync>(threads: &Threads, moves: &[Move], input: &[T], output: &mut [T]) {
    let Some(contiguous) = moves.iter().position(|dim| dim.stride == 1) else {
        unreachable!("the innermost dimension of the input has stride 1");
    };
    let (outer, inner) = moves.split_at(contiguous);
    let (rows, columns) = (inner[0].size, &inner[1..]);
    let row_len: usize = columns.iter().map(|dim| dim.size).product();
    let rows_per_block = elements::<T>(BLOCK_BYTES).div_ceil(row_len).next_multiple_of(TILE);
    let isa = Isa::current();
    threads.for_each_block(output, rows_per_block * row_len, elements::<T>(GRAIN_BYTES), |index, block| {
        let mut first = index * rows_per_block;
        let mut block = block;
        // A block may span several steps of the outer dimensions.
        while !block.is_empty() {
            let (matrix, row) = (first / rows, first % rows);
            let count = (rows - row).min(block.len() / row_len);
            let (band, rest) = block.split_at_mut(count * row_len);
            let input = &input[offset(outer, matrix) + row..];
            isa.dispatch(
                #[inline(always)]
                move || transpose_band(input, columns, count, row_len, band),
            );
            block = rest;
            first += count;
        }
    });
}

/// Fills `rows` rows of the output: element `i` of row `r` is `input[offset(columns, i) + r]`.
#[inline(always)]
fn transpose_band<T: Copy>(input: &[T], columns: &[Move], rows: usize, row_len: usize, out: &mut [T]) {
    let (last, middle) = (columns[columns.len() - 1], &columns[..columns.len() - 1]);
    for start in (0..row_len).step_by(last.size) {
        let input = &input[offset(middle, start / last.size)..];
        for column in (0..last.size).step_by(TILE) {
            for row in (0..rows).step_by(TILE) {
                let from = &input[column * last.stride + row..];
                let to = &mut out[row * row_len + start + column..];
                let size = (TILE.min(rows - row), TILE.min(last.size - column));
                transpose_tile(from, last.stride, to, row_len, size);
            }
        }
    }
}

/// Side of the tiles: small enough that the cache lines of both sides stay in the first cache.
const TILE: usize = 16;

/// `to[r * to_stride + c] = from[c * from_stride + r]` for a tile of `(rows, columns)`.
#[inline(always)]
fn transpose_tile<T: Copy>(
    from: &[T],
    from_stride: usize,
    to: &mut [T],
    to_stride: usize,
    (rows, columns): (usize, usize),
) {
    if (rows, columns) == (TILE, TILE) {
        let mut tile = [[from[0]; TILE]; TILE];
        for (c, lane) in tile.iter_mut().enumerate() {
            lane.copy_from_slice(&from[c * from_stride..][..TILE]);
        }
        for r in 0..TILE {
            let row = &mut to[r * to_stride..][..TILE];
            for c in 0..TILE {
                row[c] = tile[c][r];
            }
        }
        return;
    }
    for r in 0..rows {
        for (c, y) in to[r * to_stride..][..columns].iter_mut().enumerate() {
            *y = from[c * from_stride + r];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(dims: &[usize], axes: &[usize], input: &[u32]) -> Vec<u32> {
        let out_dims: Vec<usize> = axes.iter().map(|&axis| dims[axis]).collect();
        (0..input.len())
            .map(|mut i| {
                let mut index = vec![0; dims.len()];
                for (k, &size) in out_dims.iter().enumerate().rev() {
                    index[axes[k]] = i % size;
                    i /= size;
                }
                input[index.iter().zip(dims).fold(0, |offset, (&i, &size)| offset * size + i)]
            })
            .collect()
    }

    fn check(dims: &[usize], axes: &[usize]) {
        let len: usize = dims.iter().product();
        let input: Vec<u32> = (0..len as u32).collect();
        let want = reference(dims, axes, &input);
        for threads in [Threads::single(), Threads::new(2)] {
            let mut output = vec![u32::MAX; len];
            transpose(&threads, dims, axes, &input, &mut output).unwrap();
            assert!(output == want, "{dims:?} {axes:?}");
        }
    }

    #[test]
    fn shapes_of_every_kind() {
        check(&[], &[]);
        check(&[5], &[0]);
        check(&[3, 4], &[0, 1]);
        check(&[3, 4], &[1, 0]);
        check(&[100, 70], &[1, 0]);
        check(&[2, 3, 40, 50], &[0, 2, 3, 1]);
        check(&[2, 40, 50, 3], &[0, 3, 1, 2]);
        check(&[4, 1, 17, 33, 5], &[3, 1, 0, 4, 2]);
        check(&[6, 7, 8], &[1, 0, 2]);
        check(&[300, 700], &[1, 0]);
        check(&[3, 200, 300], &[2, 1, 0]);
        check(&[3, 200, 300], &[1, 0, 2]);
        check(&[2, 3, 100, 200], &[2, 0, 3, 1]);
        check(&[0, 3], &[1, 0]);
    }

    #[test]
    fn elements_of_other_sizes() {
        let input: Vec<u8> = (0..200).collect();
        let mut output = vec![0u8; 200];
        transpose(&Threads::single(), &[20, 10], &[1, 0], &input, &mut output).unwrap();
        assert_eq!(output[..3], [0, 10, 20]);
        let mut pairs = [(0u64, 0u64); 4];
        transpose(&Threads::single(), &[2, 2], &[1, 0], &[(1, 2), (3, 4), (5, 6), (7, 8)], &mut pairs)
            .unwrap();
        assert_eq!(pairs, [(1, 2), (5, 6), (3, 4), (7, 8)]);
    }

    #[test]
    fn wrong_axes_and_lengths_are_refused() {
        let run = |dims: &[usize], axes: &[usize], n: usize, m: usize| {
            transpose(&Threads::single(), dims, axes, &vec![0u8; n], &mut vec![0u8; m])
        };
        for axes in [&[0, 0][..], &[0, 2], &[0], &[0, 1, 2]] {
            assert_eq!(run(&[2, 3], axes, 6, 6), Err(KernelError::NotAPermutation { rank: 2 }));
        }
        assert!(matches!(run(&[2, 3], &[1, 0], 5, 6), Err(KernelError::Length { .. })));
        assert!(matches!(run(&[2, 3], &[1, 0], 6, 7), Err(KernelError::Length { .. })));
        assert!(matches!(run(&[1 << 40, 1 << 40], &[1, 0], 6, 6), Err(KernelError::Overflow { .. })));
    }

    proptest! {
        #[test]
        fn any_permutation(
            dims in prop::collection::vec(1usize..24, 0..5),
            order in prop::collection::vec(any::<u32>(), 5),
        ) {
            let mut axes: Vec<usize> = (0..dims.len()).collect();
            axes.sort_by_key(|&axis| order[axis]);
            check(&dims, &axes);
        }
    }
}
