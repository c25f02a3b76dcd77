//! Reductions of which each result has its own number of elements.

use caffe2_kernels::{Isa, Threads};
use caffe2_operator::OpError;

use crate::kernel::grain;
use crate::lanes::rows;
use crate::number::Number;
use crate::reducer::Reducer;

/// Results that one thread computes in one go.
const BLOCK: usize = 256;

/// Whether there is a length for each result.
pub(crate) fn check_count(found: usize, results: usize) -> Result<(), OpError> {
    if found == results {
        return Ok(());
    }
    Err(OpError::input(1, format!("expected {results} lengths, one for each result, found {found}")))
}

/// Whether there is a length for each result, none of which goes beyond the `most` elements there are, if any.
pub(crate) fn check_lengths(lengths: &[i32], results: usize, most: Option<usize>) -> Result<(), OpError> {
    check_count(lengths.len(), results)?;
    let Some(most) = most else { return Ok(()) };
    match lengths.iter().find(|&&length| usize::try_from(length).map_or(true, |n| n > most)) {
        Some(wrong) => Err(OpError::input(1, format!("expected lengths from 0 to {most}, found {wrong}"))),
        None => Ok(()),
    }
}

/// Reduces the first elements of each row, or the first one where the length is 0.
pub(crate) fn reduce_rows<T: Number, R: Reducer<T>>(
    threads: &Threads,
    x: &[T],
    lengths: &[i32],
    out: &mut [T],
) {
    let row = x.len() / out.len();
    threads.for_each_block(out, BLOCK, grain(x.len()), |block, out| {
        for (i, y) in (block * BLOCK..).zip(out) {
            let len = (lengths[i] as usize).max(1);
            rows::<T, R>(Isa::current(), &x[i * row..][..len], len, std::slice::from_mut(y), true);
        }
    });
}

/// Reduces the first elements of each column, or the first one where the length is 0.
pub(crate) fn reduce_columns<T: Number, R: Reducer<T>>(
    threads: &Threads,
    x: &[T],
    lengths: &[i32],
    out: &mut [T],
) {
    let columns = out.len();
    threads.for_each_block(out, BLOCK, grain(x.len()), |block, out| {
        let (x, lengths) = (&x[block * BLOCK..], &lengths[block * BLOCK..][..out.len()]);
        let most = lengths.iter().copied().max().unwrap_or(0);
        Isa::current().dispatch(
            #[inline(always)]
            move || {
                out.iter_mut().zip(x).for_each(|(y, &x)| *y = R::lift(x));
                for (row, x) in (1..most).zip(x.chunks(columns).skip(1)) {
                    for ((y, &x), &length) in out.iter_mut().zip(x).zip(lengths) {
                        let joined = R::join(*y, R::lift(x));
                        *y = if row < length { joined } else { *y };
                    }
                }
            },
        );
    });
}

/// Makes what was joined the results; `None` when one would be an integer divided by 0.
pub(crate) fn finish<T: Number, R: Reducer<T>>(lengths: &[i32], out: &mut [T]) -> Option<()> {
    out.iter_mut().zip(lengths).try_for_each(|(y, &length)| {
        *y = R::finish(*y, length as usize)?;
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reducer::{Max, Sum};

    #[test]
    fn any_lengths_of_rows_and_columns() {
        const ROWS: usize = 300;
        for (len, threads) in [(7, Threads::single()), (400, Threads::new(2))] {
            let x: Vec<i64> = (0..ROWS * len).map(|i| (i * i % 31) as i64 - 9).collect();
            let turned: Vec<i64> = (0..len).flat_map(|i| x[i..].iter().step_by(len).copied()).collect();
            let lengths: Vec<i32> = (0..ROWS).map(|i| (i * 5 % (len + 1)) as i32).collect();
            let first = |i: usize| x[i * len..][..(lengths[i] as usize).max(1)].iter().copied();
            let mut out = vec![0; ROWS];
            for (x, reduce_sums, reduce_most) in [
                (
                    &x,
                    reduce_rows::<i64, Sum> as fn(&Threads, &[i64], &[i32], &mut [i64]),
                    reduce_rows::<i64, Max> as fn(&Threads, &[i64], &[i32], &mut [i64]),
                ),
                (&turned, reduce_columns::<i64, Sum>, reduce_columns::<i64, Max>),
            ] {
                reduce_sums(&threads, x, &lengths, &mut out);
                assert!((0..ROWS).all(|i| out[i] == first(i).sum::<i64>()));
                reduce_most(&threads, x, &lengths, &mut out);
                assert!((0..ROWS).all(|i| Some(out[i]) == first(i).max()));
            }
        }
    }
}
