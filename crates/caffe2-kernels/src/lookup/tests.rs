use super::*;
use crate::half::f16;
use crate::rowwise::separate::{self, SeparateRows};
use crate::rowwise::{
    Fused8, Fused8Half, FusedBits, FusedRows, RowFormat, Search, dequantize_rows, quantize_rows,
};

const ROWS: usize = 50;

fn values(width: usize) -> Vec<f32> {
    (0..ROWS * width).map(|i| ((i * 7919) % 1009) as f32 * 0.01 - 5.0).collect()
}

/// Groups of all lengths up to 40, some of them empty.
fn groups() -> (Vec<i64>, Vec<usize>) {
    let mut ends: Vec<usize> = (0..41).flat_map(|length| [length, 0]).collect();
    ends.iter_mut().fold(0, |sum, length| {
        *length += sum;
        *length
    });
    let count = ends[ends.len() - 1];
    ((0..count).map(|i| (i * 31 % ROWS) as i64).collect(), ends)
}

fn naive(rows: &[f32], width: usize, weight: impl Fn(usize, usize) -> f32, mean: bool) -> Vec<f64> {
    let (indices, ends) = groups();
    let mut sums = Vec::new();
    let mut start = 0;
    for end in ends {
        for column in 0..width {
            let term = |p: usize| {
                f64::from(weight(p, p - start)) * f64::from(rows[indices[p] as usize * width + column])
            };
            let sum: f64 = (start..end).map(term).sum();
            sums.push(if mean { sum / (end - start).max(1) as f64 } else { sum });
        }
        start = end;
    }
    sums
}

fn check<T: Table, W: Weights>(table: &T, weights: &W, mean: bool, want: &[f64]) {
    let (indices, ends) = groups();
    let run = |threads: &Threads| {
        let mut sums = vec![f32::NAN; ends.len() * table.width()];
        sum_rows(threads, table, &indices, &ends, weights, mean, &mut sums).unwrap();
        sums
    };
    for isa in Isa::available() {
        for (sum, want) in isa.scope(|| run(&Threads::single())).iter().zip(want) {
            assert!((f64::from(*sum) - want).abs() < 1e-3, "{isa:?} {sum} {want}");
        }
    }
    assert!(run(&Threads::single()) == run(&Threads::new(2)));
}

fn check_all<T: Table>(table: &T, rows: &[f32]) {
    let width = table.width();
    let count = groups().0.len();
    let weights: Vec<f32> = (0..count).map(|i| (i % 17) as f32 * 0.1 - 0.5).collect();
    check(table, &Unweighted, false, &naive(rows, width, |_, _| 1.0, false));
    check(table, &Unweighted, true, &naive(rows, width, |_, _| 1.0, true));
    check(table, &PerIndex(&weights), false, &naive(rows, width, |p, _| weights[p], false));
    check(table, &Positional(&weights[..40]), false, &naive(rows, width, |_, i| weights[i], false));
}

fn check_format<F: RowFormat>(width: usize) {
    let row_bytes = F::row_bytes(width).unwrap();
    let mut bytes = vec![0; ROWS * row_bytes];
    quantize_rows::<F, f32>(&Threads::single(), &values(width), width, Search::Ends, &mut bytes).unwrap();
    let table = FusedRows::<F>::new(&bytes, row_bytes).unwrap();
    let mut rows = vec![0.0; ROWS * width];
    dequantize_rows(&Threads::single(), &table, &mut rows).unwrap();
    check_all(&table, &rows);
}

#[test]
fn sums_are_those_of_the_rows_that_are_named() {
    for width in [1, 3, 4, 16, 21, 64, 85, 148] {
        let floats = values(width);
        check_all(&PlainRows::new(&floats, width).unwrap(), &floats);
        let halves: Vec<f16> = floats.iter().map(|x| f16::from_f32(*x)).collect();
        let floats: Vec<f32> = halves.iter().map(|x| x.to_f32()).collect();
        check_all(&PlainRows::new(&halves, width).unwrap(), &floats);
        check_format::<Fused8>(width);
        check_format::<Fused8Half>(width);
    }
    for width in [4, 16, 20, 64, 84, 148] {
        check_format::<FusedBits<4>>(width);
        check_format::<FusedBits<2>>(width);
    }
    check_format::<FusedBits<4>>(6);
}

#[test]
fn scales_and_biases_may_lie_elsewhere() {
    let width = 21;
    let (mut codes, mut lines) = (vec![0; ROWS * width], vec![0.0; 2 * ROWS]);
    separate::quantize_rows(&Threads::single(), &values(width), width, &mut codes, &mut lines).unwrap();
    let table = SeparateRows::new(&codes, width, &lines).unwrap();
    let mut rows = vec![0.0; ROWS * width];
    dequantize_rows(&Threads::single(), &table, &mut rows).unwrap();
    check_all(&table, &rows);
}

#[test]
fn sizes_that_do_not_go_together_are_errors() {
    let table = PlainRows::new(&[1.0f32, 2.0], 1).unwrap();
    let one = Threads::single();
    let run = |indices: &[i32], ends: &[usize], out: &mut [f32]| {
        sum_rows(&one, &table, indices, ends, &Unweighted, false, out)
    };
    assert_eq!(run(&[0, 1], &[2], &mut [0.0]), Ok(()));
    assert!(run(&[0, 1], &[1], &mut [0.0]).is_err());
    assert!(run(&[0, 1], &[2], &mut [0.0; 2]).is_err());
    assert!(run(&[0], &[], &mut []).is_err());
    let weighted =
        |weights| sum_rows(&one, &table, &[0, 1, 0], &[2, 3], &PerIndex(weights), false, &mut [0.0; 2]);
    assert!(weighted(&[1.0; 3]).is_ok() && weighted(&[1.0; 2]).is_err());
    let positional =
        |weights| sum_rows(&one, &table, &[0, 1, 0], &[2, 3], &Positional(weights), false, &mut [0.0; 2]);
    assert!(positional(&[1.0; 2]).is_ok() && positional(&[1.0]).is_err());
    assert!(PlainRows::new(&[1.0f32; 3], 2).is_err() && PlainRows::<f32>::new(&[], 0).is_ok());
    // Rows of no values.
    let empty = PlainRows::<f32>::new(&[], 0).unwrap();
    assert!(sum_rows(&one, &empty, &[5, 7], &[2], &Unweighted, false, &mut []).is_ok());
}
