//! The digit classifier: with float and with byte weights it names the digits that the real Caffe2 names.
#![allow(clippy::unwrap_used)]

use caffe2::files::{read_net, read_tensor};
use caffe2_operator::Tensor;
use caffe2_tests::compare::{Tolerance, compare, same_bits};
use caffe2_tests::models::{path, tensor, workspace};
use serde_json::Value;

fn softmax(init_net: &str, threads: usize) -> Tensor {
    let (mut workspace, net) = workspace("digits", init_net, threads);
    workspace.feed("data", tensor("digits", "test_images.npz", "data"));
    workspace.run_net(&net).unwrap();
    workspace.fetch("softmax").unwrap()
}

/// The position of the greatest value of each row; the first of equal ones.
fn classes(softmax: &Tensor) -> Vec<i64> {
    let greatest = |row: &[f32]| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
    softmax.as_slice::<f32>().unwrap().chunks(softmax.dims()[1]).map(|row| greatest(row) as i64).collect()
}

fn names_the_same_digits(weights: &str, init_net: &str) {
    let softmax = softmax(init_net, 1);
    let wanted = tensor("digits", "expected.npz", &format!("softmax_{weights}"));
    compare(&softmax, &wanted, Tolerance::Within { rtol: 1e-4, atol: 1e-6 }).unwrap();

    let expected: Value =
        serde_json::from_slice(&std::fs::read(path("digits", "expected.json")).unwrap()).unwrap();
    let expected = &expected[weights];
    let classes = classes(&softmax);
    assert_eq!(serde_json::json!(classes), expected["classes"]);

    let labels = read_tensor(path("digits", "test_labels.npy")).unwrap();
    let labels = labels.as_slice::<i32>().unwrap();
    let correct = classes.iter().zip(labels).filter(|(class, label)| **class == i64::from(**label)).count();
    assert_eq!(expected["images"], labels.len());
    assert_eq!(expected["correct"], correct);
}

#[test]
fn float_weights_are_as_accurate_as_in_caffe2() {
    names_the_same_digits("float", "init_net.pb");
}

#[test]
fn byte_weights_are_as_accurate_as_in_caffe2() {
    names_the_same_digits("byte", "init_net_byte.pb");
}

#[test]
fn threads_change_no_bit() {
    same_bits(&softmax("init_net_byte.pb", 2), &softmax("init_net_byte.pb", 1)).unwrap();
}

#[test]
fn the_text_form_is_the_same_net() {
    let net = |file| read_net(path("digits", file)).unwrap();
    assert_eq!(net("predict_net.pbtxt"), net("predict_net.pb"));
}
