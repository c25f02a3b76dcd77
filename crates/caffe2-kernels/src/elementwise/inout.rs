//! Input and output of an operator that may work in place.

use super::{BLOCK, GRAIN};
use crate::Threads;

/// The operands of a kernel of one input and one output, apart or in place.
///
/// A kernel takes this one type and so has one signature, and one body, for both uses.
///
/// ```
/// use caffe2_kernels::{Threads, elementwise::{InOut, relu}};
///
/// let (input, mut output) = ([-1.0, 2.0], [0.0; 2]);
/// relu(&Threads::single(), InOut::Apart(&input, &mut output));
/// assert_eq!(output, [0.0, 2.0]);
///
/// let mut both = [-1.0, 2.0];
/// relu(&Threads::single(), InOut::InPlace(&mut both));
/// assert_eq!(both, [0.0, 2.0]);
/// ```
#[derive(Debug)]
pub enum InOut<'a, T> {
    /// Input and output are different memory of equal length.
    Apart(&'a [T], &'a mut [T]),
    /// The output replaces the input.
    InPlace(&'a mut [T]),
}

impl<T: Copy> InOut<'_, T> {
    /// The number of elements of the output.
    pub fn len(&self) -> usize {
        match self {
            InOut::Apart(_, output) | InOut::InPlace(output) => output.len(),
        }
    }

    /// Whether there is nothing to compute.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Replaces each element by `f` of it, on the caller's thread and with its instruction set: meant for
    /// bodies given to [`Isa::dispatch`](crate::Isa::dispatch).
    ///
    /// # Panics
    ///
    /// If input and output differ in length.
    #[inline(always)]
    pub fn map(self, f: impl Fn(T) -> T) {
        match self {
            InOut::Apart(input, output) => {
                assert_eq!(input.len(), output.len(), "input and output differ in length");
                for (y, &x) in output.iter_mut().zip(input) {
                    *y = f(x);
                }
            }
            InOut::InPlace(both) => {
                for y in both {
                    *y = f(*y);
                }
            }
        }
    }
}

impl<T: Copy + Send + Sync> InOut<'_, T> {
    /// Calls `work` on consecutive blocks of the operands, on several threads if there is much to do.
    ///
    /// # Panics
    ///
    /// If input and output differ in length.
    #[inline]
    pub fn for_each_block(self, threads: &Threads, work: impl Fn(InOut<'_, T>) + Sync + Send) {
        match self {
            InOut::Apart(input, output) => {
                assert_eq!(input.len(), output.len(), "input and output differ in length");
                if output.len() <= BLOCK {
                    return work(InOut::Apart(input, output));
                }
                threads.for_each_block(output, BLOCK, GRAIN, |index, block| {
                    work(InOut::Apart(&input[index * BLOCK..][..block.len()], block));
                });
            }
            InOut::InPlace(both) => {
                threads.for_each_block(both, BLOCK, GRAIN, |_, block| work(InOut::InPlace(block)));
            }
        }
    }
}
