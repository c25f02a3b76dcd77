//! Reduction of a row to one value, in a fixed order.

/// Elements handled at once, and independent partial results of a reduction over these. Both are fixed, so
/// that the order of operations is too.
pub(crate) const LANES: usize = 16;
const PARTS: usize = 4;

/// Combines all elements, in an order that depends on their number alone.
#[inline(always)]
pub(crate) fn reduce(row: &[f32], neutral: f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    let mut parts = [[neutral; LANES]; PARTS];
    let take = |part: &mut [f32; LANES], chunk: &[f32; LANES]| {
        for (a, &b) in part.iter_mut().zip(chunk) {
            *a = combine(*a, b);
        }
    };
    let (chunks, rest) = row.as_chunks::<LANES>();
    let (groups, single) = chunks.as_chunks::<PARTS>();
    for group in groups {
        for (part, chunk) in parts.iter_mut().zip(group) {
            take(part, chunk);
        }
    }
    for (part, chunk) in parts.iter_mut().zip(single) {
        take(part, chunk);
    }
    let mut padded = [neutral; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    let [mut result, others @ ..] = parts;
    for part in others.iter().chain([&padded]) {
        take(&mut result, part);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            result[i] = combine(result[i], result[i + width]);
        }
        width /= 2;
    }
    result[0]
}
