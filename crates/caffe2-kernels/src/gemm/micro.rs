//! The innermost tiles of a product: the micro-kernels of the `gemm-f32` crate for the vector instruction
//! sets, and a plain one for the rest.
//!
//! A tile is `rows` x `width` elements of the product, rows of which are contiguous. Its right operand comes
//! as a panel `[k][width]`, its left operand as it lies in memory.
#![allow(unsafe_code)]

use crate::Isa;

/// Signature of the micro-kernels of `gemm-f32`, which call the contiguous dimension `m`.
type LibraryTile = unsafe fn(
    m: usize,
    n: usize,
    k: usize,
    dst: *mut f32,
    lhs: *const f32,
    rhs: *const f32,
    dst_cs: isize,
    dst_rs: isize,
    lhs_cs: isize,
    rhs_rs: isize,
    rhs_cs: isize,
    alpha: f32,
    beta: f32,
    alpha_status: u8,
    conj_dst: bool,
    conj_lhs: bool,
    conj_rhs: bool,
    next_lhs: *const f32,
);

/// The tile shapes and kernels of one instruction set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Micro {
    isa: Isa,
    /// Floats per vector: widths of tiles are multiples of it.
    pub(super) lanes: usize,
    /// Largest width of a tile.
    pub(super) width: usize,
    /// Largest number of rows of a tile.
    pub(super) rows: usize,
}

/// The largest width and number of rows over all instruction sets.
pub(super) const MAX_WIDTH: usize = 64;
pub(super) const MAX_ROWS: usize = 6;

/// A left operand within memory: element (r, k) stands at `ptr + r * row_stride + k * col_stride`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub(super) ptr: *const f32,
    pub(super) row_stride: isize,
    pub(super) col_stride: isize,
}

/// What becomes of the old content of a tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Old {
    /// It is not read.
    Overwrite,
    /// The product is added to it.
    Add,
    /// It is multiplied by this first.
    Scale(f32),
}

impl Micro {
    pub(super) fn new(isa: Isa) -> Micro {
        match isa.min(Isa::detected()) {
            Isa::Portable => Micro { isa: Isa::Portable, lanes: 8, width: 8, rows: 4 },
            Isa::Avx2 => Micro { isa: Isa::Avx2, lanes: 8, width: 16, rows: 6 },
            Isa::Avx512 => Micro { isa: Isa::Avx512, lanes: 16, width: 64, rows: 6 },
        }
    }

    pub(super) fn isa(&self) -> Isa {
        self.isa
    }

    /// `c = old + alpha * a * panel` for a tile of `rows` x `width` elements and `k` summands.
    ///
    /// # Safety
    ///
    /// `1 <= rows <= self.rows`; `width` is a multiple of `self.lanes`, at least that and at most
    /// `self.width`. Readable: elements (r, p) of `a` for r < `rows`, p < `k`; `width` floats at
    /// `panel + p * panel_stride` for p < `k`. Writable and not otherwise accessed: `width` floats at
    /// `c + r * c_stride` for r < `rows`, initialised unless `old` is `Overwrite`.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub(super) unsafe fn tile(
        &self,
        (rows, width, k): (usize, usize, usize),
        alpha: f32,
        a: Left,
        (panel, panel_stride): (*const f32, usize),
        old: Old,
        (c, c_stride): (*mut f32, usize),
    ) {
        debug_assert!((1..=self.rows).contains(&rows));
        debug_assert!(width.is_multiple_of(self.lanes) && (1..=self.width).contains(&width));
        let kernel: LibraryTile = match self.isa {
            Isa::Portable => {
                // SAFETY: the caller's promise; `width` can only be 8.
                return unsafe {
                    portable_tile((rows, k), alpha, a, (panel, panel_stride), old, (c, c_stride))
                };
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => gemm_f32::microkernel::fma::f32::UKR[width / 8 - 1][rows - 1],
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => gemm_f32::microkernel::avx512f::f32::UKR[width / 16 - 1][rows - 1],
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no such instruction set on this target"),
        };
        let (scale, status) = match old {
            Old::Overwrite => (0.0, 0),
            Old::Add => (1.0, 1),
            Old::Scale(scale) => (scale, 2),
        };
        // SAFETY: `new` has chosen a set that the processor has. The kernel of exactly this shape reads and
        // writes what the caller has promised; it ignores the conjugations and the address to prefetch.
        unsafe {
            kernel(
                width,
                rows,
                k,
                c,
                panel,
                a.ptr,
                c_stride as isize,
                1,
                panel_stride as isize,
                a.col_stride,
                a.row_stride,
                scale,
                alpha,
                status,
                false,
                false,
                false,
                panel,
            );
        }
    }
}

/// [`Micro::tile`] of width 8 in plain Rust.
///
/// # Safety
///
/// As for [`Micro::tile`], with up to 4 rows.
unsafe fn portable_tile(
    (rows, k): (usize, usize),
    alpha: f32,
    a: Left,
    (panel, panel_stride): (*const f32, usize),
    old: Old,
    (c, c_stride): (*mut f32, usize),
) {
    const WIDTH: usize = 8;
    let mut sums = [[0.0f32; WIDTH]; 4];
    for p in 0..k {
        // SAFETY: the panel has `k` rows of at least 8 floats.
        let b = unsafe { panel.add(p * panel_stride).cast::<[f32; WIDTH]>().read() };
        for (r, sum) in sums.iter_mut().enumerate() {
            // Rows beyond the last compute it once more, which keeps the loop's length fixed.
            let r = r.min(rows - 1) as isize;
            // SAFETY: r < rows and p < k.
            let x = unsafe { *a.ptr.offset(r * a.row_stride + p as isize * a.col_stride) };
            for (sum, b) in sum.iter_mut().zip(b) {
                *sum += x * b;
            }
        }
    }
    for (r, sum) in sums.iter().take(rows).enumerate() {
        // SAFETY: rows of `c` have 8 floats, initialised where they are read below.
        let row = unsafe { std::slice::from_raw_parts_mut(c.add(r * c_stride), WIDTH) };
        for (y, sum) in row.iter_mut().zip(sum) {
            *y = match old {
                Old::Overwrite => alpha * sum,
                Old::Add => *y + alpha * sum,
                Old::Scale(scale) => scale * *y + alpha * sum,
            };
        }
    }
}
