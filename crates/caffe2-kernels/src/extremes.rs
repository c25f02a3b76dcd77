//! The smallest and the largest of some values.
//!
//! Caffe2 finds them in three ways, which differ in what they make of NaN and of zeros of both signs only, as each
//! comparison keeps one of its operands. Values are quantized with the bits of these, so all three are here.

/// As fbgemm does, from values to begin with: eight at a time, each with the eighth before it, then these eight, then
/// the rest. A NaN makes its place begin anew with the next value.
#[inline(always)]
pub(crate) fn by_eights(values: &[f32], (first_low, first_high): (f32, f32)) -> (f32, f32) {
    const EIGHT: usize = 8;
    let (mut low, mut high) = ([first_low; EIGHT], [first_high; EIGHT]);
    let (eights, rest) = values.as_chunks::<EIGHT>();
    for eight in eights {
        for (i, &x) in eight.iter().enumerate() {
            low[i] = if low[i] < x { low[i] } else { x };
            high[i] = if high[i] > x { high[i] } else { x };
        }
    }
    let values = low.iter().chain(rest);
    let smallest = values.fold(first_low, |a, &x| if x < a { x } else { a });
    let values = high.iter().chain(rest);
    (smallest, values.fold(first_high, |a, &x| if x > a { x } else { a }))
}

/// As `std::min_element` does: the first of the smallest, one after the other. A NaN at the start stays, all others
/// are passed over. Of no values both are 0.
#[inline(always)]
pub(crate) fn one_by_one(values: &[f32]) -> (f32, f32) {
    let Some(&first) = values.first() else { return (0.0, 0.0) };
    let smallest = values.iter().fold(first, |a, &x| if x < a { x } else { a });
    (smallest, values.iter().fold(first, |a, &x| if x > a { x } else { a }))
}

/// As Eigen does for SSE: pairs of fours from the first multiple of four on, where the row begins at element `start`
/// of its matrix; then what is before and after them. Of no values both are 0.
#[inline(always)]
pub(crate) fn by_fours(values: &[f32], start: usize) -> (f32, f32) {
    (extreme_by_fours(values, start, |a, b| a < b), extreme_by_fours(values, start, |a, b| a > b))
}

const FOUR: usize = 4;

#[inline(always)]
fn extreme_by_fours(values: &[f32], start: usize, beyond: impl Fn(f32, f32) -> bool + Copy) -> f32 {
    let keep = |a: f32, x: f32| if beyond(x, a) { x } else { a };
    // Across the four it is the second operand that stays.
    let across = |a: f32, b: f32| if beyond(a, b) { a } else { b };
    let combine = |a: &mut [f32; FOUR], x: &[f32; FOUR]| {
        a.iter_mut().zip(x).for_each(|(a, x)| *a = keep(*a, *x));
    };
    let (head, aligned) = values.split_at((start.wrapping_neg() % FOUR).min(values.len()));
    let (fours, rest) = aligned.as_chunks::<FOUR>();
    let Some((first, others)) = fours.split_first() else {
        return values.iter().copied().reduce(keep).unwrap_or(0.0);
    };
    let mut even = *first;
    if let Some((second, others)) = others.split_first() {
        let (pairs, single) = others.as_chunks::<2>();
        let mut odd = *second;
        for [a, b] in pairs {
            combine(&mut even, a);
            combine(&mut odd, b);
        }
        combine(&mut even, &odd);
        single.iter().for_each(|last| combine(&mut even, last));
    }
    let all = across(across(even[0], even[2]), across(even[1], even[3]));
    head.iter().chain(rest).copied().fold(all, keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (f32, f32) = (f32::MAX, f32::MIN);

    #[test]
    fn all_ways_find_the_same_in_rows_without_nan() {
        for len in 1..100 {
            let values: Vec<f32> = (0..len).map(|i| (i as f32 * 1.7).sin() + 2.0).collect();
            let low = values.iter().copied().fold(f32::INFINITY, f32::min);
            let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(by_eights(&values, LIMITS), (low, high));
            assert_eq!(one_by_one(&values), (low, high));
            for start in 0..5 {
                assert_eq!(by_fours(&values, start), (low, high), "{len} {start}");
            }
        }
    }

    #[test]
    fn each_way_has_its_own_for_nan_and_zeros() {
        let nan = f32::NAN;
        assert_eq!(by_eights(&[nan, 1.0, 2.0], LIMITS), (1.0, 2.0));
        let mut row = [5.0; 16];
        (row[0], row[8]) = (1.0, nan);
        assert_eq!(by_eights(&row, LIMITS), (5.0, 5.0));
        assert_eq!(by_eights(&[], LIMITS), LIMITS);
        assert!(one_by_one(&[nan, 1.0]).0.is_nan());
        assert_eq!(one_by_one(&[1.0, nan, 0.5]), (0.5, 1.0));
        assert_eq!(one_by_one(&[0.0, -0.0]).0.to_bits(), 0.0f32.to_bits());
        assert_eq!((one_by_one(&[]), by_fours(&[], 0)), ((0.0, 0.0), (0.0, 0.0)));
        assert_eq!(by_fours(&[0.0, -0.0, 1.0, 1.0], 0).0.to_bits(), (-0.0f32).to_bits());
        assert_eq!(by_fours(&[0.0, -0.0, 1.0, 1.0], 1).0.to_bits(), 0.0f32.to_bits());
    }
}
