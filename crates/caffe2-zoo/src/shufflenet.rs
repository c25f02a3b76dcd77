//! ShuffleNet v1 with three groups (Zhang et al. 2017), as in Caffe2's model zoo.

use caffe2_proto::OperatorDef;

use crate::INPUT;
use crate::builder::{Builder, window};

const GROUPS: usize = 3;

pub(crate) fn shufflenet(b: &mut Builder) -> String {
    let x = b.conv_bn("conv1", INPUT, (3, 24), window(3).stride(2).pad(1), 1.0);
    let x = b.relu(&x);
    let mut x = b.max_pool("pool1", &x, window(3).stride(2).pad(1));
    let mut from = 24;
    for (stage, (to, units)) in [(240, 4), (480, 8), (960, 4)].into_iter().enumerate() {
        for unit in 0..units {
            x = shuffle_unit(b, &format!("stage{}_{unit}", stage + 2), &x, (from, to), unit == 0);
            from = to;
        }
    }
    let x = b.global_average_pool("pool5", &x);
    let x = b.fc("fc", &x, from, 1000);
    b.softmax(&x)
}

fn shuffle_unit(b: &mut Builder, name: &str, x: &str, (from, to): (usize, usize), halve: bool) -> String {
    let narrow = to / 4;
    // The first pointwise convolution of all has too few channels for groups.
    let first = if from == 24 { window(1) } else { window(1).group(GROUPS) };
    let y = b.conv_bn(&format!("{name}_reduce"), x, (from, narrow), first, 1.0);
    let y = b.relu(&y);
    let shuffle = OperatorDef::new("ChannelShuffle").input(y).output(format!("{name}_shuffle"));
    let y = b.push(shuffle.arg("group", GROUPS as i64).arg("order", "NCHW"));
    let stride = if halve { 2 } else { 1 };
    let depthwise = window(3).stride(stride).pad(1).group(narrow);
    let y = b.conv_bn(&format!("{name}_depthwise"), &y, (narrow, narrow), depthwise, 1.0);
    let grown = if halve { to - from } else { to };
    let y = b.conv_bn(&format!("{name}_expand"), &y, (narrow, grown), window(1).group(GROUPS), 0.5);
    let joined = if halve {
        let pooled = b.average_pool(&format!("{name}_pool"), x, window(3).stride(2).pad(1));
        b.concat(name, &[pooled, y])
    } else {
        b.sum(name, x, &y)
    };
    b.relu(&joined)
}
