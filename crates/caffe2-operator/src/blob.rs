//! The values that a workspace holds by name.

use std::any::{Any, type_name};
use std::sync::{Mutex, PoisonError};

use caffe2_tensor::{Int8Tensor, Tensor};

/// A named value's content: nothing, a [`Tensor`], an [`Int8Tensor`], or any other `Send` type.
///
/// Tensors and 8-bit tensors are what operators work on, and are held directly. A value of another type
/// is held behind a lock, so that it need not be `Sync`.
#[derive(Debug, Default)]
pub struct Blob(Content);

#[derive(Debug, Default)]
enum Content {
    #[default]
    Empty,
    Tensor(Tensor),
    Int8(Int8Tensor),
    Value(Value),
}

#[derive(Debug)]
struct Value {
    type_name: &'static str,
    value: Mutex<Box<dyn Any + Send>>,
}

/// A blob that holds something else than asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the blob holds {found}, not {wanted}")]
pub struct BlobError {
    /// The type asked for.
    pub wanted: &'static str,
    /// What the blob holds; `nothing` when it was never written.
    pub found: &'static str,
}

/// A blob holds what cannot be handed over.
#[derive(Debug)]
pub(crate) struct CannotHandOver;

impl Blob {
    /// A blob that holds `value`; a [`Tensor`] becomes a tensor blob, an [`Int8Tensor`] one of its kind.
    pub fn new<T: Any + Send>(value: T) -> Blob {
        let value: Box<dyn Any + Send> = Box::new(value);
        let value = match value.downcast::<Tensor>() {
            Ok(tensor) => return Blob(Content::Tensor(*tensor)),
            Err(value) => value,
        };
        Blob(match value.downcast::<Int8Tensor>() {
            Ok(int8) => Content::Int8(*int8),
            Err(value) => Content::Value(Value { type_name: type_name::<T>(), value: Mutex::new(value) }),
        })
    }

