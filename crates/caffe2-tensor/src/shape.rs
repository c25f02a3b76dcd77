//! Checked shapes.

use smallvec::SmallVec;

/// Why a list of dimensions is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// A dimension below zero.
    #[error("dimension {index} of the shape is {dim}; dimensions must not be negative")]
    Negative {
        /// Position of the dimension.
        index: usize,
        /// Its value.
        dim: i64,
    },
    /// The dimensions multiply to more elements than memory can address.
    #[error("the dimensions {0:?} multiply to more elements than memory can hold")]
    TooLarge(Vec<u64>),
    /// An axis outside the rank.
    #[error("axis {axis} is outside a shape of {rank} dimensions {range}", range = axis_range(*rank))]
    Axis {
        /// The axis asked for.
        axis: i64,
        /// The number of dimensions.
        rank: usize,
    },
}

fn axis_range(rank: usize) -> String {
    if rank == 0 { "(a scalar has no axes)".into() } else { format!("(-{rank} to {})", rank - 1) }
}

/// The dimensions of a tensor, checked: the product of any run of them fits an `isize`.
///
/// No dimensions at all is a scalar of one element; a dimension of 0 makes the tensor empty.
/// Dereferences to the slice of dimensions.
///
/// ```
/// use caffe2_tensor::{Shape, ShapeError};
///
/// let shape = Shape::new(&[2, 3, 4])?;
/// assert_eq!((shape.rank(), shape.numel()), (3, 24));
/// assert_eq!((shape.size_to(1), shape.size_from(1)), (2, 12));
/// assert_eq!(shape.axis(-1)?, 2);
/// assert_eq!(Shape::scalar().numel(), 1);
/// assert_eq!(Shape::from_i64s(&[2, -1]), Err(ShapeError::Negative { index: 1, dim: -1 }));
/// assert!(Shape::new(&[1 << 40, 1 << 40]).is_err());
/// # Ok::<(), ShapeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: SmallVec<[usize; 6]>,
    numel: usize,
}

impl Shape {
    /// The shape with these dimensions.
    ///
    /// # Errors
    /// [`ShapeError::TooLarge`] when the product overflows; dimensions of 0 count as 1 there, so
    /// that the product of any part of the dimensions is safe too.
    pub fn new(dims: &[usize]) -> Result<Shape, ShapeError> {
        let bound = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d.max(1)));
        match bound {
            Some(n) if isize::try_from(n).is_ok() => {
                Ok(Shape { dims: dims.into(), numel: dims.iter().product() })
            }
            _ => Err(ShapeError::TooLarge(dims.iter().map(|&d| d as u64).collect())),
        }
    }

    /// The shape with the dimensions of an argument or a message.
    ///
    /// # Errors
    /// [`ShapeError::Negative`], [`ShapeError::TooLarge`].
    pub fn from_i64s(dims: &[i64]) -> Result<Shape, ShapeError> {
        let mut checked = SmallVec::<[usize; 6]>::new();
        for (index, &dim) in dims.iter().enumerate() {
            if dim < 0 {
                return Err(ShapeError::Negative { index, dim });
            }
            let Ok(dim) = usize::try_from(dim) else {
                return Err(ShapeError::TooLarge(dims.iter().map(|d| d.unsigned_abs()).collect()));
            };
            checked.push(dim);
        }
        Shape::new(&checked)
    }

    /// The shape of a single element: no dimensions.
    pub fn scalar() -> Shape {
        Shape { dims: SmallVec::new(), numel: 1 }
    }

    /// The dimensions, outermost first.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The dimensions as Caffe2's messages and shape tensors hold them.
    pub fn to_i64s(&self) -> SmallVec<[i64; 6]> {
        // A checked shape has no dimension above isize::MAX.
        self.dims.iter().map(|&d| d as i64).collect()
    }

    /// The number of dimensions.
    #[inline]
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.numel
    }

    /// The product of the dimensions before `axis`; `axis` may be the rank, and more counts as that.
    pub fn size_to(&self, axis: usize) -> usize {
        self.dims.iter().take(axis).product()
    }

    /// The product of the dimensions from `axis` on; 1 when there are none.
    pub fn size_from(&self, axis: usize) -> usize {
        self.dims.iter().skip(axis).product()
    }

    /// The axis that `axis` means, where negative ones count from the end.
    ///
    /// # Errors
    /// [`ShapeError::Axis`] outside `-rank..rank`.
    pub fn axis(&self, axis: i64) -> Result<usize, ShapeError> {
        let rank = self.rank();
        let canonical = if axis < 0 { axis + rank as i64 } else { axis };
        match usize::try_from(canonical) {
            Ok(a) if a < rank => Ok(a),
            _ => Err(ShapeError::Axis { axis, rank }),
        }
    }
}

