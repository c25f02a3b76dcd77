//! Reduction of any dimensions of a tensor, in an order that the shape alone decides.

use caffe2_kernels::{Isa, Threads};
use smallvec::SmallVec;

use crate::lanes::{columns, rows};
use crate::number::Number;
use crate::reducer::Reducer;

/// Elements below which sharing the work costs more than it gains.
const GRAIN: usize = 1 << 16;

/// The grain for sharing work on `elements` when what is shared is of another number.
pub(crate) fn grain(elements: usize) -> usize {
    if elements > GRAIN { 0 } else { usize::MAX }
}

/// Elements that one thread reduces in one go, so far as they can be cut.
const BLOCK: usize = 1 << 15;
/// Parts that many numbers for few results are cut into, each with the most results there may be.
const PARTS: usize = 16;
const FEW: usize = 64;

/// Neighbouring dimensions that are all reduced, or all kept.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Group {
    reduced: bool,
    size: usize,
}

/// The dimensions of a tensor as groups, of which neighbours differ.
#[derive(Debug)]
pub(crate) struct Groups(SmallVec<[Group; 8]>);

impl Groups {
    /// The groups of dimensions, each with whether it is reduced.
    pub(crate) fn new(dims: impl IntoIterator<Item = (usize, bool)>) -> Groups {
        let mut groups = SmallVec::<[Group; 8]>::new();
        for (size, reduced) in dims {
            match groups.last_mut() {
                _ if size == 1 => (),
                Some(last) if last.reduced == reduced => last.size *= size,
                _ => groups.push(Group { reduced, size }),
            }
        }
        Groups(groups)
    }

    /// The size of the first group if it is reduced, that of the first kept one, and what follows.
    fn split(&self) -> (usize, usize, &[Group]) {
        let (outer, rest) = match self.0.as_slice() {
            [Group { reduced: true, size }, rest @ ..] => (*size, rest),
            rest => (1, rest),
        };
        match rest {
            [Group { size, .. }, rest @ ..] => (outer, *size, rest),
            [] => (outer, 1, rest),
        }
    }
}

/// Reduces `x`, the elements of dimensions in these groups, to `out`, the elements of those kept.
/// `None` when a result would be an integer divided by 0.
pub(crate) fn reduce<T: Number, R: Reducer<T>>(
    threads: &Threads,
    groups: &Groups,
    x: &[T],
    out: &mut [T],
) -> Option<()> {
    if x.is_empty() || out.is_empty() {
        out.fill(R::EMPTY);
        return Some(());
    }
    let (outer, kept, inner) = groups.split();
    if x.len() > GRAIN && out.len() <= FEW && outer >= 2 * PARTS {
        reduce_parts::<T, R>(threads, x, (outer, kept, inner), out);
    } else {
        reduce_kept::<T, R>(threads, x, (outer, kept, inner), out, true);
    }
    let count = x.len() / out.len();
    out.iter_mut().try_for_each(|y| {
        *y = R::finish(*y, count)?;
        Some(())
    })
}

/// Cuts `outer`, so that several threads can work on a few results.
fn reduce_parts<T: Number, R: Reducer<T>>(
    threads: &Threads,
    x: &[T],
    (outer, kept, inner): (usize, usize, &[Group]),
    out: &mut [T],
) {
    let mut parts = [R::NEUTRAL; PARTS * FEW];
    let parts = &mut parts[..PARTS * out.len()];
    let (row, at_once) = (x.len() / outer, outer / PARTS);
    threads.for_each_block(parts, out.len(), 0, |index, part| {
        let x = &x[index * at_once * row..];
        // The last takes what is left over.
        let outer = if index == PARTS - 1 { outer - index * at_once } else { at_once };
        let x = &x[..outer * row];
        reduce_kept::<T, R>(&Threads::single(), x, (outer, kept, inner), part, index == 0);
    });
    let (first, others) = parts.split_at(out.len());
    out.copy_from_slice(first);
    for part in others.chunks_exact(out.len()) {
        out.iter_mut().zip(part).for_each(|(y, &joined)| *y = R::join(*y, joined));
    }
}

/// Shares the first kept dimensions among threads. If not `first`, elements join what `out` holds.
fn reduce_kept<T: Number, R: Reducer<T>>(
    threads: &Threads,
    x: &[T],
    (outer, kept, inner): (usize, usize, &[Group]),
    out: &mut [T],
    first: bool,
) {
    let (row, out_len) = (x.len() / outer, out.len() / kept);
    let x_len = row / kept;
    // Columns are cut into no narrower pieces than fill the registers a few times.
    let least = if inner.is_empty() { 256 } else { 1 };
    let at_once = (BLOCK / (outer * x_len)).max(least);
    threads.for_each_block(out, at_once * out_len, grain(x.len()), |index, out| {
        let x = &x[index * at_once * x_len..];
        if row == 1 {
            return rows::<T, R>(Isa::current(), x, outer, out, first);
        }
        if inner.is_empty() {
            return columns::<T, R>(Isa::current(), x, row, outer, out, first);
        }
        for i in 0..outer {
            let x = &x[i * row..][..out.len() / out_len * x_len];
            walk::<T, R>(out.len() / out_len, inner, x, out, first && i == 0);
        }
    });
}

