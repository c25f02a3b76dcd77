//! The values that a workspace holds by name.

use std::any::{Any, type_name};
use std::sync::{Mutex, PoisonError};

use caffe2_tensor::Tensor;

/// A named value's content: nothing, a [`Tensor`], or any other `Send` type.
///
/// Tensors are what nearly all operators work on, and are held directly. A value of another type
/// is held behind a lock, so that it need not be `Sync`.
#[derive(Debug, Default)]
pub struct Blob(Content);

#[derive(Debug, Default)]
enum Content {
    #[default]
    Empty,
    Tensor(Tensor),
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
    /// A blob that holds `value`; a [`Tensor`] becomes a tensor blob.
    pub fn new<T: Any + Send>(value: T) -> Blob {
        let value: Box<dyn Any + Send> = Box::new(value);
        Blob(match value.downcast::<Tensor>() {
            Ok(tensor) => Content::Tensor(*tensor),
            Err(value) => Content::Value(Value { type_name: type_name::<T>(), value: Mutex::new(value) }),
        })
    }

    /// Whether nothing was ever put in.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Content::Empty)
    }

    /// The name of the type that the blob holds; `a tensor`, or `nothing`.
    pub fn type_name(&self) -> &'static str {
        match &self.0 {
            Content::Empty => "nothing",
            Content::Tensor(_) => "a tensor",
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

    /// Calls `read` with the value of type `T`.
    ///
    /// # Errors
    /// When the blob holds something else.
    pub fn with<T: Any, R>(&self, read: impl FnOnce(&T) -> R) -> Result<R, BlobError> {
        let wrong = || BlobError { wanted: type_name::<T>(), found: self.type_name() };
        match &self.0 {
            Content::Empty => Err(wrong()),
            Content::Tensor(tensor) => (tensor as &dyn Any).downcast_ref().map(read).ok_or_else(wrong),
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
            Content::Value(v) => v.value.get_mut().unwrap_or_else(PoisonError::into_inner).downcast_mut(),
        };
        value.ok_or(wrong)
    }

    /// Hands the memory of the tensor over to another blob, whose content becomes unspecified; this one is unwritten
    /// then. How many bytes the elements took; 0 when there was nothing to hand over.
    ///
    /// # Errors
    /// When what the blob holds cannot be handed over: shared memory, strings, a value that is no tensor. Then nothing
    /// changes.
    pub(crate) fn hand_over(&mut self, to: &mut Blob) -> Result<u64, CannotHandOver> {
        match &mut self.0 {
            Content::Empty => Ok(0),
            Content::Tensor(tensor) => {
                let bytes = tensor.byte_len() as u64;
                let to = to.tensor_or_insert_with(Tensor::new);
                if tensor.hand_over(to) { Ok(bytes) } else { Err(CannotHandOver) }
            }
            Content::Value(_) => Err(CannotHandOver),
        }
    }

    /// A second blob with the same content, where that can be shared: a tensor (its storage is shared
    /// until one of the two is written) or nothing. Other values cannot, and give an empty blob.
    pub(crate) fn share(&self) -> Blob {
        match &self.0 {
            Content::Tensor(tensor) => Blob(Content::Tensor(tensor.clone())),
            _ => Blob::default(),
        }
    }
}

impl From<Tensor> for Blob {
    fn from(tensor: Tensor) -> Blob {
        Blob(Content::Tensor(tensor))
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
    fn a_tensor_is_a_tensor_however_it_came() {
        let mut blob = Blob::new(Tensor::scalar(1.0f32).unwrap());
        assert!(blob.tensor().is_ok() && blob.with(|_: &Tensor| ()).is_ok());
        assert!(blob.get_mut::<Tensor>().is_ok());
        let mut other = Blob::new("text");
        assert_eq!(other.tensor_or_insert_with(Tensor::new).numel(), 0);
        assert!(Blob::default().is_empty() && Blob::default().with(|_: &Tensor| ()).is_err());
    }
}
