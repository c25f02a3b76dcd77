//! Writing tensors: shapes and types given, storage reused or separated from others that share it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Tensor, check_count};
use crate::buffer::{Buffer, typed_mut};
use crate::coded::Coded;
use crate::storage::{Storage, Strings, unique};
use crate::{CodedElements, DataType, Element, IntoShape, MemoryBudget, Shape, TensorError};

impl Tensor {
    /// Charges allocations of this tensor from now on to `budget`; what it has stays where it was charged.
    #[inline]
    pub fn charge_to(&mut self, budget: &Arc<MemoryBudget>) {
        if !self.budget.as_ref().is_some_and(|own| Arc::ptr_eq(own, budget)) {
            self.change_budget(budget);
        }
    }

    #[cold]
    fn change_budget(&mut self, budget: &Arc<MemoryBudget>) {
        self.budget = Some(Arc::clone(budget));
    }

    /// Makes this tensor equal to `source` by sharing its storage; its own budget stays.
    pub fn share(&mut self, source: &Tensor) {
        self.shape.clone_from(&source.shape);
        self.data_type = source.data_type;
        self.storage.clone_from(&source.storage);
    }

    /// The size in bytes of the buffer that the tensor has for itself, 0 without any; `None` when its elements are in
    /// memory that another tensor shares, or that is no buffer: strings, bytes of a file.
    pub fn own_buffer(&self) -> Option<usize> {
        match &self.storage {
            None => Some(0),
            Some(storage) => match &**storage {
                Storage::Owned(buffer) if Arc::strong_count(storage) == 1 => Some(buffer.capacity()),
                _ => None,
            },
        }
    }

    /// Hands the buffer of this tensor over to `to`, which lets go of its own and is unwritten until it is overwritten;
    /// so is this tensor from now on. Nothing is copied or allocated. With no buffer there is nothing to do.
    ///
    /// `false`, and nothing is changed, when the elements are in memory that another tensor shares, or that is no
    /// buffer: strings, bytes of a file.
    pub fn hand_over(&mut self, to: &mut Tensor) -> bool {
        if self.storage.is_none() {
            return true;
        }
        let owned = self.owns_bytes();
        if owned {
            to.storage = self.storage.take();
            (self.data_type, to.data_type) = (None, None);
        }
        owned
    }

