//! The digit classifier as `caffe2 quantize` stores it: the real Caffe2 made the same weights of the same files, to
//! the bit, and named the same digits. `UPDATE_GENERATED=1` writes the files anew.
#![allow(clippy::unwrap_used)]

use caffe2::files::{read_net, read_tensor, read_tensors, write_net};
use caffe2_operator::{Tensor, Workspace};
use caffe2_tests::compare::{Tolerance, compare, same_bits};
use caffe2_tests::models::path;
use caffe2_transform::quantize::{QuantizeOptions, Scheme, quantize};
use serde_json::Value;

const SCHEMES: [Scheme; 3] = [Scheme::Byte, Scheme::Fused8, Scheme::Half];

const WEIGHTS: [&str; 3] = ["conv1_w", "conv2_w", "fc_w"];

fn init_file(scheme: Scheme) -> std::path::PathBuf {
    path("digits", "quantized").join(format!("init_net_{}.pb", scheme.name()))
}

fn stored(name: &str) -> Tensor {
    let tensors = read_tensors(path("digits", "quantized/expected.npz")).unwrap();
    tensors.into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no `{name}`")).1
}

fn figures(scheme: Scheme) -> Value {
    let text = std::fs::read(path("digits", "quantized/expected.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()[scheme.name()].clone()
}

/// A workspace in which an init net and the classifier have run.
fn classified(init: &std::path::Path) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.run_net_once(&read_net(init).unwrap()).unwrap();
    workspace.feed("data", read_tensor(path("digits", "test_images.npz")).unwrap());
    workspace.run_net_once(&read_net(path("digits", "predict_net.pb")).unwrap()).unwrap();
    workspace
}

/// The digit with the greatest score in each row; the first of equal ones.
fn digits(softmax: &Tensor) -> Vec<i32> {
    let greatest = |row: &[f32]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    softmax.as_slice::<f32>().unwrap().chunks(10).map(|row| greatest(row) as i32).collect()
}

#[test]
fn the_files_are_what_the_quantizer_writes() {
    let [init, net] = ["init_net.pb", "predict_net.pb"].map(|file| read_net(path("digits", file)).unwrap());
    for scheme in SCHEMES {
        let options = QuantizeOptions { scheme, min_elements: 64, ..QuantizeOptions::default() };
        let quantized = quantize(&init, &net, &options).unwrap().init;
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            write_net(init_file(scheme), &quantized).unwrap();
        }
        assert_eq!(read_net(init_file(scheme)).unwrap(), quantized, "{scheme:?}");
    }
}

#[test]
fn caffe2_makes_the_same_weights_and_scores() {
    for scheme in SCHEMES {
        let name = scheme.name();
        let workspace = classified(&init_file(scheme));
        for weight in WEIGHTS {
            same_bits(&workspace.fetch(weight).unwrap(), &stored(&format!("{name}_{weight}"))).unwrap();
        }
        let (softmax, want) = (workspace.fetch("softmax").unwrap(), stored(&format!("{name}_softmax")));
        let first =
            Tensor::from_slice(want.dims(), &softmax.as_slice::<f32>().unwrap()[..want.numel()]).unwrap();
        compare(&first, &want, Tolerance::Within { rtol: 1e-4, atol: 1e-6 }).unwrap();
    }
}

#[test]
fn as_many_digits_are_right_as_in_caffe2() {
    let labels = read_tensor(path("digits", "test_labels.npy")).unwrap();
    let labels = labels.as_slice::<i32>().unwrap();
    let same = |a: &[i32], b: &[i32]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    let before = classified(&path("digits", "init_net.pb")).fetch("softmax").unwrap();
    for scheme in SCHEMES {
        let after = classified(&init_file(scheme)).fetch("softmax").unwrap();
        let want = figures(scheme);
        assert_eq!(
            (want["images"].clone(), want["correct"].clone()),
            (labels.len().into(), same(&digits(&after), labels).into())
        );
        assert_eq!(want["same_class_as_float"], same(&digits(&after), &digits(&before)), "{scheme:?}");
        let pairs = before.as_slice::<f32>().unwrap().iter().zip(after.as_slice::<f32>().unwrap());
        let largest = pairs.map(|(b, a)| f64::from((b - a).abs())).fold(0.0, f64::max);
        assert!((want["largest_change"].as_f64().unwrap() - largest).abs() < 1e-4, "{scheme:?} {largest}");
    }
}
