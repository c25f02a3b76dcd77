use proptest::prelude::*;

use super::*;

fn values(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 * 0.001 - 1.0).collect()
}

/// Element (r, j) of a matrix.
fn at(m: &MatRef<'_>, r: usize, j: usize) -> f64 {
    f64::from(m.data[r * m.row_stride + j * m.col_stride])
}

fn reference(factors: Factors<'_>, a: &MatRef<'_>, b: &MatRef<'_>, old: &[f32]) -> Vec<f64> {
    let (rows, columns) = (a.rows(), b.cols());
    let mut c = vec![0.0; rows * columns];
    for r in 0..rows {
        for j in 0..columns {
            let sum: f64 = (0..a.cols()).map(|k| at(a, r, k) * at(b, k, j)).sum();
            let bias = match factors.bias {
                Bias::None => 0.0,
                Bias::PerRow(bias) => bias[r],
                Bias::PerColumn(bias) => bias[j],
            };
            let old = if factors.beta == 0.0 { 0.0 } else { factors.beta * old[r * columns + j] };
            c[r * columns + j] = f64::from(factors.alpha) * sum + f64::from(old) + f64::from(bias);
        }
    }
    c
}

/// Checks all instruction sets against the reference, and two threads against one to the bit.
fn check(m: usize, n: usize, k: usize, trans_a: bool, trans_b: bool, factors: Factors<'_>) {
    let (a, b) = (values(m * k, 1), values(k * n, 2));
    let a =
        if trans_a { MatRef::new(&a, k, m) } else { MatRef::new(&a, m, k) }.unwrap().transposed_if(trans_a);
    let b =
        if trans_b { MatRef::new(&b, n, k) } else { MatRef::new(&b, k, n) }.unwrap().transposed_if(trans_b);
    let old = if factors.beta == 0.0 { vec![f32::NAN; m * n] } else { values(m * n, 3) };
    let want = reference(factors, &a, &b, &old);
    let tolerance = 1e-6 * (k as f64 + 4.0);
    for isa in Isa::available() {
        let run = |threads: &Threads| {
            let mut c = old.clone();
            gemm_on(isa, threads, factors, a, b, MatMut::new(&mut c, m, n).unwrap()).unwrap();
            c
        };
        let c = run(&Threads::single());
        for (i, (&got, &want)) in c.iter().zip(&want).enumerate() {
            let close = (f64::from(got) - want).abs() <= tolerance;
            assert!(close, "{m}x{n}x{k} {trans_a} {trans_b} {isa:?} at {i}: {got} {want}");
        }
        let shared = run(&Threads::new(2));
        let same = c.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same, "{m}x{n}x{k} {trans_a} {trans_b} {isa:?} two threads");
    }
}

const PLAIN: Factors<'_> = Factors { alpha: 1.0, beta: 0.0, bias: Bias::None };

#[test]
fn sizes_around_the_tiles() {
    for &m in &[1, 2, 3, 4, 5, 6, 7, 9, 13, 25, 50] {
        for &n in &[1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100] {
            for &k in &[1, 2, 17, 64] {
                for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
                    check(m, n, k, trans_a, trans_b, PLAIN);
                }
            }
        }
    }
}

#[test]
fn large_sizes_shared_by_threads() {
    for (m, n, k) in
        [(200, 300, 600), (64, 1000, 100), (1000, 70, 90), (1, 3000, 700), (5, 2500, 300), (2500, 3, 300)]
    {
        for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
            check(m, n, k, trans_a, trans_b, PLAIN);
        }
    }
}

#[test]
fn factors_and_biases() {
    let bias = values(600, 9);
    for (m, n, k) in [(1, 50, 40), (3, 600, 20), (7, 65, 300), (30, 33, 520), (4, 4, 0), (70, 90, 600)] {
        for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (0.5, 0.0), (-2.0, 0.25), (0.0, 1.0)] {
            for trans_b in [false, true] {
                check(m, n, k, false, trans_b, Factors { alpha, beta, bias: Bias::None });
                check(m, n, k, false, trans_b, Factors { alpha, beta, bias: Bias::PerRow(&bias[..m]) });
                check(m, n, k, false, trans_b, Factors { alpha, beta, bias: Bias::PerColumn(&bias[..n]) });
            }
        }
    }
}

