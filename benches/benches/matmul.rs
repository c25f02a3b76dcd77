//! Products of matrices, one thread: whole operators, from large matrices to batches of tiny ones.

use caffe2::proto::{NetDef, OperatorDef};
use caffe2::{Tensor, Workspace};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The operator with the shapes of its inputs, and the number of multiply-adds.
struct Case {
    op: OperatorDef,
    shapes: Vec<Vec<usize>>,
    macs: usize,
}

fn case(op: OperatorDef, shapes: &[&[usize]], macs: usize) -> Case {
    Case { op, shapes: shapes.iter().map(|shape| shape.to_vec()).collect(), macs }
}

fn cases() -> Vec<Case> {
    let of = OperatorDef::new;
    let batch = || of("BatchMatMul");
    vec![
        case(of("MatMul"), &[&[64, 64], &[64, 64]], 64 * 64 * 64),
        case(of("MatMul"), &[&[512, 512], &[512, 512]], 512 * 512 * 512),
        case(of("MatMul").arg("trans_b", 1), &[&[512, 512], &[512, 512]], 512 * 512 * 512),
        case(of("FC"), &[&[1, 1024], &[1024, 1024], &[1024]], 1024 * 1024),
        case(of("FC"), &[&[64, 1024], &[1024, 1024], &[1024]], 64 * 1024 * 1024),
        case(of("FCTransposed"), &[&[64, 1024], &[1024, 1024], &[1024]], 64 * 1024 * 1024),
        case(batch(), &[&[10000, 4, 4], &[10000, 4, 4]], 10000 * 4 * 4 * 4),
        case(batch(), &[&[1000, 16, 16], &[1000, 16, 16]], 1000 * 16 * 16 * 16),
        case(batch(), &[&[96, 128, 64], &[96, 64, 128]], 96 * 128 * 64 * 128),
        case(batch().arg("trans_b", 1), &[&[96, 128, 64], &[96, 128, 64]], 96 * 128 * 64 * 128),
        case(batch().arg("broadcast", 1), &[&[1000, 4, 64], &[64, 64]], 1000 * 4 * 64 * 64),
        case(batch().arg("broadcast", 1), &[&[64, 64], &[1000, 64, 4]], 1000 * 4 * 64 * 64),
    ]
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("products");
    group.sample_size(20);
    for Case { op, shapes, macs } in cases() {
        let mut workspace = Workspace::new();
        workspace.set_threads(1);
        let names = ["a", "b", "c"].into_iter().take(shapes.len());
        for (name, shape) in names.clone().zip(&shapes) {
            let values: Vec<f32> =
                (0..shape.iter().product()).map(|i: usize| (i % 17) as f32 * 0.1).collect();
            workspace.feed(name, Tensor::from_slice(&shape[..], &values).expect("a tensor"));
        }
        let id =
            BenchmarkId::new(op.r#type(), format!("{shapes:?}{}", if op.arg.is_empty() { "" } else { " *" }));
        workspace.create_net(&NetDef::new("net").op(op.inputs(names).output("y"))).expect("a net");
        group.throughput(Throughput::Elements(macs as u64));
        group.bench_function(id, |b| b.iter(|| workspace.run_net("net").expect("a run")));
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
