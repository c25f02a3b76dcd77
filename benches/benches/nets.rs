//! What the framework itself costs: running operators that compute next to nothing, and building nets.

use caffe2::proto::{NetDef, OperatorDef};
use caffe2::{Tensor, Workspace};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A chain of `Relu`s on one element.
fn chain(length: usize) -> NetDef {
    let relu = |i: usize| OperatorDef::new("Relu").input(format!("x{i}")).output(format!("x{}", i + 1));
    NetDef::new("chain").external_input("x0").ops((0..length).map(relu)).external_output(format!("x{length}"))
}

fn workspace() -> Workspace {
    let mut workspace = Workspace::new();
    workspace.set_threads(1);
    workspace.feed("x0", Tensor::from_slice([1], &[1.0f32]).expect("a tensor of one element"));
    workspace
}

fn dispatch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dispatch");
    group.throughput(Throughput::Elements(1000));
    let mut workspace = workspace();
    workspace.create_net(&chain(1000)).expect("a chain of Relus");
    group.bench_function("1000 Relus", |b| b.iter(|| workspace.run_net("chain")));
    group.throughput(Throughput::Elements(1));
    let relu = OperatorDef::new("Relu").input("x0").output("y");
    group.bench_function("run_operator_once", |b| b.iter(|| workspace.run_operator_once(&relu)));
    group.finish();
}

fn construction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("construction");
    group.throughput(Throughput::Elements(10_000));
    group.sample_size(20);
    let net = chain(10_000);
    let mut workspace = workspace();
    workspace.create_net(&net).expect("a chain of Relus");
    group.bench_function("10000 Relus", |b| {
        b.iter(|| {
            workspace.delete_net("chain");
            workspace.create_net(&net).map(drop)
        });
    });
    group.finish();
}

criterion_group!(benches, dispatch, construction);
criterion_main!(benches);
