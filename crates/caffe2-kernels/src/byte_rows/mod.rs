//! Products with matrices whose elements are kept as bytes: weights that are never expanded as a whole.
//!
//! Each row has a byte for each element and a rule that gives the bytes their values. Two ways lead to a product:
//!
//! - **Few rows of the other operand.** Such a product is bound by reading the weights, of which the bytes are a
//!   quarter. With weights `scale * (q - z) + rest`, where z is the byte whose value is nearest to zero,
//!
//!   ```text
//!   y = scale * (x · (q - z)) + rest * sum(x)
//!   ```
//!
//!   so the loop multiplies by bytes and knows nothing of scales. Summands are floats; nothing else is rounded. The
//!   result differs from that of the expanded weights by the rounding of sums.
//! - **All others.** Pieces of the weights are expanded into the panels of a matrix product, which stay in a cache
//!   while they are used. The result has the bits of the product with the expanded weights.
//!
//! The first way needs a range that is not much smaller than its distance from zero, finite elements of `x`, and none of
//! them so large or small that it matters; elements for which it does not hold are computed from expanded weights.

mod dots;
mod fused;
mod line;
mod operand;
mod sums;
#[cfg(test)]
mod tests;

pub use line::CodeLine;
pub(crate) use operand::{LeftBytes, RightBytes};

use crate::dequant::CodeMap;
use crate::error::{check_len, check_same, product};
use crate::gemm::{Batch, Bias, MatMut, MatRef, Product, Tail, run, swapped};
use crate::{Isa, KernelError, Threads};

/// A matrix with a byte for each element and a rule for each row.
pub trait ByteRows: Sync {
    /// The number of rows.
    fn rows(&self) -> usize;

    /// The number of elements of a row.
    fn width(&self) -> usize;

    /// Bytes, and how far apart rows begin: those of row `r` are the [`width`](ByteRows::width) bytes from `r` times
    /// that on.
    fn bytes(&self) -> (&[u8], usize);

    /// The line that the values of a row lie on.
    fn line(&self, row: usize) -> CodeLine;

    /// Writes the values of row `row` from element `start` on to `out`, with the roundings of the operator that
    /// expands such rows.
    ///
    /// # Panics
    ///
    /// If the row does not have these elements.
    fn expand(&self, row: usize, start: usize, out: &mut [f32]);
}

/// A matrix of bytes with one rule for all of them: the weights of `ByteWeightDequant`.
#[derive(Debug, Clone, Copy)]
pub struct ByteMatrix<'a> {
    bytes: &'a [u8],
    rows: usize,
    width: usize,
    map: CodeMap,
}

impl<'a> ByteMatrix<'a> {
    /// The matrix whose rows are `bytes`, cut into pieces of `width`.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] unless there are `rows * width` bytes.
    pub fn new(bytes: &'a [u8], rows: usize, width: usize, map: CodeMap) -> Result<Self, KernelError> {
        check_len("matrix of bytes", product("matrix of bytes", &[rows, width])?, bytes.len())?;
        Ok(ByteMatrix { bytes, rows, width, map })
    }
}

impl ByteRows for ByteMatrix<'_> {
    #[inline(always)]
    fn rows(&self) -> usize {
        self.rows
    }

    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn bytes(&self) -> (&[u8], usize) {
        (self.bytes, self.width)
    }

    #[inline(always)]
    fn line(&self, _: usize) -> CodeLine {
        self.map.into()
    }

    #[inline(always)]
    fn expand(&self, row: usize, start: usize, out: &mut [f32]) {
        let bytes = &self.bytes[row * self.width..][..self.width][start..][..out.len()];
        match self.map {
            CodeMap::Affine(line) => fill(bytes, out, |q| q * line.scale + line.bias),
            CodeMap::Offset { first, line } => fill(bytes, out, |q| (q - first) * line.scale + line.bias),
            CodeMap::ZeroPoint { zero_point, scale } => {
                fill(bytes, out, |q| (q as i32).wrapping_sub(zero_point) as f32 * scale);
            }
            CodeMap::Centred { sum, scale } => fill(bytes, out, |q| (2.0 * q - sum) * scale),
        }
    }
}

#[inline(always)]
fn fill(bytes: &[u8], out: &mut [f32], value: impl Fn(f32) -> f32) {
    for (y, &q) in out.iter_mut().zip(bytes) {
        *y = value(f32::from(q));
    }
}

