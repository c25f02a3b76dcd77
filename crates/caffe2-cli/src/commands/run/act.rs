//! Runs what was planned.

use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use caffe2::{NetDef, Tensor, Workspace, files};

use super::plan::Plan;
use super::summary;
use crate::progress::Progress;
use crate::stdout;

/// Runs the nets, and shows or writes what was asked for.
pub(super) fn act(plan: Plan, progress: Progress) -> Result<()> {
    let Plan { mut net, source, feeds, fetch, output, fuse, options, folder, json } = plan;
    let mut workspace = options.workspace(folder, &progress);
    workspace.set_memory_limit(remaining(options.limits.memory_limit.0, &feeds)?);
    workspace.set_time_limit(options.time_limit);
    let began = Instant::now();
    source.prepare(&mut workspace, &mut net, !options.expand_weights, &progress)?;
    workspace.set_time_limit(options.time_limit.map(|limit| limit.saturating_sub(began.elapsed())));
    for (name, tensor) in feeds {
        workspace.feed(&name, tensor);
    }
    fuse.fuse(&mut workspace, &mut net, &fetch)?;
    progress.net("running the net", &net);
    run(&mut workspace, &net)?;
    match output {
        None => {
            progress.finish();
            show(&workspace, &fetch, json)
        }
        Some(path) => {
            progress.phase(&format!("writing {}", path.display()));
            let tensors = fetch.into_iter().map(|name| {
                let tensor = workspace.fetch(&name)?;
                Ok((name, tensor))
            });
            files::write_tensors(&path, &tensors.collect::<Result<Vec<_>>>()?)?;
            tracing::debug!("{} is written", path.display());
            Ok(())
        }
    }
}

/// What is left of the memory for blobs that operators make.
fn remaining(limit: usize, feeds: &[(String, Tensor)]) -> Result<usize> {
    let fed: usize = feeds.iter().map(|(_, tensor)| tensor.byte_len()).sum();
    limit
        .checked_sub(fed)
        .ok_or_else(|| anyhow!("the feeds take {fed} bytes, and --memory-limit allows {limit}; raise it"))
}

fn run(workspace: &mut Workspace, net: &NetDef) -> Result<()> {
    let name = workspace.create_net(net)?.info().name().to_owned();
    workspace.run_net(&name)?;
    Ok(())
}

fn show(workspace: &Workspace, fetch: &[String], json: bool) -> Result<()> {
    let blob = |name: &String| match workspace.blob(name) {
        Some(blob) => Ok((name.clone(), blob)),
        None => bail!("there is no blob `{name}` after the run"),
    };
    let blobs = fetch.iter().map(blob).collect::<Result<Vec<_>>>()?;
    if json {
        let described = blobs.iter().map(|(name, blob)| summary::json(name, blob));
        let described = described.collect::<Result<Vec<_>, _>>()?;
        return stdout::print(format!("{:#}\n", serde_json::Value::from(described)).as_bytes());
    }
    let mut text = Vec::new();
    for (name, blob) in blobs {
        summary::write(&mut text, &name, blob)?;
    }
    stdout::print(&text)
}
