//! VGG-19 (Simonyan and Zisserman 2014).

use crate::INPUT;
use crate::builder::{Builder, window};

pub(crate) fn vgg19(b: &mut Builder) -> String {
    let (mut x, mut from) = (INPUT.to_owned(), 3);
    for (stage, (to, layers)) in [(64, 2), (128, 2), (256, 4), (512, 4), (512, 4)].into_iter().enumerate() {
        let stage = stage + 1;
        for layer in 1..=layers {
            x = b.conv_relu(&format!("conv{stage}_{layer}"), &x, (from, to), window(3).pad(1));
            from = to;
        }
        x = b.max_pool(&format!("pool{stage}"), &x, window(2).stride(2));
    }
    for (name, from) in [("fc6", 512 * 7 * 7), ("fc7", 4096)] {
        let y = b.fc(name, &x, from, 4096);
        let y = b.relu(&y);
        x = b.dropout(&y);
    }
    let x = b.fc("fc8", &x, 4096, 1000);
    b.softmax(&x)
}
