//! Bytes, with the scales and biases in a matrix of their own: `FloatToRowwiseQuantized8Bits`.
//!
//! Of a row with a range below 1e-10 the scale is 1 and all codes are 0. Otherwise `scale = range / 255`, and codes
//! are rounded half away from zero (Caffe2 `lengths_reducer_rowwise_8bit_ops.h`, Eigen's `round`).

use super::{Bits, CodedRows, Rounding};
use crate::dequant::Affine;
use crate::error::check_len;
use crate::extremes::by_fours;
use crate::{Isa, KernelError, Threads};

/// Rows of bytes, and for each row its scale and its bias.
#[derive(Debug)]
pub struct SeparateRows<'a> {
    codes: &'a [u8],
    lines: &'a [[f32; 2]],
    width: usize,
}

impl<'a> SeparateRows<'a> {
    /// Rows of `width` codes each, of which row `i` has the scale `lines[2 * i]` and the bias `lines[2 * i + 1]`.
    ///
    /// # Errors
    /// When there is not one scale and one bias for each row.
    pub fn new(codes: &'a [u8], width: usize, lines: &'a [f32]) -> Result<SeparateRows<'a>, KernelError> {
        let (pairs, rest) = lines.as_chunks::<2>();
        let expected = pairs.len().checked_mul(width).ok_or(KernelError::Overflow { what: "codes" })?;
        check_len("codes", expected, codes.len())?;
        check_len("scales and biases", 2 * pairs.len(), 2 * pairs.len() + rest.len())?;
        Ok(SeparateRows { codes, lines: pairs, width })
    }
}

impl CodedRows for SeparateRows<'_> {
    type Packing = Bits<8>;
    const ROUNDING: Rounding = Rounding::Twice;

    #[inline(always)]
    fn rows(&self) -> usize {
        self.lines.len()
    }

    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn codes(&self, row: usize) -> &[u8] {
        &self.codes[row * self.width..][..self.width]
    }

    #[inline(always)]
    fn line(&self, row: usize) -> Affine {
        let [scale, bias] = self.lines[row];
        Affine { scale, bias }
    }

    #[inline(always)]
    fn stored(&self, row: usize) -> (&[u8], &[f32]) {
        (self.codes(row), &self.lines[row])
    }
}

/// Stores rows of `width` values as codes, and a scale and a bias for each row in `lines`. Of a row without values
/// scale and bias are 1 and 0.
///
/// # Errors
/// When the lengths do not go together.
pub fn quantize_rows(
    threads: &Threads,
    values: &[f32],
    width: usize,
    codes: &mut [u8],
    lines: &mut [f32],
) -> Result<(), KernelError> {
    check_len("codes", values.len(), codes.len())?;
    SeparateRows::new(codes, width, lines)?;
    let isa = Isa::current();
    let row = |row: usize| &values[row * width..][..width];
    let block_rows = (BLOCK / width.max(1)).max(1);
    threads.for_each_block(lines, 2 * block_rows, 2 * GRAIN / width.max(1), |block, lines| {
        for (i, line) in lines.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let i = block * block_rows + i;
            *line = isa.dispatch(
                #[inline(always)]
                || fit(row(i), i * width),
            );
        }
    });
    let (lines, _) = lines.as_chunks_mut::<2>();
    threads.for_each_block(codes, (block_rows * width).max(1), GRAIN, |block, codes| {
        for (i, codes) in codes.chunks_exact_mut(width).enumerate() {
            let i = block * block_rows + i;
            let (values, [scale, bias]) = (row(i), lines[i]);
            if scale == FLAT {
                codes.fill(0);
                continue;
            }
            isa.dispatch(
                #[inline(always)]
                move || write_codes(values, 1.0 / scale, bias, codes),
            );
        }
    });
    lines.iter_mut().filter(|[scale, _]| *scale == FLAT).for_each(|line| line[0] = 1.0);
    Ok(())
}

/// Codes that one thread writes at a time.
const BLOCK: usize = 16 * 1024;
/// Codes below which waking a pool costs more than it gains.
const GRAIN: usize = 64 * 1024;

