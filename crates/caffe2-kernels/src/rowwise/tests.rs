use proptest::prelude::*;

use super::*;
use crate::half::f16;
use crate::{Isa, Threads};

const ONE: Threads = Threads::single();

fn stored<F: RowFormat, T: RowValue>(
    threads: &Threads,
    values: &[T],
    width: usize,
    search: Search,
) -> Vec<u8> {
    let rows = values.len() / width;
    let mut stored = vec![0xee; rows * F::row_bytes(width).unwrap()];
    quantize_rows::<F, T>(threads, values, width, search, &mut stored).unwrap();
    stored
}

fn values_of<F: RowFormat, T: RowValue>(threads: &Threads, stored: &[u8], width: usize) -> Vec<T> {
    let rows = FusedRows::<F>::new(stored, F::row_bytes(width).unwrap()).unwrap();
    let mut values = vec![T::default(); rows.rows() * width];
    dequantize_rows(threads, &rows, &mut values).unwrap();
    values
}

/// Rows of numbers of many magnitudes; some have NaN, infinities or equal values.
fn rows(count: usize, width: usize) -> Vec<f32> {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let mut values = Vec::new();
    for row in 0..count {
        let magnitude = 10f32.powi(next() as i32 % 12 - 6);
        for _ in 0..width {
            let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -0.0, 1e-42];
            values.push(match row % 5 {
                3 if next() % 9 == 0 => special[next() as usize % special.len()],
                4 => magnitude,
                _ => (next() as f32 / (1u32 << 30) as f32 - 1.0) * magnitude,
            });
        }
    }
    values
}

fn all_versions_agree<F: RowFormat>(search: Search) {
    for width in [4, 8, 20, 32, 36, 64, 100, 4100] {
        let values = rows(if width > 1000 { 5 } else { 40 }, width);
        let halves: Vec<f16> = values.iter().map(|x| f16::from_f32(*x)).collect();
        let floats = Isa::Portable.scope(|| stored::<F, f32>(&ONE, &values, width, search));
        let of_halves = Isa::Portable.scope(|| stored::<F, f16>(&ONE, &halves, width, search));
        let back = Isa::Portable.scope(|| values_of::<F, f32>(&ONE, &floats, width));
        let back_as_halves = Isa::Portable.scope(|| values_of::<F, f16>(&ONE, &floats, width));
        for isa in Isa::available() {
            isa.scope(|| {
                assert!(stored::<F, f32>(&ONE, &values, width, search) == floats, "{isa:?} {width}");
                assert!(stored::<F, f16>(&ONE, &halves, width, search) == of_halves, "{isa:?} {width}");
                let same = values_of::<F, f32>(&ONE, &floats, width);
                assert!(same.iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?} {width}");
                let same = values_of::<F, f16>(&ONE, &floats, width);
                let same = same.iter().zip(&back_as_halves).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{isa:?} {width}");
            });
        }
        for (x, y) in back.iter().zip(&back_as_halves) {
            assert_eq!(crate::half::from_f32(*x).to_bits(), y.to_bits());
        }
    }
}

#[test]
fn every_version_stores_and_restores_the_same_bits() {
    all_versions_agree::<Fused8>(Search::Ends);
    all_versions_agree::<Fused8Half>(Search::Ends);
    all_versions_agree::<FusedBits<4>>(Search::Ends);
    all_versions_agree::<FusedBits<2>>(Search::FirstEnds);
    all_versions_agree::<FakeBits<4>>(Search::FirstEnds);
    all_versions_agree::<FakeBits<2>>(Search::FirstEnds);
    all_versions_agree::<FusedBits<4>>(Search::Greedy);
    all_versions_agree::<FakeBits<2>>(Search::Greedy);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let width = 1000;
    let values = rows(1000, width);
    let two = Threads::new(2);
    let once = stored::<FusedBits<4>, f32>(&ONE, &values, width, Search::Ends);
    assert!(stored::<FusedBits<4>, f32>(&two, &values, width, Search::Ends) == once);
    let bits = |threads| -> Vec<u32> {
        values_of::<FusedBits<4>, f32>(threads, &once, width).into_iter().map(f32::to_bits).collect()
    };
    assert!(bits(&ONE) == bits(&two));
}

/// Rows of every alignment, long and short, beyond the size from which the caches are bypassed.
#[test]
fn large_outputs_are_the_formula_at_every_place() {
    for width in [48, 1000, 3_000_004, 9_000_000] {
        let count = (crate::dequant::STREAM_FROM + 1_000_000).div_ceil(width);
        let row_bytes = FusedBits::<2>::row_bytes(width).unwrap();
        let mut bytes: Vec<u8> = (0..count * row_bytes).map(|i| (i * 31 + i / 253) as u8).collect();
        for row in bytes.chunks_exact_mut(row_bytes) {
            row[row_bytes - 4..].copy_from_slice(&[0, 0x38, 0, 0xc0]);
        }
        for isa in Isa::available() {
            isa.scope(|| {
                let values = values_of::<FusedBits<2>, f32>(&ONE, &bytes, width);
                for (row, values) in bytes.chunks_exact(row_bytes).zip(values.chunks_exact(width)) {
                    let wrong = values
                        .iter()
                        .enumerate()
                        .position(|(i, y)| *y != f32::from(row[i / 4] >> (i % 4 * 2) & 3) * 0.5 - 2.0);
                    assert_eq!(wrong, None, "{isa:?} {width}");
                }
            });
        }
    }
}

