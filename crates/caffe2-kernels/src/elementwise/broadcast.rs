//! numpy's broadcasting of two operands, as a short list of contiguous runs.

use smallvec::SmallVec;

use crate::KernelError;

/// How two operands of given shapes meet in a result: shapes are aligned at their last dimension, and a
/// dimension of size 1 stretches to the other's size.
///
/// ```
/// use caffe2_kernels::elementwise::Broadcast;
///
/// let rows = Broadcast::new(&[2, 3], &[3]).unwrap();
/// assert_eq!(rows.dims(), [2, 3]);
/// assert!(Broadcast::new(&[2, 3], &[2]).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    dims: SmallVec<[usize; 8]>,
    /// The dimensions with neighbours merged wherever both operands allow, outermost first; never empty
    /// unless the result is one element.
    merged: SmallVec<[Run; 8]>,
    len: usize,
    a_len: usize,
    b_len: usize,
}

/// One merged dimension: how far a step in it moves within each operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    size: usize,
    a_step: usize,
    b_step: usize,
}

/// A piece of the result within which each operand is either contiguous or one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Offset of the first element in the result.
    pub(super) out: usize,
    /// Offset of the first element in either operand.
    pub(super) a: usize,
    pub(super) b: usize,
    /// Elements of the result.
    pub(super) len: usize,
    pub(super) shape: Pair,
}

/// What the operands of a [`Segment`] look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    Slices,
    /// `a` is one element.
    ScalarA,
    /// `b` is one element.
    ScalarB,
}

impl Broadcast {
    /// The meeting of shapes `a` and `b`.
    ///
    /// # Errors
    ///
    /// [`KernelError::Broadcast`] if two dimensions differ and neither is 1, [`KernelError::Overflow`] if
    /// the result has more elements than can be counted.
    pub fn new(a: &[usize], b: &[usize]) -> Result<Broadcast, KernelError> {
        let rank = a.len().max(b.len());
        let aligned =
            |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |axis| dims[axis]);
        let mut dims = SmallVec::with_capacity(rank);
        for axis in 0..rank {
            dims.push(match (aligned(a, axis), aligned(b, axis)) {
                (x, y) if x == y => x,
                (1, y) => y,
                (x, 1) => x,
                (left, right) => return Err(KernelError::Broadcast { axis, left, right }),
            });
        }
        let mut result = Broadcast {
            len: crate::error::product("result of the broadcast", &dims)?,
            a_len: crate::error::product("first operand", a)?,
            b_len: crate::error::product("second operand", b)?,
            merged: SmallVec::new(),
            dims,
        };
        if result.len > 0 {
            result.merge(|axis| aligned(a, axis), |axis| aligned(b, axis));
        }
        Ok(result)
    }

    /// Merges neighbouring dimensions, from the innermost outwards.
    fn merge(&mut self, a: impl Fn(usize) -> usize, b: impl Fn(usize) -> usize) {
        let (mut a_stride, mut b_stride) = (1, 1);
        for axis in (0..self.dims.len()).rev() {
            let size = self.dims[axis];
            if size == 1 {
                continue;
            }
            let a_step = if a(axis) == 1 { 0 } else { a_stride };
            let b_step = if b(axis) == 1 { 0 } else { b_stride };
            a_stride *= a(axis);
            b_stride *= b(axis);
            match self.merged.last_mut() {
                Some(inner) if a_step == inner.a_step * inner.size && b_step == inner.b_step * inner.size => {
                    inner.size *= size;
                }
                _ => self.merged.push(Run { size, a_step, b_step }),
            }
        }
        self.merged.reverse();
    }

    /// The shape of the result.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Elements of the result.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the result has no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of the first operand.
    pub fn a_len(&self) -> usize {
        self.a_len
    }

    /// Elements of the second operand.
    pub fn b_len(&self) -> usize {
        self.b_len
    }

    /// The elements `start..end` of the result, as segments in ascending order.
    pub(super) fn segments(&self, start: usize, end: usize) -> Segments<'_> {
        debug_assert!(start <= end && end <= self.len);
        let (outer, inner) = match self.merged.split_last() {
            Some((inner, outer)) => (outer, *inner),
            None => (&[][..], Run { size: 1, a_step: 1, b_step: 1 }),
        };
        let mut segments =
            Segments { outer, inner, index: SmallVec::new(), a: 0, b: 0, at: 0, next: start, end };
        segments.seek(start);
        segments
    }
}

/// Iterator over the segments of a range of the result: an odometer over the merged dimensions.
#[derive(Debug)]
pub(super) struct Segments<'a> {
    outer: &'a [Run],
    inner: Run,
    index: SmallVec<[usize; 8]>,
    /// Offsets of the current inner run.
    a: usize,
    b: usize,
    /// Position within the inner run.
    at: usize,
    next: usize,
    end: usize,
}

