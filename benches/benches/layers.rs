//! Layers of published nets, one thread: convolution in all its ways, pooling, and what is done element by element, each
//! beside the definition as a plain loop.

use caffe2_kernels::Threads;
use caffe2_kernels::conv::{Algorithm, ConvGeometry, ConvTail, Filter, FilterForm, conv_fused};
use caffe2_kernels::elementwise::{InOut, relu, sum};
use caffe2_kernels::gemm::Activation;
use caffe2_kernels::geometry::{Axis, Order, PadRule, Window};
use caffe2_kernels::pool::{PoolGeometry, Pooling, pool};
use caffe2_kernels::softmax::softmax;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A convolution of a square image, NCHW.
struct Layer {
    name: &'static str,
    channels: usize,
    filters: usize,
    groups: usize,
    size: usize,
    kernel: i64,
    stride: i64,
}

const fn layer(name: &'static str, channels: (usize, usize), size: usize, window: (i64, i64)) -> Layer {
    let (kernel, stride) = window;
    Layer { name, channels: channels.0, filters: channels.1, groups: 1, size, kernel, stride }
}

const fn depthwise(name: &'static str, channels: usize, size: usize, stride: i64) -> Layer {
    Layer { groups: channels, ..layer(name, (channels, channels), size, (3, stride)) }
}

const LAYERS: [Layer; 11] = [
    layer("first, ResNet-50", (3, 64), 224, (7, 2)),
    layer("first, VGG-19", (3, 64), 224, (3, 1)),
    layer("1x1, large image", (64, 256), 56, (1, 1)),
    layer("1x1, small image", (1024, 256), 14, (1, 1)),
    layer("1x1, few channels", (16, 96), 112, (1, 1)),
    layer("3x3, large image", (64, 64), 56, (3, 1)),
    layer("3x3, small image", (256, 256), 14, (3, 1)),
    layer("3x3, few filters", (128, 32), 28, (3, 1)),
    depthwise("depthwise, large image", 144, 56, 1),
    depthwise("depthwise, stride 2", 96, 112, 2),
    depthwise("depthwise, small image", 960, 7, 1),
];

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919) % 2003) as f32 * 0.001 - 1.0).collect()
}

/// A window along an axis with half of the kernel as padding on either side.
fn axis(size: usize, kernel: i64, stride: i64) -> Axis {
    let window = Window { kernel, stride, dilation: 1, head: kernel / 2, tail: kernel / 2 };
    Axis::new(size, window, PadRule::Explicit).expect("a window of a published net")
}

fn convolution(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv");
    group.sample_size(10);
    let threads = Threads::single();
    for Layer { name, channels, filters, groups, size, kernel, stride } in LAYERS {
        let axis = axis(size, kernel, stride);
        let geometry = ConvGeometry::new(Order::Nchw, 1, channels, filters, groups, &[axis, axis])
            .expect("a layer of a published net");
        let (input, filter, bias) =
            (values(geometry.input_len()), values(geometry.filter_len()), values(filters));
        let mut output = vec![0.0; geometry.output_len()];
        let tail = ConvTail { bias: Some(&bias), activation: Activation::Relu, ..ConvTail::default() };
        group.throughput(Throughput::Elements(geometry.multiplications() as u64));
        let mut run = |what: &str, filter: Filter<'_>| {
            group.bench_function(BenchmarkId::new(what, name), |b| {
                b.iter(|| {
                    conv_fused(&threads, &geometry, &input, filter, &tail, &mut output).expect("sizes fit")
                });
            });
        };
        run("direct", Filter::Plain(&filter));
        for algorithm in [Algorithm::Direct, Algorithm::Winograd] {
            let Some(form) = FilterForm::new(&geometry, algorithm) else { continue };
            if form.is_another_algorithm() != (algorithm == Algorithm::Winograd) {
                continue;
            }
            let mut packed = vec![0.0; form.len()];
            form.pack(&threads, &geometry, &filter, &mut packed).expect("sizes fit");
            let what = if form.is_another_algorithm() { "Winograd" } else { "packed" };
            run(what, Filter::Packed(form, &packed));
        }
        group.bench_function(BenchmarkId::new("plain loop", name), |b| {
            b.iter(|| plain_convolution(&geometry, &axis, &input, &filter, &bias, &mut output));
        });
    }
    group.finish();
}