/// Stands for the scale of a row with next to no range until its codes are written; no other has this scale.
const FLAT: f32 = 0.0;

/// Scale and bias of a row that begins at element `start` of the matrix.
#[inline(always)]
fn fit(values: &[f32], start: usize) -> [f32; 2] {
    let (low, high) = by_fours(values, start);
    let range = high - low;
    if range < 1e-10 { [FLAT, low] } else { [range / 255.0, low] }
}

/// Values that are made codes at a time.
const GROUP: usize = 32;

#[inline(always)]
fn write_codes(values: &[f32], inverse: f32, bias: f32, codes: &mut [u8]) {
    /// Adding this rounds to the nearest integer, ties to even, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    for (values, codes) in values.chunks(GROUP).zip(codes.chunks_mut(GROUP)) {
        let mut results = [0.0; GROUP];
        for (result, x) in results.iter_mut().zip(values) {
            *result = (x - bias) * inverse;
        }
        let results = &results[..values.len()];
        if results.iter().fold(true, |all, &r| all & (r > -0.5) & (r < 255.5)) {
            for (code, &r) in codes.iter_mut().zip(results) {
                let even = (r + ROUND) - ROUND;
                let rounded = if r - even >= 0.5 { even + 1.0 } else { even };
                *code = (rounded + ROUND).to_bits() as u8;
            }
        } else {
            codes.iter_mut().zip(results).for_each(|(code, r)| *code = any_to_byte(*r));
        }
    }
}

/// The low byte of an int32, which is 0 for NaN and what no int32 can hold: only rows with NaN have such codes.
fn any_to_byte(result: f32) -> u8 {
    let rounded = result.round();
    if rounded.abs() < 2_147_483_648.0 { rounded as i32 as u8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Threads = Threads::single();

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let mut values: Vec<f32> = (0..40).map(|i| i as f32 + 0.5).collect();
        values.extend([0.0, 255.0, 0.49999997]);
        let (mut codes, mut line) = (vec![0; values.len()], [0.0; 2]);
        quantize_rows(&ONE, &values, values.len(), &mut codes, &mut line).unwrap();
        assert_eq!(line, [1.0, 0.0]);
        let want: Vec<u8> = (1..41).chain([0, 255, 0]).collect();
        assert_eq!(codes, want);
    }

    #[test]
    fn rows_with_next_to_no_range_have_codes_of_0() {
        let (mut codes, mut lines) = ([9; 6], [0.0; 6]);
        quantize_rows(&ONE, &[3.0, 3.0, 0.0, 9e-11, -1.0, 254.0], 2, &mut codes, &mut lines).unwrap();
        assert_eq!((codes, lines), ([0, 0, 0, 0, 0, 255], [1.0, 3.0, 1.0, 0.0, 1.0, -1.0]));
        quantize_rows(&ONE, &[], 0, &mut [], &mut lines).unwrap();
        assert_eq!(lines, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        assert!(quantize_rows(&ONE, &[1.0], 1, &mut [0], &mut lines).is_err());
        assert!(SeparateRows::new(&[1, 2], 2, &[1.0]).is_err());
    }

    #[test]
    fn every_version_and_number_of_threads_gives_the_same() {
        let (rows, width) = (3000, 45);
        let values: Vec<f32> = (0..rows * width).map(|i| ((i * 7919) % 10_007) as f32 * 0.01).collect();
        let run = |threads: &Threads| {
            let (mut codes, mut lines) = (vec![0; values.len()], vec![0.0; 2 * rows]);
            quantize_rows(threads, &values, width, &mut codes, &mut lines).unwrap();
            (codes, lines)
        };
        let want = Isa::Portable.scope(|| run(&ONE));
        for isa in Isa::available() {
            assert!(isa.scope(|| run(&ONE)) == want);
        }
        assert!(run(&Threads::new(2)) == want);
        for (i, (code, x)) in want.0.iter().zip(&values).enumerate() {
            let [scale, bias] = [want.1[i / width * 2], want.1[i / width * 2 + 1]];
            assert_eq!(*code, ((x - bias) * (1.0 / scale)).round() as u8);
        }
    }
}
