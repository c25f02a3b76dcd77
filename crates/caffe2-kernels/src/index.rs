//! Integers that name rows.

use crate::Isa;

/// An integer that names a row: `int32` or `int64`.
pub trait RowIndex: Copy + Send + Sync + std::fmt::Debug {
    /// The row, if the index is not negative.
    fn row(self) -> usize;

    /// Whether one of the indices is negative, or not below `rows`.
    fn any_beyond(indices: &[Self], rows: usize) -> bool;
}

macro_rules! indices {
    ($($integer:ty as $unsigned:ty),*) => {$(
        impl RowIndex for $integer {
            #[inline(always)]
            fn row(self) -> usize {
                self as usize
            }

            #[inline(always)]
            fn any_beyond(indices: &[$integer], rows: usize) -> bool {
                // Negative indices are the largest unsigned ones. Vector code needs a loop without exits.
                let rows = <$unsigned>::try_from(rows).unwrap_or(<$unsigned>::MAX).min(1 << (<$integer>::BITS - 1));
                indices.iter().fold(false, |any, index| any | (*index as $unsigned >= rows))
            }
        }
    )*};
}

indices!(i32 as u32, i64 as u64);

/// The position of the first index that is negative or not below `rows`.
///
/// ```
/// use caffe2_kernels::index::first_beyond;
///
/// assert_eq!(first_beyond(&[0, 4, 2], 5), None);
/// assert_eq!(first_beyond(&[0, 4, -1, 9], 4), Some(1));
/// ```
pub fn first_beyond<I: RowIndex>(indices: &[I], rows: usize) -> Option<usize> {
    let any_beyond = Isa::current().dispatch(
        #[inline(always)]
        || I::any_beyond(indices, rows),
    );
    if !any_beyond {
        return None;
    }
    indices.iter().position(|index| I::any_beyond(&[*index], rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_index_beyond_is_found_at_any_position() {
        for len in 0..40 {
            let mut indices = vec![3i32; len];
            assert_eq!(first_beyond(&indices, 4), None);
            for (at, bad) in (0..len).flat_map(|at| [4, -1, i32::MIN, i32::MAX].map(|bad| (at, bad))) {
                indices[at] = bad;
                assert_eq!(first_beyond(&indices, 4), Some(at));
                indices[at] = 0;
            }
        }
        assert_eq!(first_beyond(&[i64::MIN, 0], usize::MAX), Some(0));
        assert_eq!(first_beyond(&[0i64], 0), Some(0));
    }
}
