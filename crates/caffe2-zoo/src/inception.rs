//! Inception v2 (Ioffe and Szegedy 2015), as Caffe2's model zoo has it: converted from Caffe, with scale and shift of
//! batch normalisation as `Mul` and `Add` of their own and the overhang of pools as padding on one side.

use crate::INPUT;
use crate::builder::{Builder, window};

/// Channels of a module: 1×1; 3×3 and before it; double 3×3 and before it; after the pooling.
///
/// Without 1×1 the module halves the sides, and its pooling is passed through.
type Module = (&'static str, usize, (usize, usize), (usize, usize), usize);

const MODULES: [Module; 10] = [
    ("inception_3a", 64, (64, 64), (64, 96), 32),
    ("inception_3b", 64, (64, 96), (64, 96), 64),
    ("inception_3c", 0, (128, 160), (64, 96), 0),
    ("inception_4a", 224, (64, 96), (96, 128), 128),
    ("inception_4b", 192, (96, 128), (96, 128), 128),
    ("inception_4c", 160, (128, 160), (128, 160), 128),
    ("inception_4d", 96, (128, 192), (160, 192), 128),
    ("inception_4e", 0, (128, 192), (192, 256), 0),
    ("inception_5a", 352, (192, 320), (160, 224), 128),
    ("inception_5b", 352, (192, 320), (192, 224), 128),
];

pub(crate) fn inception_v2(b: &mut Builder) -> String {
    let x = b.conv_bn_scale("conv1/7x7_s2", INPUT, (3, 64), window(7).stride(2).pad(3));
    let x = b.max_pool_overhang("pool1/3x3_s2", &x, window(3).stride(2));
    let x = b.conv_bn_scale("conv2/3x3_reduce", &x, (64, 64), window(1));
    let x = b.conv_bn_scale("conv2/3x3", &x, (64, 192), window(3).pad(1));
    let mut x = b.max_pool_overhang("pool2/3x3_s2", &x, window(3).stride(2));
    let mut from = 192;
    for shape in MODULES {
        (x, from) = module(b, &x, from, shape);
    }
    let x = b.average_pool("pool5/7x7_s1", &x, window(7));
    let x = b.fc("loss3/classifier", &x, from, 1000);
    b.softmax(&x)
}

/// Returns the output and its channels.
fn module(b: &mut Builder, x: &str, from: usize, shape: Module) -> (String, usize) {
    let (name, ones, threes, doubles, pooled) = shape;
    let halves = ones == 0;
    let last = window(3).pad(1).stride(if halves { 2 } else { 1 });
    let mut parts = Vec::new();
    if !halves {
        parts.push(b.conv_bn_scale(&format!("{name}/1x1"), x, (from, ones), window(1)));
    }
    let y = b.conv_bn_scale(&format!("{name}/3x3_reduce"), x, (from, threes.0), window(1));
    parts.push(b.conv_bn_scale(&format!("{name}/3x3"), &y, threes, last));
    let y = b.conv_bn_scale(&format!("{name}/double3x3_reduce"), x, (from, doubles.0), window(1));
    let y = b.conv_bn_scale(&format!("{name}/double3x3a"), &y, doubles, window(3).pad(1));
    parts.push(b.conv_bn_scale(&format!("{name}/double3x3b"), &y, (doubles.1, doubles.1), last));
    let pool = format!("{name}/pool");
    if halves {
        parts.push(b.max_pool_overhang(&pool, x, window(3).stride(2)));
    } else {
        let around = window(3).pad(1);
        let max = name == "inception_5b";
        let y = if max { b.max_pool(&pool, x, around) } else { b.average_pool(&pool, x, around) };
        parts.push(b.conv_bn_scale(&format!("{name}/pool_proj"), &y, (from, pooled), window(1)));
    }
    let channels = ones + threes.1 + doubles.1 + if halves { from } else { pooled };
    (b.concat(&format!("{name}/output"), &parts), channels)
}
