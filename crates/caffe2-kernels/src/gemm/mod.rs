//! Products of float matrices.
//!
//! The inner loops come from the `gemm-f32` crate. Blocking, packing and sharing among threads are done
//! here, so that a product allocates nothing once its thread has its working memory, obeys `CAFFE2_ISA`, and
//! is the same to the bit for any number of threads. Products with few rows, which are bound by reading the
//! other operand, have loops of their own.

mod block;
mod few;
mod left;
mod matrix;
mod micro;
mod pack;
mod shared;
pub(crate) mod swapped;
mod tail;

pub(crate) use block::{Batch, Product, run};
pub(crate) use left::{LeftForm, LeftLayout, LeftOperand, PackedLeft};
pub use matrix::{MatMut, MatRef};
pub(crate) use pack::{RightOperand, pack_columns};
pub(crate) use shared::SharedMut;
pub use tail::Activation;
pub(crate) use tail::Tail;

use crate::error::{check_len, check_same};
use crate::{Isa, KernelError, Threads};

/// What is added to each element of a product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bias<'a> {
    /// Nothing.
    None,
    /// One value per row.
    PerRow(&'a [f32]),
    /// One value per column.
    PerColumn(&'a [f32]),
}

impl Bias<'_> {
    /// Adds the bias to a piece of row `r` that begins at column `start`.
    pub(crate) fn add_to(&self, piece: &mut [f32], r: usize, start: usize) {
        match self {
            Bias::None => {}
            Bias::PerRow(bias) => piece.iter_mut().for_each(|y| *y += bias[r]),
            Bias::PerColumn(bias) => piece.iter_mut().zip(&bias[start..]).for_each(|(y, b)| *y += b),
        }
    }

    pub(crate) fn check(&self, rows: usize, columns: usize) -> Result<(), KernelError> {
        match self {
            Bias::None => Ok(()),
            Bias::PerRow(bias) => check_len("bias per row", rows, bias.len()),
            Bias::PerColumn(bias) => check_len("bias per column", columns, bias.len()),
        }
    }
}

/// `c = alpha * a * b + beta * c`. With `beta` 0 the old content of `c` is not read, NaN included.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::gemm::{MatMut, MatRef, gemm};
///
/// let (a, b, mut c) = ([1.0, 2.0, 3.0, 4.0], [1.0, 1.0], [10.0, 20.0]);
/// let (a, b) = (MatRef::new(&a, 2, 2)?, MatRef::new(&b, 2, 1)?);
/// gemm(&Threads::single(), 2.0, a, b, 1.0, MatMut::new(&mut c, 2, 1)?)?;
/// assert_eq!(c, [16.0, 34.0]);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Mismatch`] if the sizes of the matrices do not fit together.
pub fn gemm(
    threads: &Threads,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    gemm_on(Isa::current(), threads, Factors { alpha, beta, bias: Bias::None }, a, b, c)
}

/// `c = a * b + bias`. The old content of `c` is not read.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::gemm::{Bias, MatMut, MatRef, matmul};
///
/// // X [2, 3] times the transpose of W [2, 3], as a fully connected layer has it.
/// let (x, w, mut y) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.0; 4]);
/// let (x, w) = (MatRef::new(&x, 2, 3)?, MatRef::new(&w, 2, 3)?.transposed());
/// matmul(&Threads::single(), x, w, Bias::PerColumn(&[0.5, -1.0]), MatMut::new(&mut y, 2, 2)?)?;
/// assert_eq!(y, [1.5, 5.0, 4.5, 14.0]);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Mismatch`] if the sizes of the matrices do not fit together, [`KernelError::Length`] if
/// those of the bias do not.
pub fn matmul(
    threads: &Threads,
    a: MatRef<'_>,
    b: MatRef<'_>,
    bias: Bias<'_>,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    gemm_on(Isa::current(), threads, Factors { alpha: 1.0, beta: 0.0, bias }, a, b, c)
}

/// `c = alpha * a * b + beta * c + bias`
#[derive(Debug, Clone, Copy)]
struct Factors<'a> {
    alpha: f32,
    beta: f32,
    bias: Bias<'a>,
}

/// Rows up to which a product is computed by the loops for few rows.
const FEW: usize = 8;
/// Columns up to which a product of contiguous rows with contiguous columns is made of dot products, provided that each
/// has [`LONG`] summands. With more it pays to pack.
const FEW_DOTS: usize = 32;
const LONG: usize = 256;

fn gemm_on(
    isa: Isa,
    threads: &Threads,
    factors: Factors<'_>,
    a: MatRef<'_>,
    b: MatRef<'_>,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    check_same("inner dimension of the product", a.cols(), b.rows())?;
    check_same("rows of the product", a.rows(), c.rows())?;
    check_same("columns of the product", b.cols(), c.cols())?;
    factors.bias.check(c.rows(), c.cols())?;
    let (rows, columns, depth) = (c.rows(), c.cols(), a.cols());
    let both_contiguous = a.col_stride == 1 && b.row_stride == 1;
    let few_dots = if depth >= LONG { FEW_DOTS } else { FEW };
    let plain = factors.alpha == 1.0 && factors.beta == 0.0;
    if depth > 0 && both_contiguous && (rows <= FEW || columns <= few_dots) {
        few::dot_products(isa, threads, factors, a, b, c);
    } else if plain && both_contiguous && swapped::suits(rows, columns, depth) {
        let left = || swapped::Rows(b.transposed());
        swapped::run_swapped(isa, threads, a, left, factors.bias, &c.into_shared());
    } else if depth > 0 && rows <= FEW && b.col_stride == 1 {
        few::sums_of_rows(isa, threads, factors, a, b, c);
    } else {
        let row_stride = c.row_stride;
        let batch = Batch { count: 1, rows, columns, depth, row_stride };
        let Factors { alpha, beta, bias } = factors;
        let tail = Tail::bias(bias);
        let product = |_| Product { left: a, right: b, alpha, beta, tail, start: 0 };
        // SAFETY: there is one product, and `MatMut` has checked that rows do not overlap.
        #[allow(unsafe_code)]
        unsafe {
            run(isa, threads, &batch, c.data, product);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
