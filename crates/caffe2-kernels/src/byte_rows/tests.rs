use proptest::prelude::*;

use super::*;
use crate::dequant::dequantize_on;
use crate::gemm::matmul as float_matmul;
use crate::rowwise::{
    Bits, Fused8, Fused8Half, FusedRows, RowFormat, Search, dequantize_rows, quantize_rows,
};

fn bytes(n: usize, seed: usize) -> Vec<u8> {
    (0..n).map(|i| (((i * 7919 + seed * 104_729) % 65_537) >> 3) as u8).collect()
}

fn floats(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 * 0.001 - 0.6).collect()
}

/// Bytes with a line of its own for each row, and spare bytes between the rows.
struct Rowwise {
    bytes: Vec<u8>,
    width: usize,
    lines: Vec<(f32, f32)>,
}

const SPARE: usize = 8;

impl Rowwise {
    fn new(rows: usize, width: usize) -> Rowwise {
        let line = |r: usize| match r % 5 {
            // Rows of equal values are not worth a slope.
            4 => (0.0, 0.3),
            _ => (0.01 + r as f32 * 1e-3, -0.9 - r as f32 * 0.1),
        };
        Rowwise { bytes: bytes(rows * (width + SPARE), 5), width, lines: (0..rows).map(line).collect() }
    }
}

impl ByteRows for Rowwise {
    fn rows(&self) -> usize {
        self.lines.len()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn bytes(&self) -> (&[u8], usize) {
        (&self.bytes, self.width + SPARE)
    }

    fn line(&self, row: usize) -> CodeLine {
        let (scale, bias) = self.lines[row];
        CodeLine { slope: scale.into(), first: bias.into() }
    }

    fn expand(&self, row: usize, start: usize, out: &mut [f32]) {
        let (scale, bias) = self.lines[row];
        let codes = &self.bytes[row * (self.width + SPARE)..][..self.width][start..];
        out.iter_mut().zip(codes).for_each(|(y, q)| *y = f32::from(*q) * scale + bias);
    }
}

fn expanded<B: ByteRows>(weights: &B) -> Vec<f32> {
    let mut values = vec![0.0; weights.rows() * weights.width()];
    if weights.width() > 0 {
        let rows = values.chunks_exact_mut(weights.width()).enumerate();
        rows.for_each(|(row, values)| weights.expand(row, 0, values));
    }
    values
}

/// Largest share of the norms of the operands that the two ways may differ by.
const TOLERANCE: f64 = 3e-6;

/// Holds both products of `a` with the weights against those of the expanded weights, on all instruction sets, and two
/// threads against one.
fn check<B: ByteRows>(what: &str, m: usize, a: &[f32], weights: &B, bias: bool) {
    check_one::<B, true>(what, m, a, weights, bias);
    check_one::<B, false>(what, m, a, weights, bias);
}

fn check_one<B: ByteRows, const TRANSPOSED: bool>(what: &str, m: usize, a: &[f32], weights: &B, bias: bool) {
    let (rows, width) = (weights.rows(), weights.width());
    let (n, k) = if TRANSPOSED { (rows, width) } else { (width, rows) };
    let a = &a[..m * k];
    let values = expanded(weights);
    let right = MatRef::new(&values, rows, width).unwrap().transposed_if(TRANSPOSED);
    let a = MatRef::new(a, m, k).unwrap();
    let all_bias = floats(n, 3);
    let bias = if bias { Bias::PerColumn(&all_bias) } else { Bias::None };
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let range = (0..rows).map(|row| 255.0 * weights.line(row).slope.abs()).fold(0.0, f64::max);
    for isa in Isa::available() {
        let mut wanted = vec![0.0; m * n];
        let c = MatMut::new(&mut wanted, m, n).unwrap();
        isa.scope(|| float_matmul(&Threads::single(), a, right, bias, c)).unwrap();
        let run = |threads: &Threads| {
            let mut got = vec![f32::NAN; m * n];
            let c = MatMut::new(&mut got, m, n).unwrap();
            matmul_on::<B, TRANSPOSED>(isa, threads, a, weights, bias, c).unwrap();
            got
        };
        let got = run(&Threads::single());
        for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
            let (r, j) = (i / n, i % n);
            let of_column = |p: usize| if TRANSPOSED { values[j * width + p] } else { values[p * width + j] };
            let size = norm(&mut a.row(r).iter().copied()) * norm(&mut (0..k).map(of_column));
            // The expanded weights are themselves rounded, by as much as their whole range has it.
            let rounding = norm(&mut a.row(r).iter().copied()) * (k as f64).sqrt() * range;
            let allowed = TOLERANCE * size + f64::from(f32::EPSILON) * rounding;
            let allowed = allowed + 1e-6 * f64::from(wanted.abs()) + 1e-30;
            let close = (f64::from(*got) - f64::from(*wanted)).abs() <= allowed;
            let same = got == wanted || got.is_nan() && wanted.is_nan();
            assert!(
                same || wanted.is_finite() && close,
                "{what} {m}x{n}x{k} {TRANSPOSED} {isa:?} at {i}: {got} {wanted}, of {size}"
            );
        }
        let shared = run(&Threads::new(2));
        let same = got.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{what} {m}x{n}x{k} {TRANSPOSED} {isa:?} two threads");
    }
}