#[test]
fn elements_between_the_rows_are_left_alone() {
    for (m, n, k) in [(20, 30, 40), (2, 30, 40)] {
        for trans_b in [false, true] {
            let (a, b) = (values(m * (k + 3), 1), values(k * n, 2));
            let a = MatRef::with_row_stride(&a[..m * (k + 3) - 3], m, k, k + 3).unwrap();
            let b = if trans_b { MatRef::new(&b, n, k) } else { MatRef::new(&b, k, n) }.unwrap();
            let b = b.transposed_if(trans_b);
            let want = reference(PLAIN, &a, &b, &[]);
            for isa in Isa::available() {
                let mut c = vec![7.0; m * (n + 2)];
                let target = MatMut::with_row_stride(&mut c, m, n, n + 2).unwrap();
                gemm_on(isa, &Threads::single(), PLAIN, a, b, target).unwrap();
                for (r, row) in c.chunks(n + 2).enumerate() {
                    assert_eq!(row[n..], [7.0, 7.0]);
                    for j in 0..n {
                        assert!((f64::from(row[j]) - want[r * n + j]).abs() < 1e-4);
                    }
                }
            }
        }
    }
}

#[test]
fn empty_sizes() {
    check(0, 5, 5, false, false, PLAIN);
    check(5, 0, 5, false, true, PLAIN);
    check(5, 5, 0, false, true, PLAIN);
}

#[test]
fn not_finite_values_stay_in_their_row_and_column() {
    for isa in Isa::available() {
        let (mut a, b) = (values(30 * 20, 1), values(20 * 70, 2));
        a[7 * 20 + 3] = f32::INFINITY;
        a[8 * 20 + 3] = f32::NAN;
        let mut c = vec![0.0; 30 * 70];
        let (a, b) = (MatRef::new(&a, 30, 20).unwrap(), MatRef::new(&b, 20, 70).unwrap());
        gemm_on(isa, &Threads::single(), PLAIN, a, b, MatMut::new(&mut c, 30, 70).unwrap()).unwrap();
        for (r, row) in c.chunks(70).enumerate() {
            assert_eq!(row.iter().all(|y| y.is_finite()), r != 7 && r != 8, "{r}");
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let (a, mut c) = ([0.0; 12], [0.0; 12]);
    let matrix = |rows, cols| MatRef::new(&a, rows, cols).unwrap();
    let mut run = |a, b, bias, rows, cols| {
        matmul(&Threads::single(), a, b, bias, MatMut::new(&mut c[..rows * cols], rows, cols).unwrap())
    };
    let (a, b) = (matrix(3, 4), matrix(4, 3));
    assert_eq!(run(a, b, Bias::None, 3, 3), Ok(()));
    for (left, right, rows, cols) in [(a, a, 3, 4), (a, b, 2, 3), (a, b, 3, 2)] {
        assert!(matches!(run(left, right, Bias::None, rows, cols), Err(KernelError::Mismatch { .. })));
    }
    assert!(matches!(run(a, b, Bias::PerRow(&[1.0]), 3, 3), Err(KernelError::Length { .. })));
    assert!(matches!(run(a, b, Bias::PerColumn(&[1.0; 4]), 3, 3), Err(KernelError::Length { .. })));
}

#[test]
fn matrices_outside_of_their_slice_are_refused() {
    let mut data = [0.0; 10];
    assert!(MatRef::new(&data, 3, 3).is_err());
    assert!(MatRef::new(&data, usize::MAX, 2).is_err());
    assert!(MatRef::with_row_stride(&data, 2, 3, 7).is_ok());
    assert!(MatRef::with_row_stride(&data, 2, 3, 8).is_err());
    assert!(MatRef::with_row_stride(&data, usize::MAX, 3, 8).is_err());
    assert!(MatMut::new(&mut data, 3, 3).is_err());
    assert!(MatMut::with_row_stride(&mut data, 2, 3, 7).is_ok());
    assert!(MatMut::with_row_stride(&mut data, 2, 3, 8).is_err());
    assert!(MatMut::with_row_stride(&mut data, 2, 3, 2).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_size(
        (m, n, k) in (0usize..90, 0usize..150, 0usize..70),
        trans_a: bool,
        trans_b: bool,
        beta in prop::sample::select(vec![0.0f32, 1.0, -0.5]),
    ) {
        check(m, n, k, trans_a, trans_b, Factors { alpha: 1.5, beta, bias: Bias::None });
    }
}
