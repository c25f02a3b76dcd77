//! A kernel that runs a second time on a thread allocates nothing.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use caffe2_kernels::Threads;
use caffe2_kernels::byte_rows::{self, ByteMatrix};
use caffe2_kernels::conv::{ConvGeometry, ConvTail, conv, conv_bytes};
use caffe2_kernels::dequant::{CodeMap, dequantize};
use caffe2_kernels::elementwise::{BinaryIo, BinaryOp, Broadcast, InOut, binary, sigmoid, sum};
use caffe2_kernels::gemm::{Bias, MatMut, MatRef, matmul};
use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
use caffe2_kernels::pool::{PoolGeometry, Pooling, pool};
use caffe2_kernels::softmax::softmax;
use caffe2_kernels::transpose::transpose;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: hands everything on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work` twice and returns what the second run allocated.
fn second_run(mut work: impl FnMut()) -> usize {
    work();
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

const ONE: Threads = Threads::single();

#[test]
fn the_counter_counts() {
    assert_eq!(second_run(|| drop(std::hint::black_box(vec![1u8; 10]))), 1);
}

#[test]
fn elementwise_kernels() {
    let (x, codes) = (vec![0.5f32; 6000], vec![7u8; 6000]);
    let mut y = vec![0.0f32; 6000];
    assert_eq!(second_run(|| dequantize(&ONE, &codes, CodeMap::from_range(-1.0, 1.0), &mut y)), 0);
    assert_eq!(second_run(|| sigmoid(&ONE, InOut::Apart(&x, &mut y))), 0);
    assert_eq!(second_run(|| sum(&ONE, InOut::Apart(&x, &mut y), &[&x, &x]).unwrap()), 0);
    assert_eq!(second_run(|| softmax(&ONE, &x, 10, &mut y)), 0);
    let dims = [10, 20, 5, 6];
    assert_eq!(second_run(|| transpose(&ONE, &dims, &[0, 2, 3, 1], &x, &mut y).unwrap()), 0);
    let broadcasting = second_run(|| {
        let broadcast = Broadcast::new(&dims, &[20, 1, 1]).unwrap();
        let io = BinaryIo::Apart { a: &x, b: &x[..20], out: &mut y };
        binary(&ONE, BinaryOp::Mul, &broadcast, io).unwrap();
    });
    assert_eq!(broadcasting, 0);
}

#[test]
fn products() {
    for (m, n, k) in [(1, 300, 400), (5, 300, 400), (60, 70, 600), (200, 3, 20)] {
        let (a, b, mut c) = (vec![0.5; m * k], vec![0.5; k * n], vec![0.0; m * n]);
        for transposed in [false, true] {
            let count = second_run(|| {
                let a = MatRef::new(&a, m, k).unwrap();
                let b = if transposed { MatRef::new(&b, n, k) } else { MatRef::new(&b, k, n) };
                let b = b.unwrap().transposed_if(transposed);
                matmul(&ONE, a, b, Bias::None, MatMut::new(&mut c, m, n).unwrap()).unwrap();
            });
            assert_eq!(count, 0, "{m} {n} {k} {transposed}");
        }
        let q = vec![9; n * k];
        let map = CodeMap::from_range(-1.0, 1.0);
        let count = second_run(|| {
            let a = MatRef::new(&a, m, k).unwrap();
            let weights = ByteMatrix::new(&q, n, k, map).unwrap();
            let y = MatMut::new(&mut c, m, n).unwrap();
            byte_rows::matmul_transposed(&ONE, a, &weights, Bias::None, y).unwrap();
            let weights = ByteMatrix::new(&q, k, n, map).unwrap();
            byte_rows::matmul(&ONE, a, &weights, Bias::None, MatMut::new(&mut c, m, n).unwrap()).unwrap();
        });
        assert_eq!(count, 0, "{m} {n} {k} bytes");
    }
}

#[test]
fn windows() {
    let axis = |kernel, stride, pad| {
        let window = Window { kernel, stride, dilation: 1, head: pad, tail: pad };
        Axis::new(14, window, PadRule::Explicit).unwrap()
    };
    for order in [Order::Nchw, Order::Nhwc] {
        for (channels, filters, groups, kernel, stride, pad) in [
            (8, 16, 1, 1, 1, 0),
            (8, 16, 1, 3, 1, 1),
            (3, 16, 1, 7, 2, 3),
            (8, 8, 8, 3, 1, 1),
            (8, 8, 8, 5, 2, 2),
            (8, 16, 2, 3, 2, 1),
        ] {
            let axes = [axis(kernel, stride, pad); 2];
            let geometry = ConvGeometry::new(order, 2, channels, filters, groups, &axes).unwrap();
            let input = vec![0.5; geometry.input_len()];
            let filter = vec![0.5; geometry.filter_len()];
            let mut output = vec![0.0; geometry.output_len()];
            let count = second_run(|| conv(&ONE, &geometry, &input, &filter, None, &mut output).unwrap());
            assert_eq!(count, 0, "{geometry:?}");
            let q = vec![9; geometry.filter_len()];
            let depth = q.len() / filters;
            let count = second_run(|| {
                let q = ByteMatrix::new(&q, filters, depth, CodeMap::from_range(-1.0, 1.0)).unwrap();
                conv_bytes(&ONE, &geometry, &input, &q, &ConvTail::default(), &mut output).unwrap();
            });
            assert_eq!(count, 0, "{geometry:?} bytes");
        }
        let axes = [axis(3, 2, 1); 2];
        let geometry = PoolGeometry::new(order, 2, 8, &axes).unwrap();
        let input = vec![0.5; geometry.input_len()];
        let mut output = vec![0.0; geometry.output_len()];
        for kind in [Pooling::Max, Pooling::Average { include_pad: false }] {
            let count = second_run(|| pool(&ONE, &geometry, kind, &input, &mut output).unwrap());
            assert_eq!(count, 0, "{geometry:?}");
        }
    }
}