fn matrix(bytes: &[u8], rows: usize, width: usize, (min, max): (f32, f32)) -> ByteMatrix<'_> {
    ByteMatrix::new(&bytes[..rows * width], rows, width, CodeMap::from_range(min, max)).unwrap()
}

#[test]
fn sizes_around_the_tiles() {
    let (a, q) = (floats(40 * 300, 1), bytes(150 * 300, 2));
    for m in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 33] {
        for (rows, width) in [
            (1, 1),
            (2, 15),
            (3, 16),
            (5, 17),
            (11, 31),
            (12, 32),
            (13, 64),
            (49, 130),
            (100, 257),
            (17, 300),
        ] {
            check("uniform", m, &a, &matrix(&q, rows, width, (-1.0, 1.2)), true);
            check("rowwise", m, &a, &Rowwise::new(rows, width), false);
        }
    }
}

#[test]
fn sizes_of_nothing() {
    for (m, rows, width) in [(0, 3, 4), (2, 0, 4), (2, 3, 0), (1, 0, 0), (9, 0, 4), (9, 3, 0)] {
        check("empty", m, &[1.0; 40], &matrix(&[7; 12], rows, width, (-1.0, 1.0)), true);
    }
}

#[test]
fn sizes_shared_by_threads() {
    let (a, q) = (floats(9 * 3000, 1), bytes(1000 * 3000, 2));
    for (m, rows, width) in [(1, 1000, 3000), (3, 700, 1100), (8, 3000, 300), (9, 600, 700)] {
        check("large", m, &a, &matrix(&q, rows, width, (-0.1, 0.2)), true);
    }
}

#[test]
fn ranges_of_all_kinds() {
    let q = bytes(40 * 600, 2);
    let big = f32::MAX;
    for range in [
        (-1.0, 1.0),
        (0.0, 1.0),
        (1.0, -1.0),
        (7.0, 8.0),
        (1000.0, 1001.0),
        (-1e6, -1e6 + 1.0),
        (0.25, 0.25),
        (0.0, 0.0),
        (-1e-20, 1e-20),
        (-1e-40, 1e-40),
        (-1e20, 1e20),
        (-1e37, 1e37),
        (-big, big),
        (0.0, f32::INFINITY),
        (f32::NEG_INFINITY, 0.0),
        (f32::NAN, 1.0),
    ] {
        // Elements of one sign add up to much; those of both nearly vanish in the sum.
        for a in [vec![0.75; 600 * 3], floats(600 * 3, 1), (0..1800).map(|i| [1.0, -1.0][i % 2]).collect()] {
            for m in [1, 3] {
                check(&format!("{range:?}"), m, &a, &matrix(&q, 40, 600, range), false);
            }
        }
    }
}

#[test]
fn the_other_operand_may_hold_anything() {
    let q = bytes(40 * 100, 2);
    let weights = matrix(&q, 40, 100, (-1.0, 1.0));
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e38, 1e-45, 1e-38, 0.0] {
        for m in [1, 2, 8] {
            let mut a = floats(m * 100, 1);
            a[(m - 1) * 40 + 7] = odd;
            check(&format!("one {odd}"), m, &a, &weights, true);
            // Where sums of finite elements overflow, their order decides what comes of it.
            if !(1e38..f32::INFINITY).contains(&odd) {
                check(&format!("all {odd}"), m, &vec![odd; m * 100], &weights, true);
            }
            check(&format!("rowwise {odd}"), m, &a, &Rowwise::new(40, 100), true);
        }
    }
}

#[test]
fn other_rules_for_bytes() {
    let (a, q) = (floats(2 * 200, 1), bytes(30 * 200, 2));
    for map in [
        CodeMap::from_range_and_codes(-1.0, 2.0, 16, 236),
        CodeMap::centred(-0.4, 0.6, 0, 255),
        CodeMap::centred(-0.4, 0.6, 3, 200),
        CodeMap::ZeroPoint { zero_point: 77, scale: 0.01 },
        CodeMap::ZeroPoint { zero_point: i32::MIN, scale: 1e-12 },
    ] {
        for m in [1, 2, 12] {
            let weights = ByteMatrix::new(&q, 30, 200, map).unwrap();
            check(&format!("{map:?}"), m.min(2), &a, &weights, true);
            check(&format!("{map:?}"), m, &floats(m * 200, 4), &weights, true);
        }
        let mut values = vec![0.0; q.len()];
        dequantize_on(Isa::current(), &Threads::single(), &q, map, &mut values);
        assert_eq!(expanded(&ByteMatrix::new(&q, 30, 200, map).unwrap()), values);
    }
}

