//! DenseNet-121 (Huang et al. 2017).

use crate::INPUT;
use crate::builder::{Builder, window};

const GROWTH: usize = 32;

pub(crate) fn densenet121(b: &mut Builder) -> String {
    let x = b.conv_bn("conv1", INPUT, (3, 64), window(7).stride(2).pad(3), 1.0);
    let x = b.relu(&x);
    let mut x = b.max_pool("pool1", &x, window(3).stride(2).pad(1));
    let mut channels = 64;
    for (stage, layers) in [6, 12, 24, 16].into_iter().enumerate() {
        let stage = stage + 2;
        for layer in 1..=layers {
            x = dense_layer(b, &format!("conv{stage}_{layer}"), &x, channels);
            channels += GROWTH;
        }
        if stage < 5 {
            let name = format!("conv{stage}_blk");
            let y = normalised(b, &name, &x, channels);
            let y = b.conv(&name, &y, (channels, channels / 2), window(1));
            x = b.average_pool(&format!("pool{stage}"), &y, window(2).stride(2));
            channels /= 2;
        }
    }
    let x = normalised(b, "conv5_blk", &x, channels);
    let x = b.global_average_pool("pool5", &x);
    let x = b.conv("fc6", &x, (channels, 1000), window(1));
    b.softmax(&x)
}

/// A narrow and a 3×3 convolution, each behind batch normalisation and Relu, put beside their input.
fn dense_layer(b: &mut Builder, name: &str, x: &str, from: usize) -> String {
    let y = normalised(b, &format!("{name}_x1"), x, from);
    let y = b.conv(&format!("{name}_x1"), &y, (from, 4 * GROWTH), window(1));
    let y = normalised(b, &format!("{name}_x2"), &y, 4 * GROWTH);
    let y = b.conv(&format!("{name}_x2"), &y, (4 * GROWTH, GROWTH), window(3).pad(1));
    b.concat(&format!("concat_{name}"), &[x.to_owned(), y])
}

fn normalised(b: &mut Builder, name: &str, x: &str, channels: usize) -> String {
    let y = b.batch_norm(&format!("{name}_bn"), x, &format!("{name}_bn"), channels, 1.0);
    b.relu(&y)
}
