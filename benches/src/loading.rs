//! Loads one init net and prints milliseconds, the growth of the resident memory at its peak, and what the blobs take,
//! both in MiB: a line for `benches/loading.sh`, which runs this in a process of its own for each figure.
//!
//! `loading INIT_NET [--threads N] [--no-mmap] [--whole]`; with `--whole` the net is decoded as a whole first.

use std::time::Instant;

use caffe2::Workspace;
use caffe2::files::{self, Limits, Mapping};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: loading INIT_NET [--threads N] [--no-mmap] [--whole]")?;
    let mut workspace = Workspace::new();
    let (mut mapping, mut whole) = (Mapping::LocalFiles, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => workspace.set_threads(arguments.next().ok_or("how many threads?")?.parse()?),
            "--no-mmap" => mapping = Mapping::Never,
            "--whole" => whole = true,
            other => return Err(format!("what is {other}?").into()),
        }
    }
    workspace.registry()?;
    let before = memory("VmRSS:")?;
    let start = Instant::now();
    if whole {
        workspace.run_net_once(&files::read_net(path)?)?;
    } else {
        workspace.run_init_net(Limits::default().open_net(path, mapping)?)?;
    }
    let time = start.elapsed();
    let grown = memory("VmHWM:")?.saturating_sub(before);
    let blobs = workspace.blobs().into_iter().filter_map(|name| workspace.tensor(name).ok());
    let stays: usize = blobs.map(|tensor| tensor.byte_len()).sum();
    println!(
        "{:.1} {:.0} {:.0}",
        time.as_secs_f64() * 1e3,
        grown as f64 / 1024.0,
        stays as f64 / (1 << 20) as f64
    );
    Ok(())
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(value.trim().trim_end_matches("kB").trim().parse()?)
}
