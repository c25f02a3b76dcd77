//! Products with weights that stay bytes, one thread, beside those with floats.

use caffe2_kernels::byte_rows::{ByteMatrix, ByteRows, matmul, matmul_transposed};
use caffe2_kernels::dequant::CodeMap;
use caffe2_kernels::gemm::{self, Bias, MatMut, MatRef};
use caffe2_kernels::{Isa, Threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn products(criterion: &mut Criterion) {
    let threads = Threads::single();
    let mut group = criterion.benchmark_group("byte_products");
    group.sample_size(10);
    for (rows, width) in [(1024, 1024), (1000, 4096), (4096, 25_088)] {
        let q: Vec<u8> =
            (0..rows * width).map(|i: usize| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let weights = ByteMatrix::new(&q, rows, width, CodeMap::from_range(-0.02, 0.03)).expect("a matrix");
        let mut floats = vec![0.0; q.len()];
        floats.chunks_exact_mut(width).enumerate().for_each(|(row, values)| weights.expand(row, 0, values));
        let right = MatRef::new(&floats, rows, width).expect("a matrix");
        group.throughput(Throughput::Bytes(q.len() as u64));
        for m in [1, 2, 4, 8, 16, 32] {
            let (x, mut y) = (vec![0.5; m * width.max(rows)], vec![0.0; m * width.max(rows)]);
            let by_rows = MatRef::new(&x[..m * width], m, width).expect("a matrix");
            let by_columns = MatRef::new(&x[..m * rows], m, rows).expect("a matrix");
            let size = format!("{m}x{width} by {rows}x{width}");
            group.bench_function(BenchmarkId::new("floats", &size), |b| {
                b.iter(|| {
                    let y = MatMut::new(&mut y[..m * rows], m, rows).expect("a matrix");
                    gemm::matmul(&threads, by_rows, right.transposed(), Bias::None, y)
                });
            });
            for isa in Isa::available() {
                group.bench_function(BenchmarkId::new(isa.name(), &size), |b| {
                    b.iter(|| {
                        let y = MatMut::new(&mut y[..m * rows], m, rows).expect("a matrix");
                        isa.scope(|| matmul_transposed(&threads, by_rows, &weights, Bias::None, y))
                    });
                });
                group.bench_function(BenchmarkId::new(format!("{} columns", isa.name()), &size), |b| {
                    b.iter(|| {
                        let y = MatMut::new(&mut y[..m * width], m, width).expect("a matrix");
                        isa.scope(|| matmul(&threads, by_columns, &weights, Bias::None, y))
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
