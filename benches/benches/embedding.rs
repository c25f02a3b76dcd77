//! Sums of rows of an embedding table, one thread: whole operators, on tables in the cache and in memory, beside
//! plain loops.

use std::hint::black_box;

use caffe2::proto::{NetDef, OperatorDef};
use caffe2::{Tensor, Workspace, f16};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const WIDTH: usize = 64;
const LOOKUPS: usize = 100_000;
const PER_GROUP: usize = 20;

/// Indices that follow no pattern.
fn indices(rows: usize) -> Vec<i32> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % rows as u64) as i32
    };
    (0..LOOKUPS).map(|_| next()).collect()
}

/// Rows of byte codes, each with the scale 0.01 and the bias -1.
fn coded(rows: usize) -> Tensor {
    let mut bytes: Vec<u8> = (0..rows * (WIDTH + 8)).map(|i| (i * 7 % 256) as u8).collect();
    for row in bytes.chunks_exact_mut(WIDTH + 8) {
        row[WIDTH..WIDTH + 4].copy_from_slice(&0.01f32.to_le_bytes());
        row[WIDTH + 4..].copy_from_slice(&(-1.0f32).to_le_bytes());
    }
    Tensor::from_slice([rows, WIDTH + 8], &bytes).expect("a table")
}

fn workspace(rows: usize, half: bool) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.set_threads(1);
    let values: Vec<f32> = (0..rows * WIDTH).map(|i| (i % 1000) as f32 * 0.001).collect();
    let table = if half {
        let values: Vec<f16> = values.into_iter().map(f16::from_f32).collect();
        Tensor::from_slice([rows, WIDTH], &values)
    } else {
        Tensor::from_slice([rows, WIDTH], &values)
    };
    workspace.feed("table", table.expect("a table"));
    workspace.feed("weights", Tensor::from_slice([LOOKUPS], &vec![0.5f32; LOOKUPS]).expect("weights"));
    workspace.feed("indices", Tensor::from_slice([LOOKUPS], &indices(rows)).expect("indices"));
    let groups = LOOKUPS / PER_GROUP;
    let lengths = Tensor::from_slice([groups], &vec![PER_GROUP as i32; groups]);
    workspace.feed("lengths", lengths.expect("lengths"));
    workspace
}

fn embedding(criterion: &mut Criterion) {
    for rows in [1000, 1_000_000] {
        let mut group = criterion.benchmark_group(format!("{LOOKUPS} of {rows} rows of {WIDTH}"));
        group.throughput(Throughput::Elements((LOOKUPS * WIDTH) as u64));
        group.sample_size(20);
        for (kind, weighted, half) in [
            ("SparseLengthsSum", false, false),
            ("SparseLengthsMean", false, false),
            ("SparseLengthsWeightedSum", true, false),
            ("SparseLengthsSum", false, true),
        ] {
            let mut workspace = workspace(rows, half);
            let inputs = ["table", "weights", "indices", "lengths"];
            let inputs = inputs.into_iter().filter(|name| weighted || *name != "weights");
            let op = OperatorDef::new(kind).inputs(inputs).output("y");
            workspace.create_net(&NetDef::new("net").op(op)).expect("a net");
            let name = BenchmarkId::new(kind, if half { "float16" } else { "float" });
            group.bench_function(name, |b| b.iter(|| workspace.run_net("net").expect("a run")));
        }
        let mut workspace = workspace(rows, false);
        workspace.feed("table", coded(rows));
        let sum = OperatorDef::new("SparseLengthsSumFused8BitRowwise");
        let op = sum.inputs(["table", "indices", "lengths"]).output("y");
        workspace.create_net(&NetDef::new("net").op(op)).expect("a net");
        let name = BenchmarkId::new("SparseLengthsSumFused8BitRowwise", "uint8");
        group.bench_function(name, |b| b.iter(|| workspace.run_net("net").expect("a run")));
        let (table, indices) = (vec![0.5f32; rows * WIDTH], indices(rows));
        let mut out = vec![0.0f32; LOOKUPS / PER_GROUP * WIDTH];
        group.bench_function("plain loop", |b| b.iter(|| plain_loop(&table, &indices, &mut out)));
        group.finish();
    }
}

#[inline(never)]
fn plain_loop(table: &[f32], indices: &[i32], out: &mut [f32]) {
    for (y, indices) in out.chunks_exact_mut(WIDTH).zip(indices.chunks_exact(PER_GROUP)) {
        y.fill(0.0);
        for &index in indices {
            let row = &table[index as usize * WIDTH..][..WIDTH];
            y.iter_mut().zip(row).for_each(|(y, x)| *y += x);
        }
    }
    black_box(out);
}

criterion_group!(benches, embedding);
criterion_main!(benches);
