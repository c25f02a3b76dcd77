//! How long the nets of the zoo take: one picture, the best of many runs, with one thread and with two.
//!
//! `cargo run --release -p caffe2-benches --bin zoo -- [--profile] [NET…]`: without names all nets. `--profile` says
//! instead how long the operators of each type take together, with one thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use caffe2::{Tensor, TimeObserver, Workspace};
use caffe2_zoo::Model;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let profile = wanted.iter().any(|argument| argument == "--profile");
    wanted.retain(|argument| argument != "--profile");
    if wanted.is_empty() {
        wanted = caffe2_zoo::names().map(str::to_owned).collect();
    }
    for name in wanted {
        let model = caffe2_zoo::model(&name).ok_or_else(|| format!("no net `{name}` in the zoo"))?;
        let mut workspace = ready(&model)?;
        if profile {
            workspace.set_threads(1);
            print_profile(&model, &mut workspace)?;
        } else {
            let mut times = [0.0; 2];
            for (time, threads) in times.iter_mut().zip([1, 2]) {
                workspace.set_threads(threads);
                *time = best(&mut workspace, &name)?.as_secs_f64() * 1e3;
            }
            println!("{name} {:.2} {:.2}", times[0], times[1]);
        }
    }
    Ok(())
}

/// A workspace with the weights, a picture, and the net.
fn ready(model: &Model) -> Result<Workspace> {
    let mut workspace = Workspace::new();
    workspace.run_net_once(model.init_net())?;
    workspace.feed(model.input(), Tensor::from_slice(model.input_dims(), &model.picture(1))?);
    workspace.create_net(model.predict_net())?;
    Ok(workspace)
}

/// The shortest run within a second and a half, after two that do not count.
fn best(workspace: &mut Workspace, net: &str) -> Result<Duration> {
    for _ in 0..2 {
        workspace.run_net(net)?;
    }
    let until = Instant::now() + Duration::from_millis(1500);
    let mut shortest = Duration::MAX;
    while Instant::now() < until {
        let start = Instant::now();
        workspace.run_net(net)?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest)
}

fn print_profile(model: &Model, workspace: &mut Workspace) -> Result<()> {
    best(workspace, model.name())?;
    let timer = Arc::new(TimeObserver::new());
    let net = workspace.net_mut(model.name()).ok_or("the net is gone")?;
    net.attach(timer.clone());
    best(workspace, model.name())?;
    let mut by_type: BTreeMap<&str, (usize, Duration)> = BTreeMap::new();
    for (op, time) in model.predict_net().op.iter().zip(timer.averages_of_operators()) {
        let entry = by_type.entry(op.r#type()).or_default();
        *entry = (entry.0 + 1, entry.1 + time);
    }
    println!("{}: {:.2} ms", model.name(), timer.average().as_secs_f64() * 1e3);
    let mut rows: Vec<_> = by_type.into_iter().collect();
    rows.sort_by_key(|&(_, (_, time))| std::cmp::Reverse(time));
    for (kind, (count, time)) in rows {
        println!("{:>10.3} ms {count:>4} {kind}", time.as_secs_f64() * 1e3);
    }
    Ok(())
}
