//! Codes to floats, one thread: the kernel on each instruction set, beside a plain loop and a copy of as many
//! floats.

use caffe2_kernels::dequant::{CodeMap, dequantize_on};
use caffe2_kernels::{Isa, Threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn dequant(criterion: &mut Criterion) {
    let map = CodeMap::from_range(-3.0, 3.0);
    let mut group = criterion.benchmark_group("dequant");
    for size in [4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20] {
        group.throughput(Throughput::Elements(size as u64));
        group.sample_size(if size > 1 << 20 { 10 } else { 50 });
        let codes: Vec<u8> = (0..size).map(|i| (i * 7 % 256) as u8).collect();
        let floats = vec![1.0f32; size];
        let mut out = vec![0.0f32; size];
        group.bench_function(BenchmarkId::new("plain loop", size), |b| {
            b.iter(|| plain_loop(&codes, -3.0, 3.0, &mut out));
        });
        group.bench_function(BenchmarkId::new("copy of floats", size), |b| {
            b.iter(|| out.copy_from_slice(std::hint::black_box(&floats)));
        });
        for isa in Isa::available() {
            group.bench_function(BenchmarkId::new(isa.name(), size), |b| {
                b.iter(|| dequantize_on(isa, &Threads::single(), &codes, map, &mut out));
            });
        }
    }
    group.finish();
}

/// What the compiler makes of the formula for any processor.
#[inline(never)]
fn plain_loop(codes: &[u8], min: f32, max: f32, out: &mut [f32]) {
    let scale = (max - min) / 255.0;
    for (y, q) in out.iter_mut().zip(codes) {
        *y = f32::from(*q) * scale + min;
    }
}

criterion_group!(benches, dequant);
criterion_main!(benches);
