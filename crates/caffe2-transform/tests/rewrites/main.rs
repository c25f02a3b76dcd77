//! Init nets that are rewritten still make what they made, as near as the scheme allows.
#![allow(clippy::unwrap_used)]

mod dequantize;
mod lookups;
mod quantize;
mod selection;

use caffe2::{NetDef, OperatorDef, Tensor, Workspace};
use caffe2_transform::quantize::QuantizeOptions;

/// A fill of floats.
fn given(blob: &str, dims: &[i64], values: &[f32]) -> OperatorDef {
    OperatorDef::new("GivenTensorFill").output(blob).arg("shape", dims).arg("values", values)
}

/// A fill of as many values as the dimensions have room for, spread over about one like a weight's.
fn weight(blob: &str, dims: &[i64]) -> OperatorDef {
    let seed = blob.bytes().fold(7u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut state = seed;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let values = (0..dims.iter().product::<i64>()).map(|_| uniform() + uniform() + uniform() + uniform());
    given(blob, dims, &values.collect::<Vec<f32>>())
}

/// A net that reads these blobs.
fn reader(blobs: &[&str]) -> NetDef {
    NetDef::new("net")
        .ops(blobs.iter().map(|blob| OperatorDef::new("Copy").input(*blob).output(format!("{blob}/copy"))))
}

/// What an init net makes.
fn made(init: &NetDef) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.run_net_once(init).unwrap();
    workspace
}

fn floats(workspace: &Workspace, blob: &str) -> Vec<f32> {
    workspace.fetch(blob).unwrap().as_slice::<f32>().unwrap().to_vec()
}

/// Everything that is read, however small.
fn all() -> QuantizeOptions {
    QuantizeOptions { min_elements: 1, ..QuantizeOptions::default() }
}

fn dims(workspace: &Workspace, blob: &str) -> Vec<usize> {
    let tensor: Tensor = workspace.fetch(blob).unwrap();
    tensor.dims().to_vec()
}
