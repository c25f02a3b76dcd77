//! A net that runs again allocates nothing, on whatever thread, neither in order nor in parallel; but for the queue of
//! the kernels' pool, which takes a block of memory after some dozens of pieces of work that are handed over.
//!
//! The count is of all threads of the process, so this file has one test only.
#![allow(clippy::unwrap_used)]

use std::alloc::System;

use caffe2::{NetDef, Tensor, Workspace};
use caffe2_tests::models::{path, tensor};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Runs that are counted together.
const RUNS: usize = 10;

struct Model {
    name: &'static str,
    init: NetDef,
    predict: NetDef,
    data: Tensor,
}

fn detector() -> Model {
    let net = |file| caffe2::files::read_net(path("tiny_face_detector", file)).unwrap();
    Model {
        name: "tiny_face_detector",
        init: net("init_net.pb"),
        predict: net("predict_net.pb"),
        data: tensor("tiny_face_detector", "input.npz", "data"),
    }
}

fn of_zoo(name: &'static str) -> Model {
    let model = caffe2_zoo::model(name).unwrap();
    Model {
        name,
        init: model.init_net().clone(),
        predict: model.predict_net().clone(),
        data: Tensor::from_slice(model.input_dims(), &model.picture(1)).unwrap(),
    }
}

/// Allocations and reallocations in `RUNS` runs of a net that is warm.
fn allocations(model: &Model, net_type: &str, workers: usize, share: bool) -> usize {
    let mut workspace = Workspace::new();
    workspace.set_threads(workers);
    workspace.run_net_once(&model.init).unwrap();
    workspace.set_memory_sharing(share);
    workspace.feed("data", model.data.clone());
    let net = NetDef { num_workers: Some(workers as i32), ..model.predict.clone().with_type(net_type) };
    workspace.create_net(&net).unwrap();
    // Buffers that are shared have their sizes after the first run, and are dealt out anew.
    (0..6).for_each(|_| workspace.run_net(net.name()).unwrap());
    let region = Region::new(ALLOCATOR);
    (0..RUNS).for_each(|_| workspace.run_net(net.name()).unwrap());
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn nets_that_run_again_allocate_nothing() {
    let region = Region::new(ALLOCATOR);
    std::thread::spawn(|| drop(std::hint::black_box(vec![1u8; 100]))).join().unwrap();
    assert!(region.change().allocations > 0, "the count counts");
    for model in [detector(), of_zoo("squeezenet"), of_zoo("mobilenet_v2"), of_zoo("shufflenet")] {
        for (net_type, workers, share) in [
            ("simple", 1, false),
            ("simple", 1, true),
            ("dag", 1, false),
            ("dag", 2, false),
            ("dag", 2, true),
        ] {
            let count = allocations(&model, net_type, workers, share);
            println!("{} {net_type} {workers} sharing {share}: {count}", model.name);
            // Of eight operators that run, one may have the queue take a block.
            let most = if workers == 1 { 0 } else { RUNS * model.predict.op.len() / 8 };
            assert!(count <= most, "{} {net_type}, {workers} workers, sharing {share}: {count}", model.name);
        }
    }
}
