//! What rows are multiplied by.

use crate::KernelError;
use crate::error::check_len;

/// A weight for each index.
pub trait Weights: Sync {
    /// The weight of index number `at`, which is number `within` of its group.
    fn of(&self, at: usize, within: usize) -> f32;

    /// Whether there are enough for groups with these ends.
    ///
    /// # Errors
    /// When there are not.
    fn check(&self, ends: &[usize]) -> Result<(), KernelError>;
}

/// 1 for all.
#[derive(Debug, Clone, Copy)]
pub struct Unweighted;

/// One for each index.
#[derive(Debug, Clone, Copy)]
pub struct PerIndex<'a>(pub &'a [f32]);

/// The same for the first of each group, for the second of each, and so on.
#[derive(Debug, Clone, Copy)]
pub struct Positional<'a>(pub &'a [f32]);

impl Weights for Unweighted {
    #[inline(always)]
    fn of(&self, _: usize, _: usize) -> f32 {
        1.0
    }

    fn check(&self, _: &[usize]) -> Result<(), KernelError> {
        Ok(())
    }
}

impl Weights for PerIndex<'_> {
    #[inline(always)]
    fn of(&self, at: usize, _: usize) -> f32 {
        self.0[at]
    }

    fn check(&self, ends: &[usize]) -> Result<(), KernelError> {
        check_len("weights", ends.last().copied().unwrap_or(0), self.0.len())
    }
}

impl Weights for Positional<'_> {
    #[inline(always)]
    fn of(&self, _: usize, within: usize) -> f32 {
        self.0[within]
    }

    fn check(&self, ends: &[usize]) -> Result<(), KernelError> {
        let starts = std::iter::once(&0).chain(ends);
        let longest =
            ends.iter().zip(starts).map(|(end, start)| end.saturating_sub(*start)).max().unwrap_or(0);
        if longest <= self.0.len() {
            return Ok(());
        }
        Err(KernelError::AtLeast { what: "weights", least: longest, found: self.0.len() })
    }
}
