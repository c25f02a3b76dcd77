//! GoogLeNet, or Inception v1 (Szegedy et al. 2014), as its Caffe version has it.

use crate::INPUT;
use crate::builder::{Builder, window};

/// Channels of an inception module: 1×1; 3×3 and before it; 5×5 and before it; after the pooling.
type Module = (&'static str, usize, (usize, usize), (usize, usize), usize);

const MODULES: [Module; 9] = [
    ("inception_3a", 64, (96, 128), (16, 32), 32),
    ("inception_3b", 128, (128, 192), (32, 96), 64),
    ("inception_4a", 192, (96, 208), (16, 48), 64),
    ("inception_4b", 160, (112, 224), (24, 64), 64),
    ("inception_4c", 128, (128, 256), (24, 64), 64),
    ("inception_4d", 112, (144, 288), (32, 64), 64),
    ("inception_4e", 256, (160, 320), (32, 128), 128),
    ("inception_5a", 256, (160, 320), (32, 128), 128),
    ("inception_5b", 384, (192, 384), (48, 128), 128),
];

pub(crate) fn googlenet(b: &mut Builder) -> String {
    let x = b.conv_relu("conv1_7x7_s2", INPUT, (3, 64), window(7).stride(2).pad(3));
    let x = b.max_pool_caffe("pool1_3x3_s2", &x, window(3).stride(2));
    let x = b.lrn("pool1_norm1", &x);
    let x = b.conv_relu("conv2_3x3_reduce", &x, (64, 64), window(1));
    let x = b.conv_relu("conv2_3x3", &x, (64, 192), window(3).pad(1));
    let x = b.lrn("conv2_norm2", &x);
    let mut x = b.max_pool_caffe("pool2_3x3_s2", &x, window(3).stride(2));
    let mut from = 192;
    for (name, ones, threes, fives, pooled) in MODULES {
        let a = b.conv_relu(&format!("{name}_1x1"), &x, (from, ones), window(1));
        let narrow = b.conv_relu(&format!("{name}_3x3_reduce"), &x, (from, threes.0), window(1));
        let c = b.conv_relu(&format!("{name}_3x3"), &narrow, threes, window(3).pad(1));
        let narrow = b.conv_relu(&format!("{name}_5x5_reduce"), &x, (from, fives.0), window(1));
        let d = b.conv_relu(&format!("{name}_5x5"), &narrow, fives, window(5).pad(2));
        let pool = b.max_pool_caffe(&format!("{name}_pool"), &x, window(3).pad(1));
        let e = b.conv_relu(&format!("{name}_pool_proj"), &pool, (from, pooled), window(1));
        x = b.concat(&format!("{name}_output"), &[a, c, d, e]);
        from = ones + threes.1 + fives.1 + pooled;
        if name == "inception_3b" || name == "inception_4e" {
            x = b.max_pool_caffe(&format!("{name}_pool_3x3_s2"), &x, window(3).stride(2));
        }
    }
    let x = b.average_pool("pool5_7x7_s1", &x, window(7));
    let x = b.dropout(&x);
    let x = b.fc("loss3_classifier", &x, 1024, 1000);
    b.softmax(&x)
}
