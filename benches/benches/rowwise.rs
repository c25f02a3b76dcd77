//! Rows of codes to floats, one thread: the kernel of each format on each instruction set.

use caffe2_kernels::rowwise::{Fused8, FusedBits, FusedRows, RowFormat, dequantize_rows};
use caffe2_kernels::{Isa, Threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Values in a row.
const WIDTH: usize = 256;

fn rowwise(criterion: &mut Criterion) {
    format::<Fused8>(criterion, "8 bits");
    format::<FusedBits<4>>(criterion, "4 bits");
    format::<FusedBits<2>>(criterion, "2 bits");
}

fn format<F: RowFormat>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(format!("rows of {name}"));
    for size in [4 << 10, 64 << 10, 1 << 20, 16 << 20] {
        group.throughput(Throughput::Elements(size as u64));
        group.sample_size(if size > 1 << 20 { 10 } else { 50 });
        let row_bytes = F::row_bytes(WIDTH).expect("whole bytes");
        let stored: Vec<u8> = (0..size / WIDTH * row_bytes).map(|i| (i * 7 % 120) as u8).collect();
        let rows = FusedRows::<F>::new(&stored, row_bytes).expect("whole rows");
        let mut out = vec![0.0f32; size];
        for isa in Isa::available() {
            group.bench_function(BenchmarkId::new(isa.name(), size), |b| {
                b.iter(|| isa.scope(|| dequantize_rows(&Threads::single(), &rows, &mut out)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, rowwise);
criterion_main!(benches);
