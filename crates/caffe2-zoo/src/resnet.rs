//! ResNet-50 (He et al. 2015).

use crate::INPUT;
use crate::builder::{Builder, window};

pub(crate) fn resnet50(b: &mut Builder) -> String {
    let x = b.conv_bn("conv1", INPUT, (3, 64), window(7).stride(2).pad(3), 1.0);
    let x = b.relu(&x);
    let mut x = b.max_pool("pool1", &x, window(3).stride(2).pad(1));
    let mut from = 64;
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let narrow = 64 << stage;
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            x = bottleneck(b, &format!("res{}_{block}", stage + 2), &x, (from, narrow), stride);
            from = 4 * narrow;
        }
    }
    let x = b.global_average_pool("pool5", &x);
    let x = b.fc("fc1000", &x, 2048, 1000);
    b.softmax(&x)
}

fn bottleneck(b: &mut Builder, name: &str, x: &str, (from, narrow): (usize, usize), stride: usize) -> String {
    let wide = 4 * narrow;
    let shortcut = if from == wide && stride == 1 {
        x.to_owned()
    } else {
        b.conv_bn(&format!("{name}_branch1"), x, (from, wide), window(1).stride(stride), 0.7)
    };
    let y = b.conv_bn(&format!("{name}_branch2a"), x, (from, narrow), window(1).stride(stride), 1.0);
    let y = b.relu(&y);
    let y = b.conv_bn(&format!("{name}_branch2b"), &y, (narrow, narrow), window(3).pad(1), 1.0);
    let y = b.relu(&y);
    let y = b.conv_bn(&format!("{name}_branch2c"), &y, (narrow, wide), window(1), 0.3);
    let sum = b.sum(name, &y, &shortcut);
    b.relu(&sum)
}
