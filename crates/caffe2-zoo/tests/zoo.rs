//! Nets of the zoo give the logits that the real Caffe2 gives for the same weights and picture.
//!
//! `logits.npz`, made by `compare.py`, has each 31st logit of every net, and its class. The large nets take minutes
//! where the code is not optimised: `cargo test --release -p caffe2-zoo -- --ignored`.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::path::Path;

use caffe2::files::read_tensors;
use caffe2::operator::{TensorInfo, infer_net};
use caffe2::{DataType, NetDef, OpRegistry, Tensor, Workspace};
use caffe2_zoo::Model;

const EVERY: usize = 31;
const TOLERANCE: f32 = 1e-4;

#[test]
fn squeezenet() {
    check("squeezenet");
}

#[test]
fn mobilenet_v2() {
    check("mobilenet_v2");
}

#[test]
fn shufflenet() {
    check("shufflenet");
}

#[test]
#[ignore = "slow without optimisation"]
fn all_others() {
    let quick = ["squeezenet", "mobilenet_v2", "shufflenet"];
    caffe2_zoo::names().filter(|name| !quick.contains(name)).for_each(check);
}

fn check(name: &str) {
    let model = caffe2_zoo::model(name).unwrap();
    let net = without_overwriting(model.predict_net());
    let picture = model.picture(1);
    let one = run(&model, &net, &picture, 1);
    let two = run(&model, &net, &picture, 2);
    for blob in computed(&net) {
        let (one, two) = (one.tensor(blob).unwrap(), two.tensor(blob).unwrap());
        assert!(one.as_bytes().unwrap() == two.as_bytes().unwrap(), "{name}: `{blob}`: threads change bits");
    }
    let logits = logits(&one, &net);
    agree_with_caffe2(name, &logits);
    shapes_are_as_inferred(name, &net, &one);
    activations_stay_in_bounds(name, &net, &one);

    let negative: Vec<f32> = picture.iter().map(|x| -x).collect();
    let others = self::logits(&run(&model, &net, &negative, 2), &net);
    let moved: Vec<f32> = logits.iter().zip(&others).map(|(a, b)| a - b).collect();
    assert!(
        root_mean_square(&moved) > 1e-2 * root_mean_square(&logits),
        "{name}: the picture hardly matters"
    );
}

fn run(model: &Model, net: &NetDef, picture: &[f32], threads: usize) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    workspace.run_net_once(model.init_net()).unwrap();
    workspace.feed(model.input(), Tensor::from_slice(model.input_dims(), picture).unwrap());
    workspace.run_net_once(net).unwrap();
    workspace
}

/// The net with a new name for a blob each time it is written, so that every result is there after a run.
fn without_overwriting(net: &NetDef) -> NetDef {
    let mut net = net.clone();
    let mut writes: HashMap<String, usize> = HashMap::new();
    let version = |name: &str, writes: usize| {
        if writes < 2 { name.to_owned() } else { format!("{name}@{writes}") }
    };
    for op in &mut net.op {
        for input in op.input.iter_mut() {
            *input = version(input, writes.get(input).copied().unwrap_or(0));
        }
        for output in op.output.iter_mut() {
            let count = writes.entry(output.clone()).or_default();
            *count += 1;
            *output = version(output, *count);
        }
    }
    net
}

/// What the operators compute: all outputs but the mask of `Dropout`, which test mode leaves alone.
fn computed(net: &NetDef) -> impl Iterator<Item = &str> {
    let outputs = net.op.iter().flat_map(|op| {
        let count = if op.r#type() == "Dropout" { 1 } else { op.output.len() };
        op.output.iter().take(count)
    });
    outputs.map(|name| name.as_str())
}

/// What goes into the softmax, whose probabilities would hide errors.
fn logits(workspace: &Workspace, net: &NetDef) -> Vec<f32> {
    let softmax = net.op.iter().rfind(|op| op.r#type() == "Softmax").unwrap();
    workspace.tensor(&softmax.input[0]).unwrap().as_slice::<f32>().unwrap().to_vec()
}

fn agree_with_caffe2(name: &str, logits: &[f32]) {
    let stored = read_tensors(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logits.npz")).unwrap();
    let tensor = |name: &str| &stored.iter().find(|(found, _)| found == name).unwrap().1;
    let wanted = tensor(name).as_slice::<f32>().unwrap();
    let found: Vec<f32> = logits.iter().copied().step_by(EVERY).collect();
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0, |largest: f32, w| largest.max(w.abs()));
    let error = found.iter().zip(wanted).fold(0.0, |worst: f32, (f, w)| worst.max((f - w).abs())) / largest;
    println!("{name}: {error:.1e} of the largest logit");
    assert!(error <= TOLERANCE, "{name}: {error}");
    let class = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
    assert_eq!(tensor(&format!("{name}_class")).as_slice::<i64>().unwrap(), [class as i64], "{name}");
}

fn shapes_are_as_inferred(name: &str, net: &NetDef, workspace: &Workspace) {
    let registry = OpRegistry::linked().unwrap();
    let external = net.external_input.iter();
    let mut known = external.map(|n| (n.clone(), TensorInfo::from(workspace.tensor(n).unwrap()))).collect();
    infer_net(&registry, net, &mut known).unwrap();
    for blob in computed(net) {
        assert_eq!(known[blob], TensorInfo::from(workspace.tensor(blob).unwrap()), "{name}: `{blob}`");
    }
}

fn activations_stay_in_bounds(name: &str, net: &NetDef, workspace: &Workspace) {
    let softmax = &net.external_output[0];
    for blob in computed(net).filter(|blob| blob != softmax) {
        let tensor = workspace.tensor(blob).unwrap();
        if tensor.data_type() == Some(DataType::Float) {
            let size = root_mean_square(tensor.as_slice::<f32>().unwrap());
            assert!((1e-3..1e3).contains(&size), "{name}: `{blob}`: {size}");
        }
    }
}

fn root_mean_square(values: &[f32]) -> f64 {
    let squares: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}
