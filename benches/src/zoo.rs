//! How long the nets of the zoo take here: one picture, the best of many runs, with one thread and with two.
//!
//! `zoo FOLDER NET` reads `FOLDER/NET`, which `write_zoo` of crates/caffe2-zoo writes, and prints a line for
//! `benches/zoo.sh`: milliseconds with one thread, with two, milliseconds until the model is loaded, and MiB of memory
//! that the process took at most.
//!
//! `zoo --profile [NET…]` says which types of operators the time of a net goes to, with one thread, and how fast they
//! are; without names for all nets. Options for both: `--without PASS` leaves out a pass of the predictor, `--winograd` adds that one; `--list` in
//! place of all prints every operator.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use caffe2::files::read_tensors;
use caffe2::operator::{BlobInfos, Cost, TensorInfo, infer_net};
use caffe2::predictor::Winograd;
use caffe2::{EncodedNet, NetInfo, Observer, OpInfo, Predictor, PredictorOptions, Session, Tensor};
use caffe2_zoo::Model;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let (mut words, mut without) = (Vec::new(), Vec::new());
    let (mut profile, mut list, mut winograd) = (false, false, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--profile" => profile = true,
            "--list" => (profile, list) = (true, true),
            "--winograd" => winograd = true,
            "--without" => without.push(arguments.next().ok_or("--without which pass?")?),
            _ => words.push(argument),
        }
    }
    let options = |threads: usize| {
        let options = PredictorOptions::new().threads(threads);
        let options = if winograd { options.pass(Winograd) } else { options };
        without.iter().fold(options, |options, pass| options.without_pass(pass.as_str()))
    };
    if profile {
        if words.is_empty() {
            words = caffe2_zoo::names().map(str::to_owned).collect();
        }
        for name in &words {
            let model = caffe2_zoo::model(name).ok_or_else(|| format!("no net `{name}` in the zoo"))?;
            print_profile(&model, options(1), list)?;
        }
        return Ok(());
    }
    let [folder, net] = words.as_slice() else {
        return Err("usage: zoo FOLDER NET | --profile [NET…]".into());
    };
    let folder = Path::new(folder).join(net);
    let load = |threads| options(threads).load(folder.join("init_net.pb"), folder.join("predict_net.pb"));
    let start = Instant::now();
    let predictor = load(1)?;
    let loaded = start.elapsed();
    let inputs = read_tensors(folder.join("input.npz"))?;
    let one = best(&mut fed(&predictor, &inputs)?)?;
    let peak = peak_memory()?;
    drop(predictor);
    let two = best(&mut fed(&load(2)?, &inputs)?)?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{net} {:.2} {:.2} {:.0} {peak:.0}", milliseconds(one), milliseconds(two), milliseconds(loaded));
    Ok(())
}

/// A session with its inputs.
fn fed(predictor: &Predictor, inputs: &[(String, Tensor)]) -> Result<Session> {
    let mut session = predictor.session()?;
    for (name, tensor) in inputs {
        session.feed(name, tensor.clone())?;
    }
    Ok(session)
}

/// The shortest run within eight tenths of a second, after one that does not count.
fn best(session: &mut Session) -> Result<Duration> {
    session.execute()?;
    let until = Instant::now() + Duration::from_millis(800);
    let mut shortest = Duration::MAX;
    while Instant::now() < until {
        let start = Instant::now();
        session.execute()?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest)
}

/// MiB that this process has taken at most.
fn peak_memory() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(value.trim().trim_end_matches("kB").trim().parse::<f64>()? / 1024.0)
}

/// What operators of one type, or one operator, do and take.
#[derive(Debug, Default, Clone, Copy)]
struct Row {
    count: usize,
    time: Duration,
    macs: u64,
    bytes: u64,
}

impl Row {
    fn add(&mut self, time: Duration, cost: Cost) {
        self.count += 1;
        self.time += time;
        self.macs += cost.macs;
        self.bytes += cost.bytes_read + cost.bytes_written;
    }

    fn print(&self, what: &str) {
        let seconds = self.time.as_secs_f64().max(1e-9);
        println!(
            "{:>9.3} ms {:>4} {what:<24} {:>7.1} GFLOP/s {:>7.1} GB/s",
            seconds * 1e3,
            self.count,
            2e-9 * self.macs as f64 / seconds,
            1e-9 * self.bytes as f64 / seconds
        );
    }
}

/// The shortest time that each operator of one net took.
#[derive(Debug)]
struct Quickest {
    net: String,
    operators: Mutex<Vec<(Instant, Duration)>>,
}

impl Quickest {
    fn new(net: &str) -> Quickest {
        Quickest { net: net.to_owned(), operators: Mutex::default() }
    }

    fn times(&self) -> Vec<Duration> {
        let operators = self.operators.lock().unwrap_or_else(PoisonError::into_inner);
        operators.iter().map(|(_, shortest)| *shortest).collect()
    }

    fn with(&self, net: &NetInfo, op: &OpInfo, change: impl FnOnce(&mut (Instant, Duration))) {
        if net.name() == self.net {
            let mut operators = self.operators.lock().unwrap_or_else(PoisonError::into_inner);
            if operators.len() < net.ops().len() {
                operators.resize(net.ops().len(), (Instant::now(), Duration::MAX));
            }
            change(&mut operators[op.position()]);
        }
    }
}

impl Observer for Quickest {
    fn op_start(&self, net: &NetInfo, op: &OpInfo) {
        self.with(net, op, |(started, _)| *started = Instant::now());
    }

    fn op_stop(&self, net: &NetInfo, op: &OpInfo, _: bool) {
        self.with(net, op, |(started, shortest)| *shortest = started.elapsed().min(*shortest));
    }
}

fn print_profile(model: &Model, options: PredictorOptions, list: bool) -> Result<()> {
    let timer = Arc::new(Quickest::new(model.name()));
    let init = EncodedNet::from(model.init_net().clone());
    let predictor = options.observer(timer.clone()).build(init, model.predict_net().clone())?;
    let picture = Tensor::from_slice(model.input_dims(), &model.picture(1))?;
    let mut session = fed(&predictor, &[(model.input().to_owned(), picture.clone())])?;
    let shortest = best(&mut session)?;

    let workspace = predictor.workspace();
    let mut known = BlobInfos::default();
    known.insert(model.input(), TensorInfo::from(&picture));
    for name in workspace.blobs() {
        if let Ok(tensor) = workspace.tensor(name) {
            known.insert(name, TensorInfo::from(tensor));
        }
    }
    let inferred = infer_net(&workspace.registry()?, predictor.net(), &mut known)?;
    let operators = predictor.net().op.iter().zip(&inferred).zip(timer.times());
    let (mut by_type, mut all) = (BTreeMap::<&str, Row>::new(), Row::default());
    println!("{}: {:.2} ms", model.name(), shortest.as_secs_f64() * 1e3);
    for ((op, inferred), time) in operators {
        all.add(time, inferred.cost);
        by_type.entry(op.r#type()).or_default().add(time, inferred.cost);
        if list {
            let mut row = Row::default();
            row.add(time, inferred.cost);
            let dims = op.input.iter().take(2).filter_map(|name| known.get(name)?.shape.as_ref());
            let dims: Vec<String> = dims.map(|shape| shape.to_string()).collect();
            row.print(&format!("{} {} {}", op.r#type(), op.output[0], dims.join(" ")));
        }
    }
    let mut rows: Vec<_> = by_type.into_iter().collect();
    rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.time));
    rows.iter().for_each(|(kind, row)| row.print(kind));
    all.print("all");
    Ok(())
}
