//! SqueezeNet 1.1 (Iandola et al. 2016).

use crate::INPUT;
use crate::builder::{Builder, window};

pub(crate) fn squeezenet(b: &mut Builder) -> String {
    let x = b.conv_relu("conv1", INPUT, (3, 64), window(3).stride(2));
    let mut x = b.max_pool("pool1", &x, window(3).stride(2));
    let mut from = 64;
    for (fire, (squeezed, expanded)) in
        [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
            .into_iter()
            .enumerate()
    {
        let name = format!("fire{}", fire + 2);
        let narrow = b.conv_relu(&format!("{name}_squeeze1x1"), &x, (from, squeezed), window(1));
        let ones = b.conv_relu(&format!("{name}_expand1x1"), &narrow, (squeezed, expanded), window(1));
        let threes =
            b.conv_relu(&format!("{name}_expand3x3"), &narrow, (squeezed, expanded), window(3).pad(1));
        x = b.concat(&format!("{name}_concat"), &[ones, threes]);
        from = 2 * expanded;
        if fire == 1 || fire == 3 {
            x = b.max_pool(&format!("pool{}", fire + 2), &x, window(3).stride(2));
        }
    }
    let x = b.dropout(&x);
    let x = b.conv_relu("conv10", &x, (512, 1000), window(1));
    let x = b.global_average_pool("pool10", &x);
    b.softmax(&x)
}
