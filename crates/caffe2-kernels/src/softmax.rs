//! Softmax over the rows of a matrix.

use crate::reduce::{LANES, reduce};
use crate::{Isa, Threads, vecmath};

/// Writes `exp(x - max) / sum(exp(x - max))` for each row of `row_len` elements (Caffe2 `softmax_op.cc`).
///
/// A row with a NaN or +infinity, or of -infinity only, becomes NaN throughout, as in Caffe2. Results are
/// the same bits on every instruction set and for any number of threads.
///
/// ```
/// use caffe2_kernels::{Threads, softmax::softmax};
///
/// let mut y = [0.0; 4];
/// softmax(&Threads::single(), &[1.0, 1.0, -200.0, 5.0], 2, &mut y);
/// assert_eq!(y, [0.5, 0.5, 0.0, 1.0]);
/// ```
///
/// # Panics
///
/// If the lengths differ, or are not a multiple of `row_len`.
pub fn softmax(threads: &Threads, input: &[f32], row_len: usize, output: &mut [f32]) {
    softmax_on(Isa::current(), threads, input, row_len, output);
}

fn softmax_on(isa: Isa, threads: &Threads, input: &[f32], row_len: usize, output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "input and output differ in length");
    if input.is_empty() {
        return;
    }
    assert!(row_len > 0 && input.len().is_multiple_of(row_len), "input is not made of whole rows");
    let block = row_len * BLOCK.div_ceil(row_len);
    threads.for_each_block(output, block, GRAIN, |index, block_out| {
        let input = &input[index * block..][..block_out.len()];
        isa.dispatch(
            #[inline(always)]
            move || {
                for (x, y) in input.chunks_exact(row_len).zip(block_out.chunks_exact_mut(row_len)) {
                    softmax_row(x, y);
                }
            },
        );
    });
}

/// Elements that one thread computes at a time, at least.
const BLOCK: usize = 4 * 1024;
/// Elements below which waking a pool costs more than it gains.
const GRAIN: usize = 16 * 1024;

#[inline(always)]
fn softmax_row(input: &[f32], output: &mut [f32]) {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    // A NaN is never larger; it makes itself felt in the sum.
    let max = reduce(input, f32::NEG_INFINITY, larger);
    let (chunks, rest) = input.as_chunks::<LANES>();
    let (out_chunks, out_rest) = output.as_chunks_mut::<LANES>();
    for (y, x) in out_chunks.iter_mut().zip(chunks) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = vecmath::exp(x - max);
        }
    }
    // A short rest costs no more as a whole chunk than one element alone.
    let mut padded = [0.0; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    for x in &mut padded {
        *x = vecmath::exp(*x - max);
    }
    out_rest.copy_from_slice(&padded[..rest.len()]);
    let sum = reduce(output, 0.0, |a, b| a + b);
    for y in output {
        *y /= sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(input: &[f32]) -> Vec<f32> {
        let mut output = vec![-1.0; input.len()];
        softmax(&Threads::single(), input, input.len(), &mut output);
        output
    }

    #[test]
    fn what_is_not_finite() {
        let inf = f32::INFINITY;
        for poisoned in [[inf, 1.0, 2.0], [-inf, -inf, -inf], [f32::NAN, 1.0, 2.0], [1.0, f32::NAN, 2.0]] {
            assert!(row(&poisoned).iter().all(|y| y.is_nan()), "{poisoned:?}");
        }
        assert_eq!(row(&[1e38, -1e38, -inf]), [1.0, 0.0, 0.0]);
        assert_eq!(row(&[f32::MAX]), [1.0]);
        assert_eq!(row(&[]), []);
    }

    #[test]
    fn denormal_results_survive() {
        let y = row(&[0.0, -87.5, -103.9]);
        assert_eq!(y[2].to_bits(), 1);
        assert!(y[1] > 0.0 && y[1] < f32::MIN_POSITIVE);
    }

    #[test]
    fn every_version_gives_the_same_bits() {
        for (rows, len) in [(1, 1), (3, 7), (2, 130), (700, 10), (40, 1000), (2, 40_000)] {
            let x: Vec<f32> = (0..rows * len).map(|i| ((i * 7919) % 1009) as f32 * 0.05 - 25.0).collect();
            let mut want = vec![0.0; x.len()];
            softmax_on(Isa::Portable, &Threads::single(), &x, len, &mut want);
            for (x, y) in x.chunks(len).zip(want.chunks(len)) {
                let max = x.iter().copied().fold(f32::MIN, f32::max);
                let sum: f64 = x.iter().map(|&x| f64::from(x - max).exp()).sum();
                for (&x, &y) in x.iter().zip(y) {
                    let exact = f64::from(x - max).exp() / sum;
                    assert!((f64::from(y) - exact).abs() <= 5e-6 * exact, "{y} {exact}");
                }
            }
            for isa in Isa::available() {
                for threads in [Threads::single(), Threads::new(2)] {
                    let mut y = vec![0.0; x.len()];
                    softmax_on(isa, &threads, &x, len, &mut y);
                    assert!(y.iter().zip(&want).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?} {len}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "whole rows")]
    fn rows_must_be_whole() {
        softmax(&Threads::single(), &[0.0; 5], 2, &mut [0.0; 5]);
    }

    proptest! {
        #[test]
        fn rows_sum_to_one(x in prop::collection::vec(-1e3f32..1e3, 1..200)) {
            let sum: f64 = row(&x).iter().map(|&y| f64::from(y)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5);
        }
    }
}
