//! AlexNet (Krizhevsky et al. 2012) and its kin: CaffeNet, which pools before it normalises, and ZFNet
//! (Zeiler and Fergus 2014), without groups and with a smaller first window.

use crate::INPUT;
use crate::builder::{Builder, window};

pub(crate) fn alexnet(b: &mut Builder) -> String {
    let x = b.conv_relu("conv1", INPUT, (3, 96), window(11).stride(4));
    let x = b.lrn("norm1", &x);
    let x = b.max_pool("pool1", &x, window(3).stride(2));
    let x = b.conv_relu("conv2", &x, (96, 256), window(5).pad(2).group(2));
    let x = b.lrn("norm2", &x);
    let x = b.max_pool("pool2", &x, window(3).stride(2));
    tail(b, &x, 2, 6)
}

pub(crate) fn caffenet(b: &mut Builder) -> String {
    let x = b.conv_relu("conv1", INPUT, (3, 96), window(11).stride(4));
    let x = b.max_pool_caffe("pool1", &x, window(3).stride(2));
    let x = b.lrn("norm1", &x);
    let x = b.conv_relu("conv2", &x, (96, 256), window(5).pad(2).group(2));
    let x = b.max_pool_caffe("pool2", &x, window(3).stride(2));
    let x = b.lrn("norm2", &x);
    tail(b, &x, 2, 6)
}

pub(crate) fn zfnet(b: &mut Builder) -> String {
    let x = b.conv_relu("conv1", INPUT, (3, 96), window(7).stride(2).pad(1));
    let x = b.max_pool_caffe("pool1", &x, window(3).stride(2));
    let x = b.lrn("norm1", &x);
    let x = b.conv_relu("conv2", &x, (96, 256), window(5).stride(2));
    let x = b.max_pool_caffe("pool2", &x, window(3).stride(2));
    let x = b.lrn("norm2", &x);
    tail(b, &x, 1, 6)
}

/// The last three convolutions, in `group` groups, and the three products; `side` is that of the last pooling.
fn tail(b: &mut Builder, x: &str, group: usize, side: usize) -> String {
    let x = b.conv_relu("conv3", x, (256, 384), window(3).pad(1));
    let x = b.conv_relu("conv4", &x, (384, 384), window(3).pad(1).group(group));
    let x = b.conv_relu("conv5", &x, (384, 256), window(3).pad(1).group(group));
    let x = b.max_pool_caffe("pool5", &x, window(3).stride(2));
    let x = b.fc("fc6", &x, 256 * side * side, 4096);
    let x = b.relu(&x);
    let x = b.dropout(&x);
    let x = b.fc("fc7", &x, 4096, 4096);
    let x = b.relu(&x);
    let x = b.dropout(&x);
    let x = b.fc("fc8", &x, 4096, 1000);
    b.softmax(&x)
}
