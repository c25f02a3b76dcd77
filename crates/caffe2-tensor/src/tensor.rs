//! The tensor itself: what it is, how it is made and read.

#[cfg(test)]
mod tests;
mod write;

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::{as_bytes, typed};
use crate::storage::Storage;
use crate::{CodedElements, DataType, Element, IntoShape, MemoryBudget, Shape, TensorError};

/// A contiguous, row-major array of elements of one [`DataType`].
///
/// * A fresh tensor ([`Tensor::new`]) has shape `[0]` and no type. A tensor can also have a shape
///   with elements but no contents yet ([`Tensor::resize`]): it is *unwritten*, has no type, and
///   reading it is an error. A tensor of no dimensions is a scalar of one element; one with a
///   dimension of 0 is empty, and may have a type.
/// * Storage is aligned to 64 bytes, keeps its capacity when the tensor shrinks or changes its type,
///   and is shared by clones until one of them writes.
/// * Floats can be kept as something smaller ([`Tensor::set_coded`]) and are then made when they are first read.
/// * Equality means equal shape, type and bits of all elements: NaN equals the same NaN, and -0 is
///   not 0.
#[derive(Clone, Default)]
pub struct Tensor {
    shape: Shape,
    data_type: Option<DataType>,
    storage: Option<Arc<Storage>>,
    budget: Option<Arc<MemoryBudget>>,
}

impl Tensor {
    /// A fresh tensor: shape `[0]`, no type, no storage.
    pub fn new() -> Tensor {
        Tensor::default()
    }

    /// The tensor, whose allocations from now on are charged to `budget` (to none when `None`).
    pub fn within(mut self, budget: Option<Arc<MemoryBudget>>) -> Tensor {
        self.budget = budget;
        self
    }

    /// A tensor with a copy of these elements.
    ///
    /// # Errors
    /// When the dimensions are no shape, their product is not `elements.len()`, or memory is short.
    pub fn from_slice<T: Element>(shape: impl IntoShape, elements: &[T]) -> Result<Tensor, TensorError> {
        let shape = shape.into_shape()?;
        check_count(&shape, elements.len())?;
        let mut tensor = Tensor::new();
        tensor.overwrite(shape)?.copy_from_slice(elements);
        Ok(tensor)
    }

    /// A tensor of no dimensions that holds one element.
    ///
    /// # Errors
    /// When memory is short.
    pub fn scalar<T: Element>(value: T) -> Result<Tensor, TensorError> {
        Tensor::from_slice([], &[value])
    }

    /// A tensor of zeros (`false` for bool).
    ///
    /// # Errors
    /// When the dimensions are no shape or memory is short.
    pub fn zeros<T: Element>(shape: impl IntoShape) -> Result<Tensor, TensorError> {
        let mut tensor = Tensor::new();
        tensor.overwrite::<T, _>(shape)?;
        Ok(tensor)
    }

    /// A tensor of byte strings.
    ///
    /// # Errors
    /// As [`Tensor::from_slice`].
    pub fn from_strings<S: Into<Bytes>>(
        shape: impl IntoShape,
        elements: impl IntoIterator<Item = S>,
    ) -> Result<Tensor, TensorError> {
        let shape = shape.into_shape()?;
        let elements: Vec<Bytes> = elements.into_iter().map(Into::into).collect();
        check_count(&shape, elements.len())?;
        let mut tensor = Tensor::new();
        tensor.overwrite_strings(shape)?.clone_from_slice(&elements);
        Ok(tensor)
    }

    /// A tensor of `uint8` whose elements are these bytes, which are shared and not copied.
    ///
    /// # Errors
    /// When the dimensions are no shape, or their product is not `bytes.len()`.
    pub fn from_bytes(shape: impl IntoShape, bytes: Bytes) -> Result<Tensor, TensorError> {
        let shape = shape.into_shape()?;
        check_count(&shape, bytes.len())?;
        Ok(Tensor {
            shape,
            data_type: Some(DataType::UInt8),
            storage: Some(Arc::new(Storage::Foreign(bytes))),
            budget: None,
        })
    }

    /// The shape.
    #[inline]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The dimensions, outermost first.
    #[inline]
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    /// The number of elements.
    #[inline]
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// The type of the elements; `None` when nothing was written yet.
    #[inline]
    pub fn data_type(&self) -> Option<DataType> {
        self.data_type
    }

    /// Bytes that the elements take; for strings their lengths added up. 0 when unwritten.
    pub fn byte_len(&self) -> usize {
        match (self.data_type, self.storage.as_deref()) {
            (Some(DataType::String), Some(Storage::Strings(s))) => s.elements.iter().map(Bytes::len).sum(),
            (Some(t), _) => self.numel() * t.item_size().unwrap_or(0),
            (None, _) => 0,
        }
    }