impl Segments<'_> {
    fn seek(&mut self, start: usize) {
        self.at = start % self.inner.size;
        let mut rest = start / self.inner.size;
        self.index.resize(self.outer.len(), 0);
        for (run, index) in self.outer.iter().zip(&mut self.index).rev() {
            *index = rest % run.size;
            rest /= run.size;
            self.a += *index * run.a_step;
            self.b += *index * run.b_step;
        }
    }

    /// Moves the offsets to the next inner run.
    fn advance(&mut self) {
        self.at = 0;
        for (run, index) in self.outer.iter().zip(&mut self.index).rev() {
            *index += 1;
            self.a += run.a_step;
            self.b += run.b_step;
            if *index < run.size {
                return;
            }
            *index = 0;
            self.a -= run.size * run.a_step;
            self.b -= run.size * run.b_step;
        }
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    #[inline]
    fn next(&mut self) -> Option<Segment> {
        if self.next >= self.end {
            return None;
        }
        let len = (self.inner.size - self.at).min(self.end - self.next);
        let segment = Segment {
            out: self.next,
            a: self.a + self.at * self.inner.a_step,
            b: self.b + self.at * self.inner.b_step,
            len,
            shape: match (self.inner.a_step, self.inner.b_step) {
                (0, _) => Pair::ScalarA,
                (_, 0) => Pair::ScalarB,
                _ => Pair::Slices,
            },
        };
        self.next += len;
        self.at += len;
        if self.at == self.inner.size {
            self.advance();
        }
        Some(segment)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offsets(dims: &[usize], out_dims: &[usize]) -> Vec<usize> {
        let len: usize = out_dims.iter().product();
        (0..len)
            .map(|mut i| {
                let (mut offset, mut stride) = (0, 1);
                for (k, &size) in out_dims.iter().enumerate().rev() {
                    let index = i % size;
                    i /= size;
                    if let Some(axis) = (k + dims.len()).checked_sub(out_dims.len()) {
                        if dims[axis] != 1 {
                            offset += index * stride;
                        }
                        stride *= dims[axis];
                    }
                }
                offset
            })
            .collect()
    }

    #[test]
    fn dims_merge_into_few_runs() {
        let runs = |a: &[usize], b: &[usize]| Broadcast::new(a, b).unwrap().merged.len();
        assert_eq!(runs(&[2, 3, 4], &[2, 3, 4]), 1);
        assert_eq!(runs(&[2, 3, 4], &[]), 1);
        assert_eq!(runs(&[2, 3, 4], &[4]), 2);
        assert_eq!(runs(&[2, 3, 4], &[3, 1]), 3);
        assert_eq!(runs(&[2, 3, 4, 5], &[2, 1, 1, 5]), 3);
        assert_eq!(runs(&[1, 1], &[1]), 0);
    }

    #[test]
    fn zero_meets_only_zero_or_one() {
        assert_eq!(Broadcast::new(&[0, 3], &[1, 3]).unwrap().dims(), [0, 3]);
        assert_eq!(
            Broadcast::new(&[0, 3], &[2, 3]),
            Err(KernelError::Broadcast { axis: 0, left: 0, right: 2 })
        );
    }

    #[test]
    fn counts_that_overflow_are_refused() {
        let huge = 1usize << 40;
        assert_eq!(
            Broadcast::new(&[huge, 1], &[1, huge]),
            Err(KernelError::Overflow { what: "result of the broadcast" })
        );
    }

    proptest! {
        #[test]
        fn segments_visit_what_numpy_visits(
            pattern in prop::collection::vec((1usize..4, 0u8..4), 0..6),
            cut in (0usize..2, 0usize..2),
            range in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let mut a: Vec<usize> = pattern.iter().map(|&(n, k)| if k == 1 { 1 } else { n }).collect();
            let mut b: Vec<usize> = pattern.iter().map(|&(n, k)| if k == 2 { 1 } else { n }).collect();
            a.drain(..cut.0.min(a.len()));
            b.drain(..cut.1.min(b.len()));
            let broadcast = Broadcast::new(&a, &b).unwrap();
            let (want_a, want_b) = (offsets(&a, broadcast.dims()), offsets(&b, broadcast.dims()));
            let mut ends = [range.0, range.1].map(|r| (r * (broadcast.len() + 1) as f64) as usize);
            ends.sort_unstable();
            let mut at = ends[0];
            for s in broadcast.segments(ends[0], ends[1]) {
                prop_assert_eq!(s.out, at);
                prop_assert!(s.len > 0);
                for i in 0..s.len {
                    let (a, b) = match s.shape {
                        Pair::Slices => (s.a + i, s.b + i),
                        Pair::ScalarA => (s.a, s.b + i),
                        Pair::ScalarB => (s.a + i, s.b),
                    };
                    prop_assert_eq!((a, b), (want_a[s.out + i], want_b[s.out + i]));
                }
                at += s.len;
            }
            prop_assert_eq!(at, ends[1]);
        }
    }
}
