//! Floats that are kept as something smaller and made when somebody reads them.

use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::buffer::{Buffer, typed_mut};
use crate::{MemoryBudget, TensorError};

/// What the floats of a tensor can be made from, such as a byte for each of them.
///
/// A tensor that is [made of it](crate::Tensor::set_coded) can be read as any other. Code that knows the type gets at
/// it with [`Tensor::coded`](crate::Tensor::coded) and may never need the floats.
///
/// ```
/// use caffe2_tensor::{CodedElements, Tensor, TensorError};
///
/// /// A float for each bit.
/// struct Signs(Vec<u8>);
///
/// impl CodedElements for Signs {
///     fn expand(&self, out: &mut [f32]) {
///         for (i, x) in out.iter_mut().enumerate() {
///             *x = if self.0[i / 8] >> (i % 8) & 1 == 1 { 1.0 } else { -1.0 };
///         }
///     }
/// }
///
/// let mut signs = Tensor::new();
/// signs.set_coded([2, 4], Signs(vec![0b0000_0101]))?;
/// let same = signs.clone();
/// assert!(!same.is_expanded());
/// assert_eq!(signs.as_slice::<f32>()?[..4], [1.0, -1.0, 1.0, -1.0]);
/// assert!(same.is_expanded()); // once for all that share it
/// assert_eq!(same.coded::<Signs>().map(|signs| signs.0.len()), Some(1));
/// # Ok::<(), TensorError>(())
/// ```
pub trait CodedElements: Any + Send + Sync {
    /// Writes all elements to `out`, which has as many as the tensor and holds zeros: always the same.
    ///
    /// Other threads that read the tensor wait meanwhile, so this must not wait for any of them: it works on the
    /// thread that calls it.
    fn expand(&self, out: &mut [f32]);
}

/// Storage of floats that are made when they are first read.
pub(crate) struct Coded {
    elements: Box<dyn CodedElements>,
    numel: usize,
    /// What the floats are charged to.
    budget: Option<Arc<MemoryBudget>>,
    floats: OnceLock<Buffer>,
    /// Held by the thread that makes the floats.
    making: Mutex<()>,
}

impl Coded {
    pub(crate) fn new(
        elements: Box<dyn CodedElements>,
        numel: usize,
        budget: Option<Arc<MemoryBudget>>,
    ) -> Coded {
        Coded { elements, numel, budget, floats: OnceLock::new(), making: Mutex::new(()) }
    }

    pub(crate) fn elements(&self) -> &dyn CodedElements {
        &*self.elements
    }

    pub(crate) fn is_expanded(&self) -> bool {
        self.floats.get().is_some()
    }

    /// The bytes of the floats.
    #[inline]
    pub(crate) fn bytes(&self) -> Result<&[u8], TensorError> {
        match self.floats.get() {
            Some(floats) => Ok(floats.bytes()),
            None => self.make(),
        }
    }

    #[cold]
    fn make(&self) -> Result<&[u8], TensorError> {
        // A panic within `expand` leaves nothing behind that a second attempt could trip over.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(floats) = self.floats.get() {
            return Ok(floats.bytes());
        }
        let floats = self.expanded(self.budget.as_ref())?;
        Ok(self.floats.get_or_init(|| floats).bytes())
    }

    /// A buffer of its own with the floats.
    pub(crate) fn expanded(&self, budget: Option<&Arc<MemoryBudget>>) -> Result<Buffer, TensorError> {
        let bytes = self.numel.checked_mul(size_of::<f32>());
        let mut floats =
            Buffer::zeroed(bytes.ok_or(TensorError::OutOfMemory { bytes: usize::MAX })?, budget)?;
        self.elements.expand(typed_mut(floats.bytes_mut(), self.numel));
        Ok(floats)
    }

    /// The floats, where they were made already.
    pub(crate) fn take_floats(&mut self) -> Option<Buffer> {
        self.floats.take()
    }
}

#[cfg(test)]
mod tests;
