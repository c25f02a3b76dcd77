//! Products of float matrices.

mod matrix;

pub use matrix::{MatMut, MatRef};

use crate::error::check_same;
use crate::{KernelError, Threads};

/// `c = alpha * a * b + beta * c`. With `beta` 0 the old content of `c` is not read, NaN included.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::gemm::{MatMut, MatRef, gemm};
///
/// // X [2, 3] times the transpose of W [2, 3], as a fully connected layer has it.
/// let (x, w, mut y) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [0.0; 4]);
/// let (x, w) = (MatRef::new(&x, 2, 3)?, MatRef::new(&w, 2, 3)?.transposed());
/// gemm(&Threads::single(), 1.0, x, w, 0.0, MatMut::new(&mut y, 2, 2)?)?;
/// assert_eq!(y, [1.0, 6.0, 4.0, 15.0]);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Mismatch`] if the sizes of the matrices do not fit together.
#[allow(unsafe_code)]
pub fn gemm(
    threads: &Threads,
    alpha: f32,
    a: MatRef<'_>,
    b: MatRef<'_>,
    beta: f32,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    let _ = threads;
    check_same("inner dimension of the product", a.cols(), b.rows())?;
    check_same("rows of the product", a.rows(), c.rows())?;
    check_same("columns of the product", b.cols(), c.cols())?;
    let (m, n, k) = (a.rows(), b.cols(), a.cols());
    let (a, b) = (a.raw(), b.raw());
    let c = c.raw();
    // SAFETY: the three constructors have checked that every element lies within its slice, `c` is
    // borrowed exclusively and its rows do not overlap.
    unsafe {
        ::gemm::gemm(
            m,
            n,
            k,
            c.0,
            1,
            c.1,
            beta != 0.0,
            a.0,
            a.2,
            a.1,
            b.0,
            b.2,
            b.1,
            beta,
            alpha,
            false,
            false,
            false,
            ::gemm::Parallelism::None,
        );
    }
    Ok(())
}
