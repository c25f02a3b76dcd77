//! Prints the figures of `docs/performance.md` that need no peer: each the best of many runs, one thread unless they say
//! otherwise. Arguments choose parts: `dequantization`, `rows`, `overhead`, `detector`, `products`, `nets`.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use caffe2::files;
use caffe2::proto::{NetDef, OperatorDef};
use caffe2::{Tensor, Workspace};
use caffe2_kernels::dequant::{CodeMap, dequantize};
use caffe2_kernels::{Isa, Threads};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

mod byte_products;
mod rows;

fn main() -> Result<()> {
    let named: Vec<_> = std::env::args().skip(1).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    println!("instruction set: {}\n", Isa::current().name());
    if wanted("dequantization") {
        dequantization();
    }
    if wanted("rows") {
        rows::dequantization()?;
        rows::lookups()?;
    }
    if wanted("overhead") {
        overhead()?;
    }
    if wanted("detector") {
        detector()?;
    }
    if wanted("products") {
        byte_products::products()?;
    }
    if wanted("nets") {
        byte_products::nets()?;
    }
    Ok(())
}

/// The shortest of the times that `work` takes, over at least half a second.
fn best(mut work: impl FnMut()) -> Duration {
    let until = Instant::now() + Duration::from_millis(500);
    let mut shortest = Duration::MAX;
    while Instant::now() < until {
        let start = Instant::now();
        work();
        shortest = shortest.min(start.elapsed());
    }
    shortest
}

fn dequantization() {
    println!("ByteWeightDequant, G elements/s, reused output");
    println!("{:>12} {:>10} {:>12} {:>12}", "elements", "kernel", "plain loop", "float copy");
    for size in [4usize << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20] {
        let codes: Vec<u8> = (0..size).map(|i| (i * 7 % 256) as u8).collect();
        let floats = vec![1.0f32; size];
        let mut out = vec![0.0f32; size];
        // Small sizes are repeated within a measurement, since a clock reading takes as long as they do.
        let times = (1 << 20) / size.min(1 << 20);
        let rate = |time: Duration| (size * times) as f64 / time.as_secs_f64() / 1e9;
        let map = CodeMap::from_range(-3.0, 3.0);
        let mut repeat = |work: &dyn Fn(&mut [f32])| {
            rate(best(|| (0..times).for_each(|_| work(black_box(out.as_mut_slice())))))
        };
        let kernel = repeat(&|out| dequantize(&Threads::single(), black_box(&codes), map, out));
        let plain = repeat(&|out| {
            let scale = 6.0 / 255.0;
            out.iter_mut().zip(black_box(&codes)).for_each(|(y, q)| *y = f32::from(*q) * scale - 3.0);
        });
        let copy = repeat(&|out| out.copy_from_slice(black_box(&floats)));
        println!("{size:>12} {kernel:>10.2} {plain:>12.2} {copy:>12.2}");
    }
    println!();
}

/// `chains` chains of one-element `Relu`s, `length` operators together.
fn chains(chains: usize, length: usize) -> NetDef {
    let mut net = NetDef::new("chains").external_input("x");
    for i in 0..length {
        let (chain, place) = (i % chains, i / chains);
        let input = if place == 0 { "x".to_owned() } else { format!("x{chain}_{place}") };
        net = net.op(OperatorDef::new("Relu").input(input).output(format!("x{chain}_{}", place + 1)));
    }
    net
}

fn parallel(net: NetDef) -> NetDef {
    NetDef { num_workers: Some(2), ..net.with_type("dag") }
}

/// The time that an operator of a net takes, in nanoseconds.
fn per_operator(threads: usize, net: &NetDef) -> Result<f64> {
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    workspace.feed("x", Tensor::from_slice([1], &[1.0f32])?);
    workspace.create_net(net)?;
    let mut failed = Ok(());
    let run = best(|| {
        if let Err(error) = workspace.run_net(net.name()) {
            failed = Err(error);
        }
    });
    failed?;
    Ok(run.as_secs_f64() * 1e9 / net.op.len() as f64)
}

/// The time that an operator takes to be built in a net, in microseconds.
fn build_per_operator(net: &NetDef) -> Result<f64> {
    let mut workspace = Workspace::new();
    workspace.feed("x", Tensor::from_slice([1], &[1.0f32])?);
    workspace.create_net(net)?;
    let build = best(|| {
        workspace.delete_net(net.name());
        let built = workspace.create_net(net).map(drop);
        black_box(&built);
    });
    Ok(build.as_secs_f64() * 1e6 / net.op.len() as f64)
}

fn overhead() -> Result<()> {
    let (one, two) = (chains(1, 1000), chains(2, 1000));
    println!("1000 one-element Relus, ns per operator:");
    println!("  a chain, simple: {:.1}", per_operator(1, &one)?);
    println!("  a chain, dag with 2 workers: {:.1}", per_operator(2, &parallel(one))?);
    println!("  two chains, simple: {:.1}", per_operator(1, &two)?);
    println!("  two chains, dag with 2 workers: {:.1}", per_operator(2, &parallel(two))?);
    let many = parallel(chains(500, 1000));
    println!("  500 chains of two, dag with 2 workers: {:.1}", per_operator(2, &many)?);

    println!("building 10000 of them, us per operator:");
    println!("  a chain, simple: {:.2}", build_per_operator(&chains(1, 10_000))?);
    println!("  a chain, dag: {:.2}", build_per_operator(&parallel(chains(1, 10_000)))?);
    println!("  100 chains, dag: {:.2}", build_per_operator(&parallel(chains(100, 10_000)))?);

    let mut workspace = Workspace::new();
    workspace.feed("x", Tensor::from_slice([1], &[1.0f32])?);
    let relu = OperatorDef::new("Relu").input("x").output("y");
    workspace.run_operator_once(&relu)?;
    let once = best(|| {
        for _ in 0..1000 {
            let ran = workspace.run_operator_once(&relu);
            black_box(&ran);
        }
    });
    println!("run_operator_once: {:.2} us\n", once.as_secs_f64() * 1e6 / 1000.0);
    Ok(())
}

fn detector() -> Result<()> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/models/tiny_face_detector"));
    let mut workspace = Workspace::new();
    workspace.set_threads(1);
    let mut loaded = Ok(());
    let load = allocation_counter::measure(|| loaded = load(&mut workspace, folder));
    loaded?;
    let kept = workspace.memory().used() as u64;
    let file = std::fs::metadata(folder.join("init_net.pb"))?.len();
    println!("tiny_face_detector, init net of {file} bytes, whose floats take {kept} bytes:");
    println!("  loading: peak of {} heap bytes, {} left after", load.bytes_max, load.bytes_current);

    for (name, tensor) in files::read_tensors(folder.join("input.npz"))? {
        workspace.feed(&name, tensor);
    }
    workspace.create_net(&files::read_net(folder.join("predict_net.pb"))?)?;
    let name = "tiny_face_detector";
    workspace.run_net(name)?;
    let mut ran = Ok(());
    let second = allocation_counter::measure(|| ran = workspace.run_net(name));
    ran?;
    println!("  heap allocations in the second run: {}", second.count_total);
    for threads in [1, 2] {
        workspace.set_threads(threads);
        let mut ran = Ok(());
        let time = best(|| ran = workspace.run_net(name));
        ran?;
        println!("  a run with {threads} threads: {:.2} ms", time.as_secs_f64() * 1e3);
    }
    Ok(())
}

fn load(workspace: &mut Workspace, folder: &Path) -> Result<()> {
    workspace.run_net_once(&files::read_net(folder.join("init_net.pb"))?)?;
    Ok(())
}
