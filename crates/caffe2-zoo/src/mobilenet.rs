//! MobileNet v2 (Sandler et al. 2018).

use crate::INPUT;
use crate::builder::{Builder, window};

pub(crate) fn mobilenet_v2(b: &mut Builder) -> String {
    let x = b.conv_bn("conv1", INPUT, (3, 32), window(3).stride(2).pad(1), 1.0);
    let mut x = b.relu6(&x);
    let mut from = 32;
    // Expansion, channels, repetitions, first stride: table 2 of the paper.
    for (stage, (expansion, to, repetitions, stride)) in [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    .into_iter()
    .enumerate()
    {
        for block in 0..repetitions {
            let stride = if block == 0 { stride } else { 1 };
            x = inverted_residual(
                b,
                &format!("block{}_{block}", stage + 1),
                &x,
                (from, to),
                expansion,
                stride,
            );
            from = to;
        }
    }
    let x = b.conv_bn("conv9", &x, (320, 1280), window(1), 1.0);
    let x = b.relu6(&x);
    let x = b.global_average_pool("pool10", &x);
    let x = b.dropout(&x);
    let x = b.fc("fc", &x, 1280, 1000);
    b.softmax(&x)
}

fn inverted_residual(
    b: &mut Builder,
    name: &str,
    x: &str,
    (from, to): (usize, usize),
    expansion: usize,
    stride: usize,
) -> String {
    let wide = expansion * from;
    let mut y = x.to_owned();
    if expansion > 1 {
        y = b.conv_bn(&format!("{name}_expand"), &y, (from, wide), window(1), 1.0);
        y = b.relu6(&y);
    }
    let depthwise = window(3).stride(stride).pad(1).group(wide);
    y = b.conv_bn(&format!("{name}_depthwise"), &y, (wide, wide), depthwise, 1.0);
    y = b.relu6(&y);
    y = b.conv_bn(&format!("{name}_linear"), &y, (wide, to), window(1), 0.7);
    if stride == 1 && from == to { b.sum(name, x, &y) } else { y }
}
