//! Rows to values.

use super::quantize::RowValue;
use super::{CodedRows, Packing, Rounding};
use crate::dequant::{Affine, BLOCK, GRAIN, STREAM_FROM, stream};
use crate::error::check_len;
use crate::index::RowIndex;
use crate::isa::multiply_add_once;
use crate::{Isa, KernelError, Threads};

/// Writes the values of all rows to `out`, one row after the other. Values that are halves are the nearest to the float
/// values.
///
/// # Errors
/// When `out` has another length than all rows together.
pub fn dequantize_rows<R: CodedRows, T: RowValue>(
    threads: &Threads,
    table: &R,
    out: &mut [T],
) -> Result<(), KernelError> {
    check_len("values", table.rows() * table.width(), out.len())?;
    expand(threads, table, R::ROUNDING, out, |row| row);
    Ok(())
}

/// Writes the values of the rows that `indices` name to `out`, one row after the other, with two roundings each.
///
/// # Errors
/// When `out` has another length than these rows together.
///
/// # Panics
/// When an index is negative or not below the number of rows: see [`first_beyond`](crate::index::first_beyond).
pub fn gather_rows<R: CodedRows, I: RowIndex>(
    threads: &Threads,
    table: &R,
    indices: &[I],
    out: &mut [f32],
) -> Result<(), KernelError> {
    check_len("values", indices.len() * table.width(), out.len())?;
    expand(threads, table, Rounding::Twice, out, |i| indices[i].row());
    Ok(())
}

/// Writes row `pick(i)` of the table as row `i` of `out`. Blocks of work have a fixed number of elements, so that a
/// single long row is shared among threads too.
fn expand<R: CodedRows, T: RowValue>(
    threads: &Threads,
    table: &R,
    rounding: Rounding,
    out: &mut [T],
    pick: impl Fn(usize) -> usize + Sync + Send,
) {
    let (isa, width) = (Isa::current(), table.width());
    // Where rows are no whole cache lines, the lines between them are written in two parts: such rows must be long.
    let past_caches = out.len() >= STREAM_FROM && (width.is_multiple_of(LINE) || width >= 16 * LINE);
    threads.for_each_block(out, BLOCK, GRAIN, |block, mut out| {
        let (mut row, mut column) = (block * BLOCK / width, block * BLOCK % width);
        while !out.is_empty() {
            let (part, rest) = out.split_at_mut((width - column).min(out.len()));
            let stored = pick(row);
            let (codes, line) = (table.codes(stored), settled(table.line(stored)));
            expand_part::<R::Packing, T>(isa, past_caches, codes, column, line, rounding, part);
            (out, row, column) = (rest, row + 1, 0);
        }
    });
}

/// Floats of a cache line.
const LINE: usize = 16;

/// With a NaN scale, or an infinite one and a NaN bias, all values are that NaN. Said explicitly, because processors
/// choose among several NaNs by the order of operands, which is a compiler's choice.
fn settled(line: Affine) -> Affine {
    if line.scale.is_nan() {
        Affine { bias: line.scale, ..line }
    } else if line.bias.is_nan() {
        Affine { scale: line.bias, ..line }
    } else {
        line
    }
}

/// The values of the codes from number `column` on.
#[inline(always)]
fn expand_part<P: Packing, T: RowValue>(
    isa: Isa,
    past_caches: bool,
    codes: &[u8],
    column: usize,
    line: Affine,
    rounding: Rounding,
    out: &mut [T],
) {
    match rounding {
        Rounding::Twice => expand_with::<P, T>(
            isa,
            past_caches,
            codes,
            column,
            out,
            #[inline(always)]
            move |_, code| code * line.scale + line.bias,
        ),
        Rounding::Once => expand_with::<P, T>(
            isa,
            past_caches,
            codes,
            column,
            out,
            #[inline(always)]
            move |fused, code| multiply_add_once(fused, code, line.scale, line.bias),
        ),
    }
}

#[inline(always)]
fn expand_with<P: Packing, T: RowValue>(
    isa: Isa,
    past_caches: bool,
    codes: &[u8],
    column: usize,
    out: &mut [T],
    value: impl Fn(bool, f32) -> f32 + Copy,
) {
    if past_caches && let Some(floats) = T::as_floats_mut(out) {
        let fused = isa != Isa::Portable;
        return stream::store(
            isa,
            floats,
            #[inline(always)]
            move |at, part| fill::<P, f32>(codes, column + at, part, |code| value(fused, code)),
        );
    }
    isa.dispatch_fused(
        #[inline(always)]
        move |fused| fill::<P, T>(codes, column, out, |code| value(fused, code)),
    );
}

/// Codes that are made values at a time.
const STEP: usize = 16;

#[inline(always)]
fn fill<P: Packing, T: RowValue>(codes: &[u8], column: usize, out: &mut [T], value: impl Fn(f32) -> f32) {
    let (steps, rest) = out.as_chunks_mut::<STEP>();
    let mut at = column;
    for step in steps {
        let codes = P::unpack::<STEP>(codes, at);
        for (y, code) in step.iter_mut().zip(codes) {
            *y = T::from_f32(value(code));
        }
        at += STEP;
    }
    for (i, y) in rest.iter_mut().enumerate() {
        *y = T::from_f32(value(f32::from(P::code(codes, at + i))));
    }
}
