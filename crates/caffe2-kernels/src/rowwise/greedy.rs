//! The search of the engine `GREEDY` for the ends of a row.
//!
//! From the smallest and the largest value on, one end after the other moves inwards by a 200th of the range, each
//! time the one whose move leaves the smaller error, as long as more than 84 % of the range remain. The ends whose
//! error was smaller than after either move, and smaller than all before, are taken (Caffe2
//! `fused_rowwise_nbitfake_conversion_ops.cc`, `param_search_greedy`). Errors are summed one by one, as Caffe2 does, so
//! that the same ends are found.

use super::Parameter;
use crate::half::f16;

/// Steps that the range is divided into.
const STEPS: f32 = 200.0;
/// Steps that remain: `200 * (1 - 0.16)`, as an integer.
const LEAST: f32 = 168.0;

/// Ends of `values`, which are from `low` to `high`, for codes from 0 to `top`.
#[inline(always)]
pub(super) fn search(values: &[f32], low: f32, high: f32, top: u8) -> (f32, f32) {
    let top = f32::from(top);
    let step = (high - low) / STEPS;
    let least = LEAST * step;
    let [mut error] = errors(values, [(low, high)], top);
    let (mut best, mut least_error) = ((low, high), error);
    let (mut low, mut high) = (low, high);
    while low + least < high {
        let (raised, lowered) = (low + step, high - step);
        let [if_raised, if_lowered] = errors(values, [(raised, high), (low, lowered)], top);
        if error < if_raised && error < if_lowered && error < least_error {
            (best, least_error) = ((low, high), error);
        }
        // A step too small to move an end would be taken again and again; Caffe2 never ends then.
        if if_raised < if_lowered {
            if raised == low {
                break;
            }
            (low, error) = (raised, if_raised);
        } else {
            if lowered == high {
                break;
            }
            (high, error) = (lowered, if_lowered);
        }
    }
    best
}

/// Values whose errors are computed at a time.
const BLOCK: usize = 32;

/// For each pair of ends how far the values are from what their codes stand for: the root of the sum of squares.
#[inline(always)]
fn errors<const N: usize>(values: &[f32], ends: [(f32, f32); N], top: f32) -> [f32; N] {
    /// Adding this rounds to the nearest integer, ties to even.
    const ROUND: f32 = 12_582_912.0;
    let lines = ends.map(|(low, high)| {
        let bias = f16::round(low);
        let range = high - bias;
        (if range == 0.0 { 1.0 } else { f16::round(range / top) }, bias)
    });
    let mut sums = [0.0f32; N];
    for values in values.chunks(BLOCK) {
        let mut squares = [[0.0f32; BLOCK]; N];
        for (squares, (scale, bias)) in squares.iter_mut().zip(lines) {
            let inverse = 1.0 / scale;
            for (square, &x) in squares.iter_mut().zip(values) {
                let code = (x - bias) * inverse;
                // NaN becomes 0.
                let code = if code > 0.0 { code } else { 0.0 };
                let code = if code < top { code } else { top };
                let difference = x - (((code + ROUND) - ROUND) * scale + bias);
                *square = difference * difference;
            }
        }
        for i in 0..values.len() {
            for (sum, squares) in sums.iter_mut().zip(&squares) {
                *sum += squares[i];
            }
        }
    }
    sums.map(f32::sqrt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_is_given_up_where_that_pays() {
        let mut values = [0.0; 64];
        values.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 16) as f32 / 15.0);
        values[3] = 1.1;
        let (low, high) = search(&values, 0.0, 1.1, 15);
        assert!((0.0..0.1).contains(&low) && (1.0..1.1).contains(&high), "{low} {high}");
        let [before, after] = errors(&values, [(0.0, 1.1), (low, high)], 15.0);
        assert!(after < before, "{after} {before}");
    }

    #[test]
    fn it_ends_where_steps_are_too_small_or_no_numbers() {
        for (low, high) in
            [(1.0, 1.0f32.next_up()), (1.0, 1.0), (f32::NAN, 1.0), (-f32::INFINITY, 1.0), (1e30, 1e30)]
        {
            let found = search(&[low, high, low, high], low, high, 15);
            assert_eq!((found.0.to_bits(), found.1.to_bits()), (low.to_bits(), high.to_bits()));
        }
        // Ends far apart in which a step is about the distance of neighbouring floats.
        let low = 16_777_216.0f32;
        search(&[low, low + 400.0], low, low + 400.0, 3);
    }
}
