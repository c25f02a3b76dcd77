//! Products with weights that stay bytes, beside those with floats.

use std::hint::black_box;

use caffe2::proto::{NetDef, OperatorDef};
use caffe2::transform::keep_codes::keep_codes;
use caffe2::{Tensor, Workspace};

use crate::{Result, best};

/// Inputs and outputs of the first fully connected layer of VGG.
const K: usize = 25_088;
const N: usize = 4096;

/// Times in milliseconds of `FC` and `FCTransposed` on weights of this size.
pub(crate) fn products() -> Result<()> {
    let codes: Vec<u8> = (0..N * K).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let codes = Tensor::from_slice([N * K], &codes)?;
    println!("Y [M, {N}] = X [M, {K}] times weights of {} bytes, ms", N * K);
    println!("{:>14} {:>6} {:>8} {:>10} {:>10}", "", "M", "threads", "floats", "bytes");
    for (op, dims) in [("FC", [N, K]), ("FCTransposed", [K, N])] {
        for m in [1, 2, 3, 4, 8, 16, 32, 64] {
            for threads in [1, 2] {
                let time = |keep| time(op, dims, m, threads, &codes, keep);
                println!("{op:>14} {m:>6} {threads:>8} {:>10.2} {:>10.2}", time(false)?, time(true)?);
            }
        }
    }
    let (q, x) = (codes.as_slice::<u8>()?, vec![0.5f32; K]);
    let mut y = vec![0.0f32; N];
    let plain = best(|| plain_loop(black_box(q), black_box(&x), &mut y));
    println!("a plain loop over the bytes, one row: {:.2} ms\n", plain.as_secs_f64() * 1e3);
    Ok(())
}

fn time(op: &str, dims: [usize; 2], m: usize, threads: usize, codes: &Tensor, keep: bool) -> Result<f64> {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    workspace.feed("q", codes.clone());
    let dims = dims.map(|d| d as i64).to_vec();
    let dequant = OperatorDef::new("ByteWeightDequant").input("q").output("w").arg("shape", dims);
    let range = dequant.arg("min", -0.02f32).arg("max", 0.03f32).arg("keep_codes", keep);
    workspace.run_operator_once(&range)?;
    workspace.feed("x", Tensor::from_slice([m, K], &vec![0.5f32; m * K])?);
    workspace.feed("b", Tensor::zeros::<f32>([N])?);
    let op = OperatorDef::new(op).inputs(["x", "w", "b"]).output("y");
    workspace.create_net(&NetDef::new("net").external_inputs(["x", "w", "b"]).op(op))?;
    run_time(&mut workspace, "net")
}

/// The shortest time of a run, in milliseconds.
fn run_time(workspace: &mut Workspace, net: &str) -> Result<f64> {
    let mut ran = workspace.run_net(net);
    let time = best(|| ran = workspace.run_net(net));
    ran?;
    Ok(time.as_secs_f64() * 1e3)
}

/// What the bytes cost where nothing is done but to read them: `y = (q * scale + min) * x`, summed as written.
fn plain_loop(q: &[u8], x: &[f32], y: &mut [f32]) {
    for (y, row) in y.iter_mut().zip(q.chunks_exact(x.len())) {
        *y = row.iter().zip(x).map(|(q, x)| (f32::from(*q) * 2e-4 - 0.02) * x).sum();
    }
}

/// Nets of the zoo with and without the pass: times of a run, and memory for weights.
pub(crate) fn nets() -> Result<()> {
    println!("nets of the zoo, one picture: ms of a run, and MB that blobs take after it");
    println!("{:>14} {:>8} {:>10} {:>10} {:>10} {:>10}", "", "threads", "floats", "bytes", "MB", "MB");
    for name in ["alexnet", "googlenet", "mobilenet_v2", "resnet50", "squeezenet"] {
        let Some(model) = caffe2_zoo::model(name) else { continue };
        for threads in [1, 2] {
            let run = |keep: bool| -> Result<(f64, f64)> {
                let (mut init, mut predict) = (model.init_net().clone(), model.predict_net().clone());
                if keep {
                    keep_codes(&mut init, &mut predict);
                }
                let mut workspace = Workspace::new();
                workspace.set_threads(threads);
                workspace.run_net_once(&init)?;
                let picture = Tensor::from_slice(model.input_dims(), &model.picture(1))?;
                workspace.feed(model.input(), picture);
                workspace.create_net(&predict)?;
                let time = run_time(&mut workspace, name)?;
                Ok((time, workspace.memory().used() as f64 / 1e6))
            };
            let ((floats, floats_mb), (bytes, bytes_mb)) = (run(false)?, run(true)?);
            println!(
                "{name:>14} {threads:>8} {floats:>10.2} {bytes:>10.2} {floats_mb:>10.1} {bytes_mb:>10.1}"
            );
        }
    }
    println!();
    Ok(())
}