    /// Whether the two tensors share the memory of their elements.
    pub fn shares_storage_with(&self, other: &Tensor) -> bool {
        matches!((&self.storage, &other.storage), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
    }

    /// The elements.
    ///
    /// # Errors
    /// [`TensorError::Type`] for another type, [`TensorError::Unwritten`]; when the elements of a [coded
    /// tensor](Tensor::set_coded) have yet to be made and memory is short.
    #[inline]
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        self.check_type(T::DATA_TYPE)?;
        match &self.storage {
            Some(storage) if self.numel() > 0 => match storage.bytes()? {
                Some(bytes) => Ok(typed(bytes, self.numel())),
                None => Err(self.unwritten(T::DATA_TYPE.name())),
            },
            _ => Ok(&[]),
        }
    }

    /// The strings.
    ///
    /// # Errors
    /// As [`Tensor::as_slice`].
    pub fn as_strings(&self) -> Result<&[Bytes], TensorError> {
        self.check_type(DataType::String)?;
        match self.storage.as_deref() {
            Some(Storage::Strings(s)) => Ok(&s.elements[..self.numel()]),
            _ => Ok(&[]),
        }
    }

    /// The bytes of the elements in the order of the machine.
    ///
    /// # Errors
    /// [`TensorError::StringsHaveNoBytes`], [`TensorError::Unwritten`]; as [`Tensor::as_slice`] when memory is short.
    pub fn as_bytes(&self) -> Result<&[u8], TensorError> {
        let data_type = self.data_type.ok_or_else(|| self.unwritten("any type"))?;
        let Some(item) = data_type.item_size() else { return Err(TensorError::StringsHaveNoBytes) };
        let bytes = self.storage.as_deref().map(Storage::bytes).transpose()?.flatten().unwrap_or(&[]);
        // An empty tensor may sit on storage of any kind.
        Ok(&bytes[..(self.numel() * item).min(bytes.len())])
    }

    /// What the elements are made from, if the tensor is [coded](Tensor::set_coded) as a `C`.
    ///
    /// The tensor may have another shape than it was given then, but as many elements.
    #[inline]
    pub fn coded<C: CodedElements>(&self) -> Option<&C> {
        match (self.data_type, self.storage.as_deref()) {
            (Some(DataType::Float), Some(Storage::Coded(coded))) => {
                (coded.elements() as &dyn Any).downcast_ref()
            }
            _ => None,
        }
    }

    /// Whether the elements are there: false for a [coded](Tensor::set_coded) tensor that was never read.
    pub fn is_expanded(&self) -> bool {
        match self.storage.as_deref() {
            Some(Storage::Coded(coded)) => coded.is_expanded(),
            _ => true,
        }
    }

    /// The type of the elements.
    ///
    /// # Errors
    /// [`TensorError::Unwritten`].
    pub fn written_type(&self) -> Result<DataType, TensorError> {
        self.data_type.ok_or_else(|| self.unwritten("any type"))
    }

    /// Checks the type of the elements, without making those of a [coded](Tensor::set_coded) tensor.
    ///
    /// # Errors
    /// [`TensorError::Type`] for another type, [`TensorError::Unwritten`].
    #[inline]
    pub fn check_type(&self, wanted: DataType) -> Result<(), TensorError> {
        match self.data_type {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(TensorError::Type { wanted, found }),
            None => Err(self.unwritten(wanted.name())),
        }
    }

    fn unwritten(&self, wanted: &'static str) -> TensorError {
        TensorError::Unwritten { wanted, shape: self.shape.clone() }
    }
}

fn check_count(shape: &Shape, found: usize) -> Result<(), TensorError> {
    if shape.numel() == found { Ok(()) } else { Err(TensorError::Count { shape: shape.clone(), found }) }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Tensor) -> bool {
        self.shape == other.shape
            && self.data_type == other.data_type
            && match self.data_type {
                None => true,
                Some(_) if self.shares_storage_with(other) => true,
                Some(DataType::String) => self.as_strings() == other.as_strings(),
                // What cannot be read equals nothing.
                Some(_) => matches!((self.as_bytes(), other.as_bytes()), (Ok(a), Ok(b)) if a == b),
            }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.data_type {
            Some(t) => write!(f, "Tensor({t} {})", self.shape),
            None => write!(f, "Tensor(unwritten {})", self.shape),
        }
    }
}

impl Tensor {
    /// The bytes of `elements` in the order of the machine: the inverse of a typed view.
    pub fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
        as_bytes(elements)
    }
}
