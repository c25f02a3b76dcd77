//! Prints the figures of `docs/performance.md` that need no peer: each the best of many runs, one thread unless they say
//! otherwise. An argument chooses one part: `dequantization`, `rows`, `overhead`, `detector`, `products` or
//! `nets`.

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
    let part = std::env::args().nth(1);
    let wanted = |name| part.as_deref().is_none_or(|part| part == name);
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

fn chain(length: usize) -> NetDef {
    let relu = |i: usize| OperatorDef::new("Relu").input(format!("x{i}")).output(format!("x{}", i + 1));
    NetDef::new("chain").external_input("x0").ops((0..length).map(relu)).external_output(format!("x{length}"))
}

fn overhead() -> Result<()> {
    let mut workspace = Workspace::new();
    workspace.set_threads(1);
    workspace.feed("x0", Tensor::from_slice([1], &[1.0f32])?);
    workspace.create_net(&chain(1000))?;
    let mut failed = Ok(());
    let run = best(|| {
        if let Err(error) = workspace.run_net("chain") {
            failed = Err(error);
        }
    });
    failed?;
    println!("chain of 1000 one-element Relus: {:.1} ns per operator", run.as_secs_f64() * 1e9 / 1000.0);

    let long = chain(10_000);
    workspace.create_or_replace_net(&long)?;
    let build = best(|| {
        workspace.delete_net("chain");
        let built = workspace.create_net(&long).map(drop);
        black_box(&built);
    });
    println!("building 10000 operators: {:.2} us per operator", build.as_secs_f64() * 1e6 / 10_000.0);

    let relu = OperatorDef::new("Relu").input("x0").output("y");
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
