//! The tensor itself.

use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::{Buffer, as_bytes, typed, typed_mut};
use crate::storage::{Storage, Strings};
use crate::{DataType, Element, IntoShape, MemoryBudget, Shape, TensorError};

/// A contiguous, row-major array of elements of one [`DataType`].
///
/// * A fresh tensor ([`Tensor::new`]) has shape `[0]` and no type. A tensor can also have a shape
///   with elements but no contents yet ([`Tensor::resize`]): it is *unwritten*, has no type, and
///   reading it is an error. A tensor of no dimensions is a scalar of one element; one with a
///   dimension of 0 is empty, and may have a type.
/// * Storage is aligned to 64 bytes, keeps its capacity when the tensor shrinks or changes its type,
///   and is shared by clones until one of them writes.
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
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The dimensions, outermost first.
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// The type of the elements; `None` when nothing was written yet.
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
    /// [`TensorError::Type`] for another type, [`TensorError::Unwritten`].
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        self.check_type(T::DATA_TYPE)?;
        match &self.storage {
            Some(storage) if self.numel() > 0 => match storage.bytes() {
                Some(bytes) => Ok(typed(bytes, self.numel())),
                None => Err(self.unwritten(T::DATA_TYPE.name())),
            },
            _ => Ok(&[]),
        }
    }

    /// The elements for changing; shared storage is copied first.
    ///
    /// # Errors
    /// As [`Tensor::as_slice`]; when memory for the copy is short.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T], TensorError> {
        self.check_type(T::DATA_TYPE)?;
        let numel = self.numel();
        if numel == 0 {
            return Ok(&mut []);
        }
        if !self.owns_bytes() {
            let size = numel * size_of::<T>();
            let mut own = Buffer::zeroed(size, self.budget.as_ref())?;
            if let Some(bytes) = self.storage.as_deref().and_then(Storage::bytes) {
                own.bytes_mut()[..size].copy_from_slice(&bytes[..size]);
            }
            self.storage = Some(Arc::new(Storage::Owned(own)));
        }
        match self.storage.as_mut().and_then(Arc::get_mut) {
            Some(Storage::Owned(buffer)) => Ok(typed_mut(buffer.bytes_mut(), numel)),
            _ => Err(TensorError::StringsHaveNoBytes),
        }
    }

    /// Gives the tensor this shape and type and returns its elements for overwriting; what they hold is
    /// unspecified. The buffer is kept when it is large enough and nobody shares it.
    ///
    /// # Errors
    /// When the dimensions are no shape or memory is short; the tensor is then left unwritten.
    pub fn overwrite<T: Element, S: IntoShape>(&mut self, shape: S) -> Result<&mut [T], TensorError> {
        let before = self.numel();
        if self.shape.dims() != shape.as_dims() {
            self.shape = shape.into_shape()?;
        }
        let numel = self.numel();
        let size = numel.checked_mul(size_of::<T>()).ok_or(TensorError::OutOfMemory { bytes: usize::MAX })?;
        if size > 0 && self.capacity() < size {
            // The old block goes first: the two are never held at once.
            (self.data_type, self.storage) = (None, None);
            self.storage = Some(Arc::new(Storage::Owned(Buffer::zeroed(size, self.budget.as_ref())?)));
        }
        let was = self.data_type.replace(T::DATA_TYPE);
        match self.storage.as_mut().and_then(Arc::get_mut) {
            Some(Storage::Owned(buffer)) if size > 0 => {
                // Bytes of another type, or behind the former elements, may be no truth values.
                if T::DATA_TYPE == DataType::Bool && (was != Some(DataType::Bool) || before < numel) {
                    buffer.bytes_mut()[..size].fill(0);
                }
                Ok(typed_mut(buffer.bytes_mut(), numel))
            }
            _ => Ok(&mut []),
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

    /// Gives the tensor this shape and strings as elements, and returns them for overwriting; what they
    /// hold is unspecified.
    ///
    /// # Errors
    /// As [`Tensor::overwrite`].
    pub fn overwrite_strings(&mut self, shape: impl IntoShape) -> Result<&mut [Bytes], TensorError> {
        self.shape = shape.into_shape()?;
        let numel = self.numel();
        let kept = matches!(self.storage.as_mut().and_then(Arc::get_mut),
            Some(Storage::Strings(s)) if s.elements.len() >= numel);
        if !kept {
            (self.data_type, self.storage) = (None, None);
            self.storage = Some(Arc::new(Storage::Strings(Strings::empty(numel, self.budget.as_ref())?)));
        }
        self.data_type = Some(DataType::String);
        match self.storage.as_mut().and_then(Arc::get_mut) {
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
        if self.storage.as_mut().is_some_and(|s| Arc::get_mut(s).is_none()) {
            let shared = self.clone();
            self.copy_from(&shared)?;
        }
        let numel = self.numel();
        match self.storage.as_mut().and_then(Arc::get_mut) {
            Some(Storage::Strings(s)) => Ok(&mut s.elements[..numel]),
            _ => Ok(&mut []),
        }
    }

    /// The bytes of the elements in the order of the machine.
    ///
    /// # Errors
    /// [`TensorError::StringsHaveNoBytes`], [`TensorError::Unwritten`].
    pub fn as_bytes(&self) -> Result<&[u8], TensorError> {
        let data_type = self.data_type.ok_or_else(|| self.unwritten("any type"))?;
        let Some(item) = data_type.item_size() else { return Err(TensorError::StringsHaveNoBytes) };
        let bytes = self.storage.as_deref().and_then(Storage::bytes).unwrap_or(&[]);
        // An empty tensor may sit on storage of any kind.
        Ok(&bytes[..(self.numel() * item).min(bytes.len())])
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

    /// The type of the elements.
    ///
    /// # Errors
    /// [`TensorError::Unwritten`].
    pub fn written_type(&self) -> Result<DataType, TensorError> {
        self.data_type.ok_or_else(|| self.unwritten("any type"))
    }

    fn check_type(&self, wanted: DataType) -> Result<(), TensorError> {
        match self.data_type {
            Some(found) if found == wanted => Ok(()),
            Some(found) => Err(TensorError::Type { wanted, found }),
            None => Err(self.unwritten(wanted.name())),
        }
    }

    fn unwritten(&self, wanted: &'static str) -> TensorError {
        TensorError::Unwritten { wanted, shape: self.shape.clone() }
    }

    fn owns_bytes(&mut self) -> bool {
        matches!(self.storage.as_mut().and_then(Arc::get_mut), Some(Storage::Owned(_)))
    }

    /// Bytes that can be overwritten without an allocation.
    fn capacity(&mut self) -> usize {
        match self.storage.as_mut().and_then(Arc::get_mut) {
            Some(Storage::Owned(buffer)) => buffer.capacity(),
            _ => 0,
        }
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
                Some(DataType::String) => self.as_strings() == other.as_strings(),
                Some(_) => self.as_bytes() == other.as_bytes(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_scalar_empty_and_unwritten_are_told_apart() {
        let fresh = Tensor::new();
        assert_eq!((fresh.dims(), fresh.data_type()), ([0].as_slice(), None));
        let scalar = Tensor::scalar(2.5f32).unwrap();
        assert_eq!((scalar.dims(), scalar.as_slice::<f32>().unwrap()), ([].as_slice(), [2.5].as_slice()));
        let empty = Tensor::zeros::<i32>([2, 0]).unwrap();
        assert_eq!((empty.data_type(), empty.as_slice::<i32>()), (Some(DataType::Int32), Ok([].as_slice())));
        let mut unwritten = Tensor::new();
        unwritten.resize([2, 2]).unwrap();
        let error = unwritten.as_slice::<f32>().unwrap_err();
        assert!(error.to_string().contains("never written"), "{error}");
        assert!(unwritten.as_bytes().is_err() && unwritten.as_strings().is_err());
    }

    #[test]
    fn a_shrunk_tensor_keeps_its_buffer() {
        let mut t = Tensor::zeros::<f32>([100]).unwrap();
        let at = t.as_slice::<f32>().unwrap().as_ptr().addr();
        t.overwrite::<f64, _>([10]).unwrap();
        t.overwrite::<u8, _>([0]).unwrap();
        assert_eq!(t.overwrite::<f32, _>([100]).unwrap().as_ptr().addr(), at);
        assert_ne!(t.overwrite::<f32, _>([101]).unwrap().len(), 100);
    }

    #[test]
    fn clones_share_until_one_writes() {
        let mut a = Tensor::from_slice([2], &[1i64, 2]).unwrap();
        let b = a.clone();
        assert!(a.shares_storage_with(&b));
        a.as_mut_slice::<i64>().unwrap()[0] = 9;
        assert!(!a.shares_storage_with(&b));
        assert_eq!(b.as_slice::<i64>().unwrap(), [1, 2]);
        let mut c = b.clone();
        c.overwrite::<i64, _>([2]).unwrap().fill(0);
        assert_eq!(b.as_slice::<i64>().unwrap(), [1, 2]);
    }

    #[test]
    fn foreign_bytes_are_read_in_place_and_copied_to_write() {
        let file = Bytes::from(vec![1u8, 2, 3, 4]);
        let mut t = Tensor::from_bytes([3], file.slice(1..)).unwrap();
        assert_eq!(t.as_slice::<u8>().unwrap().as_ptr(), file[1..].as_ptr());
        t.as_mut_slice::<u8>().unwrap()[0] = 7;
        assert_eq!((t.as_slice::<u8>().unwrap(), &file[..]), ([7, 3, 4].as_slice(), [1, 2, 3, 4].as_slice()));
        assert!(Tensor::from_bytes([5], file).is_err());
    }

    #[test]
    fn bytes_of_another_type_never_show_through_as_bools() {
        let mut t = Tensor::from_slice([4], &[0xffu8; 4]).unwrap();
        assert_eq!(t.overwrite::<bool, _>([2]).unwrap(), [false, false]);
        assert_eq!(t.overwrite::<bool, _>([4]).unwrap(), [false; 4]);
        t.overwrite::<u8, _>([4]).unwrap().fill(0xff);
        t.overwrite::<bool, _>([0]).unwrap();
        assert_eq!(t.overwrite::<bool, _>([4]).unwrap(), [false; 4]);
    }

    #[test]
    fn strings_hold_any_bytes_and_share_too() {
        let mut t = Tensor::from_strings([2], [&b"\x00\xff"[..], b""]).unwrap();
        let u = t.clone();
        t.overwrite_strings([1]).unwrap()[0] = Bytes::from_static(b"new");
        assert_eq!(u.as_strings().unwrap()[0], &b"\x00\xff"[..]);
        assert_eq!((t.byte_len(), u.byte_len()), (3, 2));
        assert!(matches!(t.as_bytes(), Err(TensorError::StringsHaveNoBytes)));
        assert!(matches!(t.as_slice::<u8>(), Err(TensorError::Type { .. })));
        assert_eq!(t.overwrite::<f32, _>([2]).unwrap().len(), 2);
    }

    #[test]
    fn copies_reuse_storage_and_keep_every_type() {
        let mut to = Tensor::zeros::<f64>([8]).unwrap();
        let from = Tensor::from_slice([2, 2], &[true, false, true, true]).unwrap();
        to.copy_from(&from).unwrap();
        assert_eq!(to, from);
        to.copy_reshaped(&from, &Shape::new(&[4]).unwrap()).unwrap();
        assert_eq!(to.dims(), [4]);
        assert!(to.copy_reshaped(&from, &Shape::new(&[5]).unwrap()).is_err());
        to.copy_from(&Tensor::new()).unwrap();
        assert_eq!(to.data_type(), None);
    }

    #[test]
    fn a_budget_is_charged_and_refuses() {
        let budget = MemoryBudget::new(1000);
        let mut t = Tensor::new().within(Some(budget.clone()));
        t.overwrite::<f32, _>([200]).unwrap();
        assert_eq!(budget.used(), 800);
        let kept = t.clone();
        assert!(matches!(t.overwrite::<f32, _>([201]), Err(TensorError::OverBudget { .. })));
        assert_eq!((t.data_type(), kept.data_type()), (None, Some(DataType::Float)));
        drop(kept);
        assert_eq!(budget.used(), 0);
        assert!(t.overwrite_strings([1000]).is_err());
    }

    #[test]
    fn equality_is_of_bits() {
        let nan = Tensor::scalar(f32::NAN).unwrap();
        assert_eq!(nan, nan.clone());
        assert_ne!(Tensor::scalar(0.0f32).unwrap(), Tensor::scalar(-0.0f32).unwrap());
        assert_ne!(Tensor::scalar(0i32).unwrap(), Tensor::scalar(0.0f32).unwrap());
        assert_ne!(Tensor::zeros::<u8>([4]).unwrap(), Tensor::zeros::<u8>([2, 2]).unwrap());
    }

    #[test]
    fn outsized_shapes_are_errors_and_leave_a_usable_tensor() {
        let mut t = Tensor::zeros::<f32>([4]).unwrap();
        assert!(t.overwrite::<f64, _>([1 << 62]).is_err());
        assert!(t.overwrite::<f32, _>([1 << 40, 1 << 40]).is_err());
        assert_eq!(t.overwrite::<f32, _>([2]).unwrap().len(), 2);
    }
}
