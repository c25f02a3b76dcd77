//! Rows of codes: dequantization by whole operators, and sums of rows picked from tables.

use std::hint::black_box;
use std::time::Duration;

use caffe2::proto::{NetDef, OperatorDef};
use caffe2::{Blob, Tensor, Workspace};

use crate::{Result, best};

/// Values in a row.
const WIDTH: usize = 256;

/// Nanoseconds per element of operators, output reused and fresh, with one thread and two, beside a plain loop.
pub(crate) fn dequantization() -> Result<()> {
    for op in ["ByteWeightDequant", "Fused8BitRowwiseQuantizedToFloat"] {
        println!("{op}, rows of {WIDTH}, ns per element");
        println!(
            "{:>12} {:>10} {:>10} {:>10} {:>10} {:>12}",
            "elements", "reused", "fresh", "reused, 2", "fresh, 2", "plain loop"
        );
        for size in [4usize << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20] {
            print!("{size:>12}");
            for threads in [1, 2] {
                let mut workspace = dequantizing(op, size, threads)?;
                print!(" {:>10.3}", per_element(size, || workspace.run_net("dequantize").map(drop))?);
                let fresh = per_element(size, || {
                    if let Some(blob) = workspace.blob_mut("y") {
                        *blob = Blob::default();
                    }
                    workspace.run_net("dequantize")
                });
                print!(" {:>10.3}", fresh?);
            }
            let rows = size / WIDTH;
            let codes = codes(size);
            let lines = vec![[0.01f32, -1.0]; rows];
            let mut out = vec![0.0f32; size];
            let plain = per_element(size, || {
                plain_loop(black_box(&codes), black_box(&lines), &mut out);
                Ok(())
            })?;
            println!(" {plain:>12.3}");
        }
        println!();
    }
    Ok(())
}

fn codes(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 7 % 256) as u8).collect()
}

/// What compilers make of the formula for a processor with AVX2.
#[inline(never)]
fn plain_loop(codes: &[u8], lines: &[[f32; 2]], out: &mut [f32]) {
    caffe2_kernels::Isa::Avx2.dispatch(
        #[inline(always)]
        move || {
            let rows = out.chunks_exact_mut(WIDTH).zip(codes.chunks_exact(WIDTH)).zip(lines);
            for ((out, codes), [scale, bias]) in rows {
                out.iter_mut().zip(codes).for_each(|(y, q)| *y = f32::from(*q) * scale + bias);
            }
        },
    );
}

/// A workspace with the net `dequantize` of one operator from `x` to `y`.
fn dequantizing(op: &str, size: usize, threads: usize) -> Result<Workspace> {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    let def = OperatorDef::new(op).input("x").output("y");
    if op == "ByteWeightDequant" {
        workspace.feed("x", Tensor::from_slice([size], &codes(size))?);
    } else {
        workspace.feed("x", table(size / WIDTH, WIDTH)?);
    }
    workspace.create_net(&NetDef::new("dequantize").op(def))?;
    Ok(workspace)
}

/// Rows of byte codes, each with the scale 0.01 and the bias -1.
fn table(rows: usize, width: usize) -> Result<Tensor> {
    let mut bytes = codes(rows * (width + 8));
    for row in bytes.chunks_exact_mut(width + 8) {
        row[width..width + 4].copy_from_slice(&0.01f32.to_le_bytes());
        row[width + 4..].copy_from_slice(&(-1.0f32).to_le_bytes());
    }
    Ok(Tensor::from_slice([rows, width + 8], &bytes)?)
}

/// The shortest time of some work on `size` elements, for each of them. Small sizes are repeated within a measurement.
fn per_element(size: usize, mut work: impl FnMut() -> std::result::Result<(), caffe2::Error>) -> Result<f64> {
    let times = ((1 << 18) / size).max(1);
    let mut failed = Ok(());
    let time = best(|| {
        for _ in 0..times {
            if let Err(error) = work() {
                failed = Err(error);
            }
        }
    });
    failed?;
    Ok(time.as_secs_f64() * 1e9 / (size * times) as f64)
}

/// Groups of rows that are summed at a time, and how often with other indices.
const BATCH: usize = 100;
const BATCHES: usize = 64;

/// Nanoseconds for each row that `SparseLengthsSumFused8BitRowwise` and its like on floats read.
pub(crate) fn lookups() -> Result<()> {
    println!("sums of rows, groups of 20 to 50, batches of {BATCH}, ns per row read");
    println!("{:>20} {:>10} {:>10} {:>10} {:>10}", "table", "8 bits", "8 bits, 2", "4 bits", "float");
    for (rows, width) in [(100_000, 64), (1_000_000, 128)] {
        print!("{:>20}", format!("{rows} x {width}"));
        let eight = "SparseLengthsSumFused8BitRowwise";
        for (op, threads) in
            [(eight, 1), (eight, 2), ("SparseLengthsSumFused4BitRowwise", 1), ("SparseLengthsSum", 1)]
        {
            print!(" {:>10.2}", lookup(op, rows, width, threads)?);
        }
        println!();
    }
    println!();
    Ok(())
}

fn lookup(op: &str, rows: usize, width: usize, threads: usize) -> Result<f64> {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    let data = match op {
        "SparseLengthsSumFused8BitRowwise" => table(rows, width)?,
        "SparseLengthsSumFused4BitRowwise" => {
            // Any bytes are codes; scale and bias must be numbers.
            let mut bytes = codes(rows * (width / 2 + 4));
            for row in bytes.chunks_exact_mut(width / 2 + 4) {
                row[width / 2..].copy_from_slice(&[0, 0x20, 0, 0xbc]);
            }
            Tensor::from_slice([rows, width / 2 + 4], &bytes)?
        }
        _ => Tensor::from_slice([rows, width], &vec![0.5f32; rows * width])?,
    };
    workspace.feed("data", data);
    let mut net = NetDef::new("sums");
    let (mut state, mut read) = (1u64, 0);
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for batch in 0..BATCHES {
        let lengths: Vec<i32> = (0..BATCH).map(|_| 20 + next(31) as i32).collect();
        let count = lengths.iter().sum::<i32>() as usize;
        let indices: Vec<i64> = (0..count).map(|_| next(rows) as i64).collect();
        read += count;
        workspace.feed(&format!("i{batch}"), Tensor::from_slice([count], &indices)?);
        workspace.feed(&format!("l{batch}"), Tensor::from_slice([BATCH], &lengths)?);
        let inputs = ["data".to_string(), format!("i{batch}"), format!("l{batch}")];
        net = net.op(OperatorDef::new(op).inputs(inputs).output("y"));
    }
    workspace.create_net(&net)?;
    let mut failed = Ok(());
    let time: Duration = best(|| {
        if let Err(error) = workspace.run_net("sums") {
            failed = Err(error);
        }
    });
    failed?;
    Ok(time.as_secs_f64() * 1e9 / read as f64)
}