/// `c = a * transpose(weights) + bias`: weights \[N, K\], as a fully connected layer has them.
///
/// ```
/// use caffe2_kernels::Threads;
/// use caffe2_kernels::byte_rows::{ByteMatrix, matmul_transposed};
/// use caffe2_kernels::dequant::CodeMap;
/// use caffe2_kernels::gemm::{Bias, MatMut, MatRef};
///
/// // Two rows of weights, from -1 to 1.55 in steps of 0.01.
/// let weights = ByteMatrix::new(&[0, 100, 150, 100, 200, 250], 2, 3, CodeMap::from_range(-1.0, 1.55))?;
/// let (x, mut y) = ([1.0, 2.0, 4.0], [0.0; 2]);
/// let (a, c) = (MatRef::new(&x, 1, 3)?, MatMut::new(&mut y, 1, 2)?);
/// matmul_transposed(&Threads::single(), a, &weights, Bias::None, c)?;
/// assert!((y[0] - 1.0).abs() < 1e-6 && (y[1] - 8.0).abs() < 1e-5);
/// # Ok::<(), caffe2_kernels::KernelError>(())
/// ```
///
/// # Errors
///
/// [`KernelError::Mismatch`] if the sizes of the matrices do not fit together, [`KernelError::Length`] if those of the
/// bias do not.
pub fn matmul_transposed<B: ByteRows>(
    threads: &Threads,
    a: MatRef<'_>,
    weights: &B,
    bias: Bias<'_>,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    matmul_on::<B, true>(Isa::current(), threads, a, weights, bias, c)
}

/// `c = a * weights + bias`: weights \[K, N\], as a fully connected layer with transposed weights has them.
///
/// # Errors
///
/// As [`matmul_transposed`].
pub fn matmul<B: ByteRows>(
    threads: &Threads,
    a: MatRef<'_>,
    weights: &B,
    bias: Bias<'_>,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    matmul_on::<B, false>(Isa::current(), threads, a, weights, bias, c)
}

fn matmul_on<B: ByteRows, const TRANSPOSED: bool>(
    isa: Isa,
    threads: &Threads,
    a: MatRef<'_>,
    weights: &B,
    bias: Bias<'_>,
    c: MatMut<'_>,
) -> Result<(), KernelError> {
    let (n, k) = match TRANSPOSED {
        true => (weights.rows(), weights.width()),
        false => (weights.width(), weights.rows()),
    };
    check_same("inner dimension of the product", a.cols(), k)?;
    check_same("rows of the product", a.rows(), c.rows())?;
    check_same("columns of the product", n, c.cols())?;
    bias.check(c.rows(), c.cols())?;
    let c = c.into_shared();
    let few = a.cols() > 0 && a.rows() <= FEW && a.is_row_major();
    let done = match few {
        true if TRANSPOSED => dots::dots(isa, threads, a, (weights, Codes::of(weights, n, k)), bias, &c),
        true => sums::sums(isa, threads, a, (weights, Codes::of(weights, k, n)), bias, &c),
        false => false,
    };
    if !done && TRANSPOSED && swapped::suits(a.rows(), n, k) {
        let left = || LeftBytes { weights, first: 0, rows: n };
        swapped::run_swapped(isa, threads, a, left, bias, &c);
    } else if !done {
        let batch = Batch { count: 1, rows: a.rows(), columns: n, depth: k, row_stride: c.row_stride() };
        let product = |_| {
            let right = RightBytes::<B, TRANSPOSED> { weights, first: 0 };
            Product { left: a, right, alpha: 1.0, beta: 0.0, tail: Tail::bias(bias), start: 0 }
        };
        // SAFETY: there is one product, and `MatMut` has checked that rows do not overlap.
        #[allow(unsafe_code)]
        unsafe {
            run(isa, threads, &batch, c.into_slice(), product);
        }
    }
    Ok(())
}

/// Rows of the other operand up to which a product is computed from the bytes.
const FEW: usize = 8;

/// The bytes of a matrix, all rows of which lie within them: asked of it once, since the loops over them have no checks.
#[derive(Debug, Clone, Copy)]
struct Codes<'a> {
    bytes: &'a [u8],
    /// How far apart rows begin.
    stride: usize,
    rows: usize,
    width: usize,
}

impl<'a> Codes<'a> {
    /// # Panics
    ///
    /// If there are other rows than those, or they do not lie within the bytes.
    fn of<B: ByteRows>(weights: &'a B, rows: usize, width: usize) -> Codes<'a> {
        assert_eq!((weights.rows(), weights.width()), (rows, width), "matrix of bytes");
        let (bytes, stride) = weights.bytes();
        let end = (rows.max(1) - 1).checked_mul(stride).and_then(|start| start.checked_add(width));
        assert!(rows == 0 || end.is_some_and(|end| end <= bytes.len()), "rows lie within the bytes");
        Codes { bytes, stride, rows, width }
    }
}

/// Of the largest elements of all rows that are not zero, the smallest and the largest; zeros when there are none. The
/// largest is infinite or NaN if any element is. By size, without signs.
fn sizes_of(isa: Isa, a: MatRef<'_>) -> (f32, f32) {
    let (mut least, mut most) = (u32::MAX, 0);
    for r in 0..a.rows() {
        let row = a.row(r);
        // Bits of floats without signs are ordered as the floats are, NaN last.
        let largest = isa.dispatch(
            #[inline(always)]
            move || row.iter().fold(0, |largest: u32, x| largest.max(x.to_bits() & 0x7fff_ffff)),
        );
        most = most.max(largest);
        least = if largest > 0 { least.min(largest) } else { least };
    }
    (f32::from_bits(least.min(most)), f32::from_bits(most))
}
