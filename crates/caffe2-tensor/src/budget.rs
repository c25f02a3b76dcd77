//! A limit on the memory that tensors may take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::TensorError;

/// A number of bytes that the storage of many tensors shares.
///
/// Tensors made [within](crate::Tensor::within) a budget charge it when they allocate and return the
/// charge when the storage goes, wherever it went meanwhile. An allocation that does not fit is an
/// error and takes nothing.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { limit, used: AtomicUsize::new(0), peak: AtomicUsize::new(0) })
    }

    /// The number of bytes there are in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number of bytes in use now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The largest number of bytes that were in use at once.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    /// Takes `bytes` from the budget until the charge is dropped.
    ///
    /// # Errors
    /// [`TensorError::OverBudget`] when they are not there.
    pub fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, TensorError> {
        let fits = |used: usize| used.checked_add(bytes).filter(|&total| total <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(before) => {
                self.peak.fetch_max(before + bytes, Ordering::Relaxed);
                Ok(Charge { budget: Arc::clone(self), bytes })
            }
            Err(used) => Err(TensorError::OverBudget { bytes, used, limit: self.limit }),
        }
    }
}

/// Bytes taken from a [`MemoryBudget`]; dropping it returns them.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_add_up_and_come_back() {
        let budget = MemoryBudget::new(100);
        let a = budget.charge(60).unwrap();
        let refused = budget.charge(41).unwrap_err();
        assert_eq!(refused, TensorError::OverBudget { bytes: 41, used: 60, limit: 100 });
        let b = budget.charge(40).unwrap();
        assert_eq!((budget.used(), budget.peak()), (100, 100));
        drop((a, b));
        assert_eq!((budget.used(), budget.peak()), (0, 100));
        assert!(budget.charge(usize::MAX).is_err());
    }
}