    /// Whether nothing was ever put in.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Content::Empty)
    }

    /// Whether it holds something that was written: a tensor with elements, or with none and a type, or any other value.
    pub(crate) fn is_written(&self) -> bool {
        !self.is_empty() && self.elements().is_none_or(|tensor| tensor.data_type().is_some())
    }

    /// The tensor, of either kind, if the blob holds one.
    pub(crate) fn elements(&self) -> Option<&Tensor> {
        self.as_tensor().or_else(|| self.as_int8().map(|int8| &int8.values))
    }

    /// The name of the type that the blob holds; `a tensor`, `an 8-bit tensor`, or `nothing`.
    pub fn type_name(&self) -> &'static str {
        match &self.0 {
            Content::Empty => "nothing",
            Content::Tensor(_) => "a tensor",
            Content::Int8(_) => "an 8-bit tensor",
            Content::Value(value) => value.type_name,
        }
    }

    /// The tensor, if the blob holds one.
    #[inline]
    pub fn as_tensor(&self) -> Option<&Tensor> {
        match &self.0 {
            Content::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The tensor.
    ///
    /// # Errors
    /// When the blob holds none.
    pub fn tensor(&self) -> Result<&Tensor, BlobError> {
        self.as_tensor().ok_or_else(|| BlobError { wanted: "a tensor", found: self.type_name() })
    }

    /// The tensor for writing; any other content is replaced by the tensor that `fresh` makes.
    #[inline]
    pub fn tensor_or_insert_with(&mut self, fresh: impl FnOnce() -> Tensor) -> &mut Tensor {
        if !matches!(self.0, Content::Tensor(_)) {
            self.put_tensor(fresh());
        }
        match &mut self.0 {
            Content::Tensor(tensor) => tensor,
            _ => unreachable!("a tensor was just put in"),
        }
    }

    #[cold]
    fn put_tensor(&mut self, tensor: Tensor) {
        self.0 = Content::Tensor(tensor);
    }

    /// The 8-bit tensor, if the blob holds one.
    #[inline]
    pub fn as_int8(&self) -> Option<&Int8Tensor> {
        match &self.0 {
            Content::Int8(int8) => Some(int8),
            _ => None,
        }
    }

    /// The 8-bit tensor.
    ///
    /// # Errors
    /// When the blob holds none.
    pub fn int8(&self) -> Result<&Int8Tensor, BlobError> {
        self.as_int8().ok_or_else(|| BlobError { wanted: "an 8-bit tensor", found: self.type_name() })
    }

    /// The 8-bit tensor for writing; any other content is replaced by a fresh one.
    #[inline]
    pub fn int8_or_default(&mut self) -> &mut Int8Tensor {
        if !matches!(self.0, Content::Int8(_)) {
            self.0 = Content::Int8(Int8Tensor::default());
        }
        match &mut self.0 {
            Content::Int8(int8) => int8,
            _ => unreachable!("an 8-bit tensor was just put in"),
        }
    }

    /// Calls `read` with the value of type `T`.
    ///
    /// # Errors
    /// When the blob holds something else.
    pub fn with<T: Any, R>(&self, read: impl FnOnce(&T) -> R) -> Result<R, BlobError> {
        let wrong = || BlobError { wanted: type_name::<T>(), found: self.type_name() };
        match &self.0 {
            Content::Empty => Err(wrong()),
            Content::Tensor(tensor) => (tensor as &dyn Any).downcast_ref().map(read).ok_or_else(wrong),
            Content::Int8(int8) => (int8 as &dyn Any).downcast_ref().map(read).ok_or_else(wrong),
            Content::Value(v) => {
                let value = v.value.lock().unwrap_or_else(PoisonError::into_inner);
                value.downcast_ref().map(read).ok_or_else(wrong)
            }
        }
    }

    /// The value of type `T` for changing.
    ///
    /// # Errors
    /// When the blob holds something else.
    pub fn get_mut<T: Any>(&mut self) -> Result<&mut T, BlobError> {
        let wrong = BlobError { wanted: type_name::<T>(), found: self.type_name() };
        let value: Option<&mut T> = match &mut self.0 {
            Content::Empty => None,
            Content::Tensor(tensor) => (tensor as &mut dyn Any).downcast_mut(),
            Content::Int8(int8) => (int8 as &mut dyn Any).downcast_mut(),
            Content::Value(v) => v.value.get_mut().unwrap_or_else(PoisonError::into_inner).downcast_mut(),
        };
        value.ok_or(wrong)
    }

    /// Hands the memory of the tensor, of either kind, over to another blob, whose content becomes unspecified; this
    /// one is unwritten then. How many bytes the elements took; 0 when there was nothing to hand over.
    ///
    /// # Errors
    /// When what the blob holds cannot be handed over: shared memory, strings, a value that is no tensor. Then nothing
    /// changes.
    pub(crate) fn hand_over(&mut self, to: &mut Blob) -> Result<u64, CannotHandOver> {
        let from = match &mut self.0 {
            Content::Empty => return Ok(0),
            Content::Tensor(tensor) => tensor,
            Content::Int8(int8) => &mut int8.values,
            Content::Value(_) => return Err(CannotHandOver),
        };
        let bytes = from.byte_len() as u64;
        let to = match &mut to.0 {
            Content::Int8(int8) => &mut int8.values,
            _ => to.tensor_or_insert_with(Tensor::new),
        };
        if from.hand_over(to) { Ok(bytes) } else { Err(CannotHandOver) }
    }

    /// A second blob with the same content, where that can be shared: a tensor of either kind (its storage is
    /// shared until one of the two is written) or nothing. Other values cannot, and give an empty blob.
    pub(crate) fn share(&self) -> Blob {
        match &self.0 {
            Content::Tensor(tensor) => Blob(Content::Tensor(tensor.clone())),
            Content::Int8(int8) => Blob(Content::Int8(int8.clone())),
            _ => Blob::default(),
        }
    }
}

impl From<Tensor> for Blob {
    fn from(tensor: Tensor) -> Blob {
        Blob(Content::Tensor(tensor))
    }
}

impl From<Int8Tensor> for Blob {
    fn from(int8: Int8Tensor) -> Blob {
        Blob(Content::Int8(int8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_blob_holds_any_send_type() {
        // Cell is Send and not Sync.
        let mut blob = Blob::new(Cell::new(5));
        assert_eq!(blob.with(|c: &Cell<i32>| c.get()), Ok(5));
        blob.get_mut::<Cell<i32>>().unwrap().set(6);
        assert_eq!(blob.with(|c: &Cell<i32>| c.get()), Ok(6));
        let error = blob.with(|_: &String| ()).unwrap_err();
        assert!(error.to_string().contains("Cell<i32>") && error.to_string().contains("String"), "{error}");
        assert!(blob.tensor().is_err());
    }

    #[test]
    fn an_8_bit_tensor_is_a_kind_of_its_own() {
        let mut blob = Blob::new(Int8Tensor { scale: 0.5, ..Int8Tensor::default() });
        assert_eq!(blob.with(|int8: &Int8Tensor| int8.scale), Ok(0.5));
        assert_eq!(blob.share().int8().unwrap().scale, 0.5);
        blob.get_mut::<Int8Tensor>().unwrap().scale = 0.25;
        assert_eq!(blob.int8_or_default().scale, 0.25);
        let error = blob.tensor().unwrap_err().to_string();
        assert_eq!(error, "the blob holds an 8-bit tensor, not a tensor");
        blob.tensor_or_insert_with(Tensor::new);
        assert!(blob.int8().is_err() && blob.as_int8().is_none());
        assert_eq!(blob.int8_or_default().scale, 1.0);
    }

    #[test]
    fn memory_goes_from_kind_to_kind() {
        let bytes = || Tensor::from_slice([3], &[1u8, 2, 3]).unwrap();
        let mut int8 = Blob::from(Int8Tensor { scale: 0.5, zero_point: 1, values: bytes() });
        let (mut tensor, mut other) = (Blob::default(), Blob::from(Int8Tensor::default()));
        let buffer = int8.elements().unwrap().as_bytes().unwrap().as_ptr();
        assert_eq!(int8.hand_over(&mut tensor).unwrap(), 3);
        assert!(!int8.is_written() && !tensor.is_written() && int8.as_int8().is_some());
        assert_eq!(tensor.hand_over(&mut other).unwrap(), 0);
        let values = &mut other.int8_or_default().values;
        assert_eq!(values.overwrite::<u8, _>([3]).unwrap().as_ptr(), buffer);
        let shared = other.share();
        assert!(other.hand_over(&mut int8).is_err() && Blob::new("text").hand_over(&mut int8).is_err());
        assert!(other.is_written() && shared.is_written() && !int8.is_written());
    }

    #[test]
    fn a_tensor_is_a_tensor_however_it_came() {
        let mut blob = Blob::new(Tensor::scalar(1.0f32).unwrap());
        assert!(blob.tensor().is_ok() && blob.with(|_: &Tensor| ()).is_ok());
        assert!(blob.get_mut::<Tensor>().is_ok());
        let mut other = Blob::new("text");
        assert_eq!(other.tensor_or_insert_with(Tensor::new).numel(), 0);
        assert!(Blob::default().is_empty() && Blob::default().with(|_: &Tensor| ()).is_err());
    }
}
