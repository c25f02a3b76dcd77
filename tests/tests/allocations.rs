//! A net that runs again allocates nothing, and what a definition asks for bounds what an operator allocates
//! only as far as inputs and outputs need it.
#![allow(clippy::unwrap_used)]

use caffe2::transform::keep_codes::keep_codes;
use caffe2_operator::proto::{NetDef, OperatorDef};
use caffe2_operator::{Tensor, Workspace};
use caffe2_tests::golden::{self, Case, Failures, feed};
use caffe2_tests::models::{tensor, workspace, workspace_with};

fn allocations_of_the_second_run(model: &str, init_net: &str, inputs: &str) -> u64 {
    let (mut workspace, net) = workspace(model, init_net, 1);
    workspace.feed("data", tensor(model, inputs, "data"));
    workspace.run_net(&net).unwrap();
    let second = allocation_counter::measure(|| workspace.run_net(&net).unwrap());
    second.count_total
}

#[test]
fn the_count_counts() {
    let one = allocation_counter::measure(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(10))));
    assert_eq!(one.count_total, 1);
}

#[test]
fn the_second_run_of_the_face_detector_allocates_nothing() {
    assert_eq!(allocations_of_the_second_run("tiny_face_detector", "init_net.pb", "input.npz"), 0);
}

#[test]
fn the_second_run_of_the_digits_net_allocates_nothing() {
    assert_eq!(allocations_of_the_second_run("digits", "init_net_byte.pb", "test_images.npz"), 0);
}

#[test]
fn the_second_run_from_bytes_allocates_nothing() {
    for (model, init_net, inputs) in [
        ("tiny_face_detector", "init_net.pb", "input.npz"),
        ("digits", "init_net_byte.pb", "test_images.npz"),
    ] {
        let (mut workspace, net) = workspace_with(model, init_net, 1, |init, predict| {
            assert!(keep_codes(init, predict) > 0);
        });
        workspace.feed("data", tensor(model, inputs, "data"));
        workspace.run_net(&net).unwrap();
        let second = allocation_counter::measure(|| workspace.run_net(&net).unwrap());
        assert_eq!(second.count_total, 0, "{model}");
    }
}

/// Codes that are expanded in the net itself, each time it runs.
#[test]
fn keeping_codes_again_allocates_nothing() {
    let codes = Tensor::from_slice([1 << 16], &[7u8; 1 << 16]).unwrap();
    for codes in [codes.clone(), Tensor::from_strings([1], [vec![7u8; 1 << 16]]).unwrap()] {
        let keep = OperatorDef::new("ByteWeightDequant").input("q").output("w").arg("keep_codes", 1);
        let keep = keep.arg("shape", vec![16i64, 4096]);
        let fc = OperatorDef::new("FC").inputs(["x", "w", "b"]).output("y");
        let net = NetDef::new("net").external_inputs(["q", "x", "b"]).ops([keep, fc]).external_output("y");
        let mut workspace = Workspace::new();
        workspace.set_threads(1);
        workspace.feed("q", codes);
        workspace.feed("x", Tensor::from_slice([1, 4096], &[0.5f32; 4096]).unwrap());
        workspace.feed("b", Tensor::zeros::<f32>([16]).unwrap());
        workspace.create_net(&net).unwrap();
        workspace.run_net("net").unwrap();
        let second = allocation_counter::measure(|| workspace.run_net("net").unwrap());
        assert_eq!((second.count_total, workspace.tensor("w").unwrap().is_expanded()), (0, false));
    }
}

#[test]
fn the_second_run_of_an_operator_allocates_nothing() {
    let mut failures = Failures::default();
    for case in golden::cases().into_iter().filter(Case::runs_alone) {
        let mut workspace = Workspace::new();
        workspace.set_threads(1);
        feed(&mut workspace, &case.inputs);
        workspace.create_net(&case.net).unwrap();
        // What the operator writes in place may no longer be what it accepts: such a run is no subject here.
        if workspace.run_net(&case.name).and_then(|()| workspace.run_net(&case.name)).is_err() {
            continue;
        }
        let third = allocation_counter::measure(|| workspace.run_net(&case.name).unwrap());
        let result =
            if third.count_total == 0 { Ok(()) } else { Err(format!("{} allocations", third.count_total)) };
        failures.check(&case.name, result);
    }
    failures.finish();
}

/// Windows, steps and paddings of any size, on an image of four by five pixels.
#[test]
fn hostile_sizes_take_little_memory() {
    const HUGE: i64 = 1_000_000_000;
    let pool = |op_type: &str| OperatorDef::new(op_type).input("x");
    let conv = || OperatorDef::new("Conv").inputs(["x", "w"]).arg("kernel", 3);
    let mut defs = Vec::new();
    for op_type in ["MaxPool", "AveragePool"] {
        defs.push(pool(op_type).arg("kernel", 2).arg("stride", HUGE));
        defs.push(pool(op_type).arg("kernel", i32::MAX).arg("pad", i32::MAX - 1).arg("stride", i32::MAX));
        defs.push(pool(op_type).arg("kernel", HUGE).arg("pad", HUGE - 1).arg("stride", HUGE));
        defs.push(pool(op_type).arg("kernels", [2 * HUGE, 2]).arg("pads", [HUGE, 0, HUGE, 0]));
        defs.push(pool(op_type).arg("kernels", [2, 2 * HUGE]).arg("pads", [0, HUGE, 0, HUGE]));
    }
    for group in [1, 3] {
        defs.push(conv().arg("group", group).arg("pad", 1).arg("stride", i32::MAX));
        defs.push(conv().arg("group", group).arg("pad", HUGE).arg("dilation", HUGE));
        defs.push(conv().arg("group", group).arg("pad", HUGE).arg("stride", HUGE));
        defs.push(conv().arg("group", group).arg("pads", [HUGE, 0, HUGE, 0]).arg("dilations", [HUGE, 1]));
        defs.push(conv().arg("group", group).arg("pads", [0, HUGE, 0, HUGE]).arg("dilations", [1, HUGE]));
    }
    for (def, order) in defs.iter().flat_map(|def| [(def, "NCHW"), (def, "NHWC")]) {
        let def = def.clone().arg("order", order).output("y");
        let nhwc = order == "NHWC";
        let group = def.argument("group").map_or(1, |group| group.i()) as usize;
        let zeros = |shape: [usize; 4]| Tensor::zeros::<f32>(shape).unwrap();
        let mut workspace = Workspace::new();
        workspace.set_threads(1);
        workspace.set_memory_limit(1 << 20);
        workspace.feed("x", zeros(if nhwc { [1, 4, 5, 3] } else { [1, 3, 4, 5] }));
        workspace.feed("w", zeros(if nhwc { [3, 3, 3, 3 / group] } else { [3, 3 / group, 3, 3] }));
        let mut ran = true;
        let taken = allocation_counter::measure(|| ran = workspace.run_operator_once(&def).is_ok());
        println!("{ran} {} {:?}", taken.bytes_max, def);
        assert!(taken.bytes_max < 16 << 20, "{} bytes: {def:?}", taken.bytes_max);
    }
}
