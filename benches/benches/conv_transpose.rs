//! Transposed convolutions of one image, one thread, in both orders, beside the definition as a plain loop.

use caffe2_kernels::Threads;
use caffe2_kernels::conv_transpose::{
    ConvTransposeGeometry, TransposedAxis, TransposedWindow, conv_transpose,
};
use caffe2_kernels::geometry::Order;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A layer that enlarges a square image.
struct Layer {
    name: &'static str,
    channels: usize,
    filters: usize,
    groups: usize,
    size: usize,
    window: TransposedWindow,
}

const DOUBLE: TransposedWindow = TransposedWindow { kernel: 4, stride: 2, head: 1, tail: 1, adj: 0 };

/// Layers as published nets have them.
const LAYERS: [Layer; 6] = [
    Layer {
        name: "generator, first",
        channels: 100,
        filters: 512,
        groups: 1,
        size: 1,
        window: TransposedWindow { kernel: 4, stride: 1, head: 0, tail: 0, adj: 0 },
    },
    Layer { name: "generator, second", channels: 512, filters: 256, groups: 1, size: 4, window: DOUBLE },
    Layer { name: "generator, fourth", channels: 128, filters: 64, groups: 1, size: 16, window: DOUBLE },
    Layer { name: "generator, last", channels: 64, filters: 3, groups: 1, size: 32, window: DOUBLE },
    Layer {
        name: "segmentation, twice as fine",
        channels: 64,
        filters: 32,
        groups: 1,
        size: 64,
        window: TransposedWindow { kernel: 2, stride: 2, head: 0, tail: 0, adj: 0 },
    },
    Layer { name: "bilinear, by channel", channels: 64, filters: 64, groups: 64, size: 32, window: DOUBLE },
];

fn layers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv_transpose");
    group.sample_size(20);
    for Layer { name, channels, filters, groups, size, window } in LAYERS {
        let axis = TransposedAxis::new(size, window).expect("a layer of a published net");
        for order in [Order::Nchw, Order::Nhwc] {
            let geometry = ConvTransposeGeometry::new(order, 1, channels, filters, groups, [axis, axis])
                .expect("a layer of a published net");
            let values = |len: usize| (0..len).map(|i| (i * 7 % 256) as f32 / 256.0).collect::<Vec<_>>();
            let (x, w) = (values(geometry.input_len()), values(geometry.filter_len()));
            let mut y = vec![0.0f32; geometry.output_len()];
            group.throughput(Throughput::Elements(geometry.multiplications() as u64));
            group.bench_function(BenchmarkId::new(format!("{order:?}"), name), |b| {
                b.iter(|| conv_transpose(&Threads::single(), &geometry, &x, &w, None, &mut y));
            });
            if order == Order::Nchw {
                group.bench_function(BenchmarkId::new("plain loop", name), |b| {
                    b.iter(|| {
                        plain_loop(axis, window.head as usize, [channels, filters, groups], &x, &w, &mut y)
                    });
                });
            }
        }
    }
    group.finish();
}

/// The definition, in NCHW order.
fn plain_loop(
    axis: TransposedAxis,
    head: usize,
    [channels, filters, groups]: [usize; 3],
    x: &[f32],
    w: &[f32],
    y: &mut [f32],
) {
    let (size, output, kernel) = (axis.input(), axis.output(), axis.kernel());
    let (per_group, outputs) = (channels / groups, filters / groups);
    y.fill(0.0);
    for c in 0..channels {
        for (m, p) in (0..outputs).flat_map(|m| (0..size * size).map(move |p| (m, p))) {
            let value = x[c * size * size + p];
            let filter = &w[(c * outputs + m) * kernel * kernel..][..kernel * kernel];
            let plane = &mut y[(c / per_group * outputs + m) * output * output..][..output * output];
            for (k, &weight) in filter.iter().enumerate() {
                let row = (p / size * axis.stride() + k / kernel).wrapping_sub(head);
                let column = (p % size * axis.stride() + k % kernel).wrapping_sub(head);
                if row < output && column < output {
                    plane[row * output + column] += value * weight;
                }
            }
        }
    }
}

criterion_group!(benches, layers);
criterion_main!(benches);
