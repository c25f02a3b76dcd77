//! Sums in double precision, in an order that the shape alone decides.

use caffe2_kernels::Isa;
use caffe2_operator::Threads;

use crate::layout::grain;

/// Sums that are taken at once.
pub(crate) const LANES: usize = 16;

/// Adds `f` of each element of a row to one of the sums, for bodies given to [`Isa::dispatch`].
#[inline(always)]
pub(crate) fn add_row<T: Copy + Into<f64>>(sums: &mut [f64; LANES], row: &[T], f: impl Fn(f64) -> f64) {
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, &x)| *sum += f(x.into()));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, &x)| *sum += f(x.into()));
}

/// The sum of `f` of each element of a row, for bodies given to [`Isa::dispatch`].
#[inline(always)]
pub(crate) fn row_sum<T: Copy + Into<f64>>(row: &[T], f: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    add_row(&mut sums, row, f);
    sums.iter().sum()
}

/// Sums of the columns of matrices, each with a value of its column that the terms may depend on.
#[derive(Debug, Default)]
pub(crate) struct ColumnSums {
    pub(crate) sums: Vec<f64>,
    pub(crate) centres: Vec<f64>,
}

impl ColumnSums {
    /// Makes room for this many columns, of all matrices.
    pub(crate) fn resize(&mut self, columns: usize) {
        self.sums.resize(columns, 0.0);
        self.centres.resize(columns, 0.0);
    }

    /// Sums `f` of each element, and of the centre of its column, by columns, of which a matrix has so many.
    pub(crate) fn add_up(
        &mut self,
        threads: &Threads,
        x: &[f32],
        columns: usize,
        f: impl Fn(f64, f64) -> f64 + Copy + Sync + Send,
    ) {
        let ColumnSums { sums, centres } = self;
        let (isa, matrix, centres) = (Isa::current(), x.len() / centres.len() * columns, &*centres);
        // A block must not reach into another matrix.
        let block = if sums.len() == columns || columns.is_multiple_of(LANES) { LANES } else { columns };
        threads.for_each_block(sums, block, grain(x.len()), |index, sums| {
            let start = index * block;
            let x = &x[start / columns * matrix..][..matrix];
            let centres = &centres[start..][..sums.len()];
            isa.dispatch(
                #[inline(always)]
                move || column_sums(x, columns, start % columns, centres, sums, f),
            );
        });
    }
}

/// Sums of the columns from `first` on of a matrix of rows of `columns` elements: of `f` of each element and of what
/// `centres` holds for its column.
#[inline(always)]
fn column_sums(
    x: &[f32],
    columns: usize,
    first: usize,
    centres: &[f64],
    sums: &mut [f64],
    f: impl Fn(f64, f64) -> f64 + Copy,
) {
    sums.fill(0.0);
    if columns >= LANES || sums.len() < columns {
        return add_columns(x, columns, first, centres, sums, f);
    }
    // Narrow rows are taken by LANES at a time: as one long row.
    let mut many_centres = [0.0; LANES * LANES];
    let mut many_sums = [0.0; LANES * LANES];
    let many = columns * LANES;
    many_centres.chunks_exact_mut(columns).for_each(|many| many.copy_from_slice(centres));
    let whole = x.len() / many * many;
    add_columns(&x[..whole], many, 0, &many_centres[..many], &mut many_sums[..many], f);
    for many in many_sums[..many].chunks_exact(columns) {
        sums.iter_mut().zip(many).for_each(|(sum, x)| *sum += x);
    }
    add_columns(&x[whole..], columns, 0, centres, sums, f);
}

#[inline(always)]
fn add_columns(
    x: &[f32],
    columns: usize,
    first: usize,
    centres: &[f64],
    sums: &mut [f64],
    f: impl Fn(f64, f64) -> f64 + Copy,
) {
    let (chunks, rest) = sums.as_chunks_mut::<LANES>();
    let (centre_chunks, rest_centres) = centres.as_chunks::<LANES>();
    let rest_at = first + chunks.len() * LANES;
    for (i, (chunk, centres)) in chunks.iter_mut().zip(centre_chunks).enumerate() {
        let at = first + i * LANES;
        let mut sums = *chunk;
        for row in x.chunks_exact(columns) {
            for ((sum, &x), &centre) in sums.iter_mut().zip(&row[at..at + LANES]).zip(centres) {
                *sum += f(x.into(), centre);
            }
        }
        *chunk = sums;
    }
    if !rest.is_empty() {
        for row in x.chunks_exact(columns) {
            for ((sum, &x), &centre) in rest.iter_mut().zip(&row[rest_at..]).zip(rest_centres) {
                *sum += f(x.into(), centre);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_of_any_length_are_summed() {
        for columns in [1, 2, 7, 15, 16, 17, 40] {
            for rows in [1, 3, 16, 70] {
                let x: Vec<f32> = (0..rows * columns).map(|i| (i * i % 23) as f32).collect();
                let centres: Vec<f64> = (0..columns).map(|c| c as f64).collect();
                for first in [0, columns / 2] {
                    let mut sums = vec![9.0; columns - first];
                    column_sums(&x, columns, first, &centres[first..], &mut sums, |x, centre| x - centre);
                    for (sum, column) in sums.iter().zip(first..) {
                        let of_column = x[column..].iter().step_by(columns);
                        let want = of_column.map(|&x| f64::from(x) - column as f64).sum::<f64>();
                        assert_eq!(*sum, want, "{rows} {columns} {column}");
                    }
                }
                assert_eq!(row_sum(&x, |x| x * x), x.iter().map(|&x| f64::from(x * x)).sum::<f64>());
            }
        }
    }
}