/// The definition: every output with all that it sees.
fn plain_convolution(
    g: &ConvGeometry,
    axis: &Axis,
    input: &[f32],
    filter: &[f32],
    bias: &[f32],
    output: &mut [f32],
) {
    let (size, out, kernel) = (axis.input(), axis.output(), axis.kernel());
    let (channels, filters) = (g.channels() / g.groups(), g.filters() / g.groups());
    for (m, plane) in output.chunks_exact_mut(out * out).enumerate() {
        for (position, y) in plane.iter_mut().enumerate() {
            *y = bias[m];
            for c in 0..channels {
                let plane = &input[(m / filters * channels + c) * size * size..][..size * size];
                let taps = &filter[(m * channels + c) * kernel * kernel..][..kernel * kernel];
                for (tap, w) in taps.iter().enumerate() {
                    let row = axis.element(position / out, tap / kernel);
                    let column = axis.element(position % out, tap % kernel);
                    if let (Some(row), Some(column)) = (row, column) {
                        *y += plane[row * size + column] * w;
                    }
                }
            }
            *y = y.max(0.0);
        }
    }
}

fn pooling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool");
    group.sample_size(20);
    let average = Pooling::Average { include_pad: false };
    for (name, pooling, channels, size, kernel, stride) in [
        ("maximum 3x3, stride 2", Pooling::Max, 64, 112, 3, 2),
        ("maximum 3x3, stride 1", Pooling::Max, 256, 28, 3, 1),
        ("mean 3x3, stride 1", average, 256, 28, 3, 1),
    ] {
        let axis = axis(size, kernel, stride);
        let geometry = PoolGeometry::new(Order::Nchw, 1, channels, &[axis, axis]).expect("sizes fit");
        let (input, mut output) = (values(geometry.input_len()), vec![0.0; geometry.output_len()]);
        group.throughput(Throughput::Bytes(4 * (input.len() + output.len()) as u64));
        group.bench_function(BenchmarkId::new("ours", name), |b| {
            b.iter(|| pool(&Threads::single(), &geometry, pooling, &input, &mut output).expect("sizes fit"));
        });
        group.bench_function(BenchmarkId::new("plain loop", name), |b| {
            b.iter(|| plain_pooling(&axis, pooling, &input, &mut output));
        });
    }
    group.finish();
}

fn plain_pooling(axis: &Axis, pooling: Pooling, input: &[f32], output: &mut [f32]) {
    let (size, out, kernel) = (axis.input(), axis.output(), axis.kernel());
    for (plane, output) in input.chunks_exact(size * size).zip(output.chunks_exact_mut(out * out)) {
        for (position, y) in output.iter_mut().enumerate() {
            let (mut largest, mut sum, mut count) = (f32::NEG_INFINITY, 0.0, 0);
            for tap in 0..kernel * kernel {
                let row = axis.element(position / out, tap / kernel);
                let column = axis.element(position % out, tap % kernel);
                if let (Some(row), Some(column)) = (row, column) {
                    let x = plane[row * size + column];
                    (largest, sum, count) = (largest.max(x), sum + x, count + 1);
                }
            }
            *y = if pooling == Pooling::Max { largest } else { sum / count as f32 };
        }
    }
}

fn element_by_element(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("element-wise");
    const COUNT: usize = 1 << 20;
    let (one, a, b, mut y) = (Threads::single(), values(COUNT), values(COUNT), vec![0.0; COUNT]);
    group.throughput(Throughput::Bytes(8 * COUNT as u64));
    group.bench_function("Relu", |bench| bench.iter(|| relu(&one, InOut::Apart(&a, &mut y))));
    group.bench_function("Relu, plain loop", |bench| {
        bench.iter(|| y.iter_mut().zip(&a).for_each(|(y, x)| *y = x.max(0.0)));
    });
    y.copy_from_slice(&a);
    group.bench_function("Relu in place", |bench| bench.iter(|| relu(&one, InOut::InPlace(&mut y))));
    group.throughput(Throughput::Bytes(12 * COUNT as u64));
    group.bench_function("Sum", |bench| {
        bench.iter(|| sum(&one, InOut::Apart(&a, &mut y), &[&b]).expect("sizes fit"));
    });
    group.bench_function("Sum, plain loop", |bench| {
        bench.iter(|| y.iter_mut().zip(a.iter().zip(&b)).for_each(|(y, (a, b))| *y = a + b));
    });
    group.throughput(Throughput::Bytes(8 * COUNT as u64));
    group.bench_function("Softmax", |bench| bench.iter(|| softmax(&one, &a, 1024, &mut y)));
    group.bench_function("Softmax, plain loop", |bench| bench.iter(|| plain_softmax(&a, &mut y)));
    group.finish();
}

fn plain_softmax(input: &[f32], output: &mut [f32]) {
    for (x, y) in input.chunks_exact(1024).zip(output.chunks_exact_mut(1024)) {
        let largest = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - largest).exp());
        let sum: f32 = y.iter().sum();
        y.iter_mut().for_each(|y| *y /= sum);
    }
}

criterion_group!(benches, convolution, pooling, element_by_element);
criterion_main!(benches);