    /// The elements for changing; shared storage is copied first.
    ///
    /// # Errors
    /// As [`Tensor::as_slice`]; when memory for the copy is short.
    #[inline]
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T], TensorError> {
        self.check_type(T::DATA_TYPE)?;
        let numel = self.numel();
        if numel == 0 {
            return Ok(&mut []);
        }
        if !self.owns_bytes() {
            let own = self.own_copy(numel * size_of::<T>())?;
            self.storage = Some(Arc::new(Storage::Owned(own)));
        }
        match self.storage.as_mut().and_then(unique) {
            Some(Storage::Owned(buffer)) => Ok(typed_mut(buffer.bytes_mut(), numel)),
            _ => Err(TensorError::StringsHaveNoBytes),
        }
    }

    /// A buffer of this tensor's own with the first `size` bytes of its elements.
    fn own_copy(&mut self, size: usize) -> Result<Buffer, TensorError> {
        if let Some(Storage::Coded(coded)) = self.storage.as_mut().and_then(unique)
            && let Some(floats) = coded.take_floats()
        {
            return Ok(floats);
        }
        match self.storage.as_deref() {
            Some(Storage::Coded(coded)) if !coded.is_expanded() => coded.expanded(self.budget.as_ref()),
            storage => {
                let mut own = Buffer::zeroed(size, self.budget.as_ref())?;
                if let Some(bytes) = storage.map(Storage::bytes).transpose()?.flatten() {
                    own.bytes_mut()[..size].copy_from_slice(&bytes[..size]);
                }
                Ok(own)
            }
        }
    }

    /// Makes this a float tensor of this shape whose elements are made from `elements` when they are first read, once
    /// for all tensors that share the storage. The memory that they take then is charged to the budget that this
    /// tensor has now.
    ///
    /// A write makes a plain tensor of it. Readers that know `C` get at it with [`Tensor::coded`].
    ///
    /// # Errors
    /// When the dimensions are no shape; the tensor is then left as it was.
    pub fn set_coded<C: CodedElements>(
        &mut self,
        shape: impl IntoShape,
        elements: C,
    ) -> Result<(), TensorError> {
        self.shape = shape.into_shape()?;
        let coded = Coded::new(Box::new(elements), self.numel(), self.budget.clone());
        self.data_type = Some(DataType::Float);
        self.storage = Some(Arc::new(Storage::Coded(coded)));
        Ok(())
    }

    /// Gives the tensor this shape and type and returns its elements for overwriting; what they hold is
    /// unspecified. The buffer is kept when it is large enough and nobody shares it.
    ///
    /// # Errors
    /// When the dimensions are no shape or memory is short; the tensor is then left unwritten.
    #[inline]
    pub fn overwrite<T: Element, S: IntoShape>(&mut self, shape: S) -> Result<&mut [T], TensorError> {
        let before = self.numel();
        if !same_dims(self.shape.dims(), shape.as_dims()) {
            self.shape = shape.into_shape()?;
        }
        let numel = self.numel();
        let was = self.data_type.take();
        let size = numel.checked_mul(size_of::<T>()).ok_or(TensorError::OutOfMemory { bytes: usize::MAX })?;
        if self.capacity() < size {
            self.reallocate(size)?;
        }
        self.data_type = Some(T::DATA_TYPE);
        if size == 0 {
            return Ok(&mut []);
        }
        match self.storage.as_mut().and_then(unique) {
            Some(Storage::Owned(buffer)) => {
                // Bytes of another type, or behind the former elements, may be no truth values.
                if T::DATA_TYPE == DataType::Bool && (was != Some(DataType::Bool) || before < numel) {
                    buffer.bytes_mut()[..size].fill(0);
                }
                Ok(typed_mut(buffer.bytes_mut(), numel))
            }
            _ => Ok(&mut []),
        }
    }

    /// New storage of `size` bytes; the old goes first, so that the two are never held at once.
    #[cold]
    fn reallocate(&mut self, size: usize) -> Result<(), TensorError> {
        self.storage = None;
        self.storage = Some(Arc::new(Storage::Owned(Buffer::zeroed(size, self.budget.as_ref())?)));
        Ok(())
    }

    /// Gives the tensor this shape and strings as elements, and returns them for overwriting; what they
    /// hold is unspecified.
    ///
    /// # Errors
    /// As [`Tensor::overwrite`].
    pub fn overwrite_strings(&mut self, shape: impl IntoShape) -> Result<&mut [Bytes], TensorError> {
        self.shape = shape.into_shape()?;
        let numel = self.numel();
        let kept = matches!(self.storage.as_mut().and_then(unique),
            Some(Storage::Strings(s)) if s.elements.len() >= numel);
        if !kept {
            (self.data_type, self.storage) = (None, None);
            self.storage = Some(Arc::new(Storage::Strings(Strings::empty(numel, self.budget.as_ref())?)));
        }
        self.data_type = Some(DataType::String);
        match self.storage.as_mut().and_then(unique) {
            Some(Storage::Strings(s)) => Ok(&mut s.elements[..numel]),
            _ => Ok(&mut []),
        }
    }

    /// The strings for changing; shared storage is cloned first.
    ///
    /// # Errors
    /// As [`Tensor::as_strings`]; when memory for the copy is short.
    pub fn strings_mut(&mut self) -> Result<&mut [Bytes], TensorError> {
        self.check_type(DataType::String)?;
        if self.storage.as_mut().is_some_and(|s| unique(s).is_none()) {
            let shared = self.clone();
            self.copy_from(&shared)?;
        }
        let numel = self.numel();
        match self.storage.as_mut().and_then(unique) {
            Some(Storage::Strings(s)) => Ok(&mut s.elements[..numel]),
            _ => Ok(&mut []),
        }
    }

    /// Gives the tensor another shape. With as many elements as before it keeps them; otherwise it is
    /// unwritten, and its buffer waits for the next [`Tensor::overwrite`].
    ///
    /// # Errors
    /// When the dimensions are no shape.
    pub fn resize(&mut self, shape: impl IntoShape) -> Result<(), TensorError> {
        let shape = shape.into_shape()?;
        if shape.numel() != self.numel() {
            self.data_type = None;
        }
        self.shape = shape;
        Ok(())
    }

    /// Gives the tensor another shape of as many elements.
    ///
    /// # Errors
    /// [`TensorError::Count`] when the number of elements would change.
    pub fn reshape(&mut self, shape: impl IntoShape) -> Result<(), TensorError> {
        let shape = shape.into_shape()?;
        check_count(&shape, self.numel())?;
        self.shape = shape;
        Ok(())
    }

    /// Makes this tensor equal to `source` by copying its elements into storage of its own, which is
    /// reused. A copy of itself is nothing to do; an unwritten source leaves this tensor unwritten.
    ///
    /// # Errors
    /// When memory is short.
    pub fn copy_from(&mut self, source: &Tensor) -> Result<(), TensorError> {
        self.copy_reshaped(source, &source.shape)
    }

    /// As [`Tensor::copy_from`], with another shape of as many elements.
    ///
    /// # Errors
    /// [`TensorError::Count`] when `shape` has another number of elements; when memory is short.
    pub fn copy_reshaped(&mut self, source: &Tensor, shape: &Shape) -> Result<(), TensorError> {
        check_count(shape, source.numel())?;
        macro_rules! copy {
            ($($data_type:ident: $rust:ty),*) => {
                match source.data_type {
                    None => self.resize(shape).map(|()| self.data_type = None),
                    Some(DataType::String) => {
                        self.overwrite_strings(shape)?.clone_from_slice(source.as_strings()?);
                        Ok(())
                    }
                    $(Some(DataType::$data_type) => {
                        self.overwrite::<$rust, _>(shape)?.copy_from_slice(source.as_slice()?);
                        Ok(())
                    })*
                }
            };
        }
        copy!(Float: f32, Double: f64, Float16: half::f16, Int8: i8, Int16: i16, Int32: i32, Int64: i64,
              UInt8: u8, UInt16: u16, Bool: bool)
    }

    fn owns_bytes(&mut self) -> bool {
        matches!(self.storage.as_mut().and_then(unique), Some(Storage::Owned(_)))
    }

    /// Bytes that can be overwritten without an allocation.
    #[inline]
    fn capacity(&mut self) -> usize {
        match self.storage.as_mut().and_then(unique) {
            Some(Storage::Owned(buffer)) => buffer.capacity(),
            _ => 0,
        }
    }

    /// As [`Tensor::share`], with another shape of as many elements.
    ///
    /// # Errors
    /// [`TensorError::Count`] when `shape` has another number of elements.
    pub fn share_reshaped(&mut self, source: &Tensor, shape: &Shape) -> Result<(), TensorError> {
        check_count(shape, source.numel())?;
        self.share(source);
        self.shape.clone_from(shape);
        Ok(())
    }

    /// Makes this tensor equal to `source` but for its shape, without a copy where that is for good: storage
    /// that `source` shares already, does not own, or keeps coded, is shared. Storage of its own is copied, so that both
    /// can be written again and again without an allocation.
    ///
    /// # Errors
    /// As [`Tensor::copy_reshaped`].
    pub fn assign_reshaped(&mut self, source: &Tensor, shape: &Shape) -> Result<(), TensorError> {
        let shared = match &source.storage {
            Some(storage) => {
                Arc::strong_count(storage) > 1 || matches!(**storage, Storage::Foreign(_) | Storage::Coded(_))
            }
            None => false,
        };
        if shared { self.share_reshaped(source, shape) } else { self.copy_reshaped(source, shape) }
    }

    /// Gives the tensor this shape, and the type and value of the only element of `value` to all elements.
    ///
    /// # Errors
    /// [`TensorError::Count`] when `value` has not exactly one element, [`TensorError::Unwritten`]; when memory
    /// is short.
    pub fn fill(&mut self, shape: &Shape, value: &Tensor) -> Result<(), TensorError> {
        check_count(&Shape::scalar(), value.numel())?;
        macro_rules! fill {
            ($($data_type:ident: $rust:ty),*) => {
                match value.written_type()? {
                    DataType::String => self.overwrite_strings(shape)?.fill(value.as_strings()?[0].clone()),
                    $(DataType::$data_type => {
                        let value = value.as_slice::<$rust>()?[0];
                        self.overwrite::<$rust, _>(shape)?.fill(value);
                    })*
                }
            };
        }
        fill!(Float: f32, Double: f64, Float16: half::f16, Int8: i8, Int16: i16, Int32: i32, Int64: i64,
              UInt8: u8, UInt16: u16, Bool: bool);
        Ok(())
    }
}

/// Equality of dimensions, of which there are few.
#[inline]
fn same_dims(a: &[usize], b: &[usize]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}
