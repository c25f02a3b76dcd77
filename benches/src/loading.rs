//! Loads a model, runs it, and prints a line for `benches/loading.sh`, which runs this in a process of its own for each
//! figure: milliseconds to load, the growth of the resident memory at its peak by then, what the blobs take, the growth at
//! its peak after the runs (all three in MiB), and milliseconds of the quickest run.
//!
//! `loading INIT_NET PREDICT_NET INPUT_NPZ [--threads N] [--no-mmap] [--expand-weights]`

use std::time::{Duration, Instant};

use caffe2::files::{self, Mapping};
use caffe2::predictor::{PredictorOptions, Session};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str =
    "usage: loading INIT_NET PREDICT_NET INPUT_NPZ [--threads N] [--no-mmap] [--expand-weights]";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut path = || arguments.next().ok_or(USAGE);
    let (init, net, input) = (path()?, path()?, path()?);
    let mut options = PredictorOptions::new();
    while let Some(argument) = arguments.next() {
        options = match argument.as_str() {
            "--threads" => options.threads(arguments.next().ok_or(USAGE)?.parse()?),
            "--no-mmap" => options.mapping(Mapping::Never),
            "--expand-weights" => options.without_pass("keep_codes"),
            _ => return Err(USAGE.into()),
        };
    }
    let inputs = files::read_tensors(input)?;
    let before = memory("VmRSS:")?;
    let start = Instant::now();
    let predictor = options.load(init, net)?;
    let load = start.elapsed();
    let loaded = memory("VmHWM:")?.saturating_sub(before);
    let mut session = predictor.session()?;
    for (name, tensor) in inputs {
        session.feed(&name, tensor)?;
    }
    let run = best(&mut session)?;
    let ran = memory("VmHWM:")?.saturating_sub(before);
    let blobs = predictor.workspace().memory().used() as u64 / 1024;
    let mib = |kib: u64| kib as f64 / 1024.0;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{:.1} {:.0} {:.0} {:.0} {:.1}", ms(load), mib(loaded), mib(blobs), mib(ran), ms(run));
    Ok(())
}

/// The shortest of the runs within a second, of which the first do not count.
fn best(session: &mut Session) -> Result<Duration> {
    for _ in 0..2 {
        session.execute()?;
    }
    let (start, mut shortest) = (Instant::now(), Duration::MAX);
    while start.elapsed() < Duration::from_secs(1) {
        let run = Instant::now();
        session.execute()?;
        shortest = shortest.min(run.elapsed());
    }
    Ok(shortest)
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(value.trim().trim_end_matches("kB").trim().parse()?)
}