impl std::ops::Deref for Shape {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.dims
    }
}

impl Default for Shape {
    /// The shape of a fresh Caffe2 tensor: one dimension of 0.
    fn default() -> Shape {
        Shape { dims: SmallVec::from_slice(&[0]), numel: 0 }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[")?;
        for (i, dim) in self.dims.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{dim}")?;
        }
        f.write_str("]")
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What functions that want a shape accept: a [`Shape`], or dimensions that are checked on the way.
pub trait IntoShape {
    /// The dimensions, not yet checked.
    fn as_dims(&self) -> &[usize];

    /// The checked shape.
    ///
    /// # Errors
    /// As [`Shape::new`].
    fn into_shape(self) -> Result<Shape, ShapeError>;
}

impl IntoShape for Shape {
    #[inline]
    fn as_dims(&self) -> &[usize] {
        self.dims()
    }

    #[inline]
    fn into_shape(self) -> Result<Shape, ShapeError> {
        Ok(self)
    }
}

impl IntoShape for &Shape {
    #[inline]
    fn as_dims(&self) -> &[usize] {
        self.dims()
    }

    #[inline]
    fn into_shape(self) -> Result<Shape, ShapeError> {
        Ok(self.clone())
    }
}

impl IntoShape for &[usize] {
    #[inline]
    fn as_dims(&self) -> &[usize] {
        self
    }

    #[inline]
    fn into_shape(self) -> Result<Shape, ShapeError> {
        Shape::new(self)
    }
}

impl<const N: usize> IntoShape for [usize; N] {
    #[inline]
    fn as_dims(&self) -> &[usize] {
        self
    }

    #[inline]
    fn into_shape(self) -> Result<Shape, ShapeError> {
        Shape::new(&self)
    }
}

impl<const N: usize> IntoShape for &[usize; N] {
    #[inline]
    fn as_dims(&self) -> &[usize] {
        *self
    }

    #[inline]
    fn into_shape(self) -> Result<Shape, ShapeError> {
        Shape::new(self)
    }
}

impl IntoShape for Vec<usize> {
    #[inline]
    fn as_dims(&self) -> &[usize] {
        self
    }

    #[inline]
    fn into_shape(self) -> Result<Shape, ShapeError> {
        Shape::new(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflowing_product_is_refused_even_beside_a_zero() {
        assert!(matches!(Shape::new(&[1 << 32, 1 << 32]), Err(ShapeError::TooLarge(_))));
        assert!(matches!(Shape::new(&[0, 1 << 32, 1 << 32]), Err(ShapeError::TooLarge(_))));
        assert!(matches!(Shape::from_i64s(&[i64::MAX, 3]), Err(ShapeError::TooLarge(_))));
    }

    #[test]
    fn scalar_empty_and_fresh_differ() {
        assert_eq!((Shape::scalar().rank(), Shape::scalar().numel()), (0, 1));
        let empty = Shape::new(&[3, 0]).unwrap();
        assert_eq!((empty.rank(), empty.numel()), (2, 0));
        assert_eq!((Shape::default().rank(), Shape::default().numel()), (1, 0));
    }

    #[test]
    fn axes_are_checked_both_ways() {
        let s = Shape::new(&[2, 3]).unwrap();
        assert_eq!((s.axis(0), s.axis(1), s.axis(-1), s.axis(-2)), (Ok(0), Ok(1), Ok(1), Ok(0)));
        assert_eq!(s.axis(2), Err(ShapeError::Axis { axis: 2, rank: 2 }));
        assert_eq!(s.axis(-3), Err(ShapeError::Axis { axis: -3, rank: 2 }));
        assert_eq!(s.axis(i64::MIN), Err(ShapeError::Axis { axis: i64::MIN, rank: 2 }));
        assert!(Shape::scalar().axis(0).unwrap_err().to_string().contains("scalar"));
    }

    #[test]
    fn parts_of_a_shape_never_overflow() {
        let s = Shape::new(&[5, 0, 7]).unwrap();
        assert_eq!((s.size_to(1), s.size_to(2), s.size_to(9)), (5, 0, 0));
        assert_eq!((s.size_from(2), s.size_from(3), s.size_from(9)), (7, 1, 1));
    }
}