/// Reduces the groups, of which the first is reduced, of each of `outer` equal parts of `x`.
fn walk<T: Number, R: Reducer<T>>(outer: usize, groups: &[Group], x: &[T], out: &mut [T], first: bool) {
    let (x_len, out_len) = (x.len() / outer, out.len() / outer);
    match groups {
        [] | [_] => rows::<T, R>(Isa::current(), x, x_len, out, first),
        [Group { size, .. }, Group { size: kept, .. }, rest @ ..] => {
            for (x, out) in x.chunks_exact(x_len).zip(out.chunks_exact_mut(out_len)) {
                if rest.is_empty() {
                    columns::<T, R>(Isa::current(), x, *kept, *size, out, first);
                    continue;
                }
                for (i, x) in x.chunks_exact(x_len / size).enumerate() {
                    walk::<T, R>(*kept, rest, x, out, first && i == 0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reducer::{Max, Mean, Sum};

    /// Every subset of the dimensions of a tensor, against the plainest loop.
    #[test]
    fn any_dimensions_are_reduced() {
        let dims = [2usize, 3, 1, 4, 5];
        let numel = dims.iter().product::<usize>();
        let x: Vec<i64> = (0..numel as i64).map(|i| i * i % 101 - 50).collect();
        for mask in 0..32u32 {
            let reduced = |d: usize| mask >> d & 1 == 1;
            let len = (0..5).filter(|&d| !reduced(d)).map(|d| dims[d]).product::<usize>();
            let (mut sum, mut max) = (vec![0; len], vec![i64::MIN; len]);
            for (i, &value) in x.iter().enumerate() {
                let (mut left, mut at, mut stride) = (i, 0, 1);
                for d in (0..5).rev() {
                    if !reduced(d) {
                        at += left % dims[d] * stride;
                        stride *= dims[d];
                    }
                    left /= dims[d];
                }
                sum[at] += value;
                max[at] = max[at].max(value);
            }
            let groups = Groups::new(dims.into_iter().enumerate().map(|(d, size)| (size, reduced(d))));
            let mut out = vec![77; len];
            for threads in [Threads::single(), Threads::new(2)] {
                reduce::<_, Sum>(&threads, &groups, &x, &mut out).unwrap();
                assert_eq!(out, sum, "{mask:b}");
                reduce::<_, Max>(&threads, &groups, &x, &mut out).unwrap();
                assert_eq!(out, max, "{mask:b}");
            }
        }
    }

    #[test]
    fn long_rows_and_shared_work_give_the_same() {
        let x: Vec<f32> = (0..200 * 1001).map(|i| (i % 7) as f32).collect();
        let mut out = [vec![0.0; 200], vec![0.0; 200]];
        let groups = Groups::new([(200, false), (1001, true)]);
        reduce::<_, Mean>(&Threads::single(), &groups, &x, &mut out[0]).unwrap();
        reduce::<_, Mean>(&Threads::new(3), &groups, &x, &mut out[1]).unwrap();
        assert_eq!(out[0], out[1]);
        assert!(out[0].iter().all(|y| (y - 3.0).abs() < 0.01));
        let groups = Groups::new([(1001, true), (200, false)]);
        reduce::<_, Sum>(&Threads::single(), &groups, &x, &mut out[0]).unwrap();
        assert_eq!(out[0][0], (0..1001).map(|i| (i * 200 % 7) as f32).sum::<f32>());
    }

    /// Many elements for few results: cut into parts, the last of which is longer.
    #[test]
    fn tall_and_narrow_ones_are_cut_into_parts() {
        for width in [1, 3, 17, 64] {
            let rows = 100_003 / width;
            let mut x: Vec<f32> = (0..rows * width).map(|i| (i * i % 13) as f32).collect();
            let groups = Groups::new([(rows, true), (width, false)]);
            let mut out = [vec![0.0; width], vec![0.0; width]];
            reduce::<_, Sum>(&Threads::single(), &groups, &x, &mut out[0]).unwrap();
            reduce::<_, Sum>(&Threads::new(3), &groups, &x, &mut out[1]).unwrap();
            assert_eq!(out[0], out[1]);
            for (column, sum) in out[0].iter().enumerate() {
                assert_eq!(*sum, x[column..].iter().step_by(width).sum::<f32>(), "{width} {column}");
            }
            // NaN counts only as the first of all, not as the first of a part.
            x.iter_mut().skip(width).step_by(5).for_each(|x| *x = f32::NAN);
            reduce::<_, Max>(&Threads::new(2), &groups, &x, &mut out[0]).unwrap();
            assert_eq!(out[0], vec![12.0; width]);
            x[0] = f32::NAN;
            reduce::<_, Max>(&Threads::new(2), &groups, &x, &mut out[0]).unwrap();
            assert!(out[0][0].is_nan() && out[0][1..].iter().all(|&y| y == 12.0));
        }
    }
}