/// Checks a format of rows against its own expansion.
fn check_format<F: RowFormat<Packing = Bits<8>>>(rows: usize, width: usize) {
    let threads = Threads::single();
    let values: Vec<f32> =
        floats(rows * width, 8).iter().enumerate().map(|(i, v)| v + (i / width) as f32 * 0.1).collect();
    let row_bytes = F::row_bytes(width).unwrap();
    let mut stored = vec![0; rows * row_bytes];
    quantize_rows::<F, f32>(&threads, &values, width, Search::Ends, &mut stored).unwrap();
    let table = FusedRows::<F>::new(&stored, row_bytes).unwrap();
    let mut wanted = vec![0.0f32; values.len()];
    dequantize_rows(&threads, &table, &mut wanted).unwrap();
    assert_eq!(expanded(&table), wanted);
    for m in [1, 3, 8, 20] {
        check("format", m, &floats(m * rows.max(width), 1), &table, true);
    }
}

#[test]
fn formats_with_scale_and_bias_behind_each_row() {
    for (rows, width) in [(1, 1), (13, 40), (30, 100), (7, 333)] {
        check_format::<Fused8>(rows, width);
        check_format::<Fused8Half>(rows, width);
    }
}

#[test]
fn many_rows_give_the_bits_of_the_expanded_weights() {
    let (a, q) = (floats(50 * 600, 1), bytes(70 * 600, 2));
    for range in [(-1.0, 1.0), (1000.0, 1001.0)] {
        let weights = matrix(&q, 70, 600, range);
        let values = expanded(&weights);
        let (mut got, mut wanted) = (vec![0.0; 50 * 70], vec![0.0; 50 * 70]);
        let a = MatRef::new(&a, 50, 600).unwrap();
        let right = MatRef::new(&values, 70, 600).unwrap().transposed();
        let threads = Threads::single();
        float_matmul(&threads, a, right, Bias::None, MatMut::new(&mut wanted, 50, 70).unwrap()).unwrap();
        matmul_transposed(&threads, a, &weights, Bias::None, MatMut::new(&mut got, 50, 70).unwrap()).unwrap();
        assert_eq!(got, wanted);
    }
}

#[test]
fn rows_of_the_result_may_be_apart() {
    let (a, q) = (floats(2 * 30, 1), bytes(20 * 30, 2));
    for m in [1, 2] {
        let weights = matrix(&q, 20, 30, (-1.0, 1.0));
        let mut c = vec![7.0; 2 * 25];
        let a = MatRef::new(&a[..m * 30], m, 30).unwrap();
        let target = MatMut::with_row_stride(&mut c, m, 20, 25).unwrap();
        matmul_transposed(&Threads::single(), a, &weights, Bias::None, target).unwrap();
        assert!(c.chunks(25).all(|row| row[20..] == [7.0; 5]));
        assert!(c[..20].iter().all(|y| *y != 7.0));
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (a, q, mut c) = ([0.0; 12], [0; 12], [0.0; 12]);
    assert!(ByteMatrix::new(&q, 3, 5, CodeMap::from_range(0.0, 1.0)).is_err());
    assert!(ByteMatrix::new(&q, usize::MAX, 2, CodeMap::from_range(0.0, 1.0)).is_err());
    let weights = matrix(&q, 3, 4, (0.0, 1.0));
    let mut run = |rows, cols, m, n, bias| {
        let a = MatRef::new(&a[..rows * cols], rows, cols).unwrap();
        let c = MatMut::new(&mut c[..m * n], m, n).unwrap();
        matmul_transposed(&Threads::single(), a, &weights, bias, c)
    };
    assert_eq!(run(2, 4, 2, 3, Bias::None), Ok(()));
    for (rows, cols, m, n) in [(2, 3, 2, 3), (1, 4, 2, 3), (2, 4, 2, 4)] {
        assert!(matches!(run(rows, cols, m, n, Bias::None), Err(KernelError::Mismatch { .. })));
    }
    assert!(matches!(run(2, 4, 2, 3, Bias::PerColumn(&[0.0; 2])), Err(KernelError::Length { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_size_and_range(
        (m, rows, width) in (0usize..14, 0usize..70, 0usize..200),
        (min, max) in (-5.0f32..5.0, -5.0f32..5.0),
        seed in 0usize..1000,
        bias: bool,
    ) {
        let (a, q) = (floats(14 * 200, seed), bytes(70 * 200, seed + 1));
        check("any", m, &a, &matrix(&q, rows, width, (min, max)), bias);
    }
}