#[test]
fn bytes_with_floats_are_rounded_once() {
    // 3 * 0.1 rounds up to more than 0.3, which a fused operation does not see.
    let mut row = vec![3u8; 20];
    row.extend(0.1f32.to_le_bytes());
    row.extend((-0.3f32).to_le_bytes());
    let once = 3f32.mul_add(0.1, -0.3);
    let twice = 3f32 * 0.1 - 0.3;
    assert_ne!(once.to_bits(), twice.to_bits());
    for isa in Isa::available() {
        isa.scope(|| {
            assert_eq!(values_of::<Fused8, f32>(&ONE, &row, 20), [once; 20]);
            let mut gathered = [0.0; 20];
            let rows = FusedRows::<Fused8>::new(&row, 28).unwrap();
            gather_rows(&ONE, &rows, &[0i32], &mut gathered).unwrap();
            assert_eq!(gathered, [twice; 20]);
        });
    }
}

#[test]
fn gathered_rows_are_those_named() {
    let values: Vec<f32> = (0..30).map(|i| i as f32).collect();
    let bytes = stored::<Fused8Half, f32>(&ONE, &values, 3, Search::Ends);
    let rows = FusedRows::<Fused8Half>::new(&bytes, 7).unwrap();
    let all = values_of::<Fused8Half, f32>(&ONE, &bytes, 3);
    let mut gathered = [0.0; 9];
    gather_rows(&ONE, &rows, &[9i64, 0, 9], &mut gathered).unwrap();
    assert_eq!(gathered, [&all[27..], &all[..3], &all[27..]].concat()[..]);
    assert!(gather_rows(&ONE, &rows, &[1i64], &mut gathered).is_err());
}

#[test]
fn sizes_that_do_not_go_together_are_errors() {
    assert!(FusedRows::<Fused8>::new(&[0; 14], 7).is_err());
    assert!(FusedRows::<Fused8>::new(&[0; 17], 16).is_err());
    assert_eq!(FusedRows::<Fused8>::new(&[0; 24], 8).unwrap().rows(), 3);
    assert!(FusedRows::<FusedBits<4>>::new(&[0; 3], 3).is_err());
    assert_eq!(FusedBits::<2>::width(5), Ok(4));
    assert!(FusedBits::<2>::width(usize::MAX).is_err());
    assert!(FusedBits::<4>::row_bytes(3).is_err() && Fused8::row_bytes(usize::MAX).is_err());
    assert!(quantize_rows::<Fused8, f32>(&ONE, &[1.0], 1, Search::Ends, &mut [0; 8]).is_err());
    assert!(quantize_rows::<Fused8, f32>(&ONE, &[1.0], 1, Search::Ends, &mut [0; 18]).is_err());
    let rows = FusedRows::<Fused8>::new(&[0; 20], 10).unwrap();
    assert!(dequantize_rows(&ONE, &rows, &mut [0.0f32; 3]).is_err());
}

#[test]
fn rows_without_values_have_what_the_formulas_give() {
    let mut fused = [0; 16];
    quantize_rows::<Fused8, f32>(&ONE, &[], 0, Search::Ends, &mut fused).unwrap();
    let tail = [f32::NEG_INFINITY.to_le_bytes(), f32::MAX.to_le_bytes()].concat();
    assert_eq!(fused, [&tail[..], &tail[..]].concat()[..]);
    let mut half = [0; 4];
    quantize_rows::<FusedBits<4>, f16>(&ONE, &[], 0, Search::FirstEnds, &mut half).unwrap();
    assert_eq!(half, [0, 0x3c, 0, 0]);
    let rows = FusedRows::<Fused8>::new(&fused, 8).unwrap();
    dequantize_rows::<_, f32>(&ONE, &rows, &mut []).unwrap();
}

fn error_is_half_a_step<F: RowFormat>(row: &[f32], slack: f32) -> Result<(), TestCaseError> {
    let bytes = stored::<F, f32>(&ONE, row, row.len(), Search::Ends);
    let rows = FusedRows::<F>::new(&bytes, bytes.len()).unwrap();
    let step = rows.line(0).scale;
    for (x, y) in row.iter().zip(values_of::<F, f32>(&ONE, &bytes, row.len())) {
        prop_assert!((x - y).abs() <= step * (0.5 + slack), "{x} {y} {step}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn values_come_back_within_half_a_step(row in proptest::collection::vec(-1e3f32..1e3, 4..200)) {
        let row = &row[..row.len() / 4 * 4];
        error_is_half_a_step::<Fused8>(row, 1e-2)?;
        // A scale and a bias that are halves may both be off by 1/2048; the ends of the row are cut then.
        error_is_half_a_step::<FusedBits<4>>(row, 0.2)?;
        error_is_half_a_step::<FusedBits<2>>(row, 0.2)?;
    }
}
