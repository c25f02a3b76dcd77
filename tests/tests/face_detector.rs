//! The face detector, whose weights are bytes behind `ByteWeightDequant`.
#![allow(clippy::unwrap_used)]

use caffe2::files::read_net;
use caffe2_operator::Tensor;
use caffe2_tests::compare::{root_mean_square, same_bits};
use caffe2_tests::models::{path, tensor, workspace};

const MODEL: &str = "tiny_face_detector";

fn grid(threads: usize) -> Tensor {
    let (mut workspace, net) = workspace(MODEL, "init_net.pb", threads);
    workspace.feed("data", tensor(MODEL, "input.npz", "data"));
    workspace.run_net(&net).unwrap();
    workspace.fetch("grid").unwrap()
}

#[test]
fn the_grid_is_that_of_caffe2() {
    let (grid, wanted) = (grid(1), tensor(MODEL, "expected.npz", "grid"));
    assert_eq!(grid.dims(), wanted.dims());
    let (grid, wanted) = (grid.as_slice::<f32>().unwrap(), wanted.as_slice::<f32>().unwrap());
    let rms = root_mean_square(wanted);
    let worst = grid.iter().zip(wanted).map(|(g, w)| f64::from(g - w).abs() / f64::from(w.abs()).max(rms));
    let worst = worst.fold(0.0, f64::max);
    println!("greatest difference: {worst:.2e} of max(|wanted|, rms {rms:.3})");
    assert!(worst <= 1e-4, "{worst}");
    assert!(grid.iter().all(|g| g.is_finite()));
}

#[test]
fn threads_change_no_bit() {
    same_bits(&grid(2), &grid(1)).unwrap();
}

#[test]
fn the_text_form_is_the_same_net() {
    let net = |file| read_net(path(MODEL, file)).unwrap();
    assert_eq!(net("predict_net.pbtxt"), net("predict_net.pb"));
}
