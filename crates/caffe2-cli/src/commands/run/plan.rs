//! Reads all files and finds out what is to be done; whatever can be found wrong before anything runs, is.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::files::{Limits, NamedTensors};
use caffe2::operator::{Folder, check_definition};
use caffe2::{EncodedNet, ErrorKind, NetDef, NetFacts, OpRegistry};

use super::args::RunArgs;
use crate::feeds::read_feeds;
use crate::model::{self, Source};
use crate::names::nearest;
use crate::options::{FuseArg, ModelOptions};
use crate::progress::Progress;

/// Everything that a run needs, read and checked.
#[derive(Debug)]
pub(in crate::commands) struct Plan {
    pub(super) net: NetDef,
    pub(super) source: Source,
    pub(in crate::commands) feeds: NamedTensors,
    pub(in crate::commands) fetch: Vec<String>,
    pub(super) output: Option<PathBuf>,
    pub(super) fuse: FuseArg,
    pub(super) options: ModelOptions,
    pub(super) folder: Option<Folder>,
    pub(super) json: bool,
}

impl Plan {
    pub(in crate::commands) fn new(args: &RunArgs, progress: &Progress) -> Result<Plan> {
        if let Some(output) = &args.output {
            check_folder(output)?;
        }
        let options = args.options.clone();
        let limits = options.limits.limits();
        let folder = options.folder()?;
        let (net, source) =
            model::open(&args.net, args.init.as_deref(), &limits, options.mapping(), progress)?;
        check_operator_types(args, source.init().map(EncodedNet::outline), &net)?;
        let feeds = read_feeds(&args.feeds, &limits, progress)?;
        let mut plan = Plan {
            net,
            source,
            feeds,
            fetch: args.fetch.clone(),
            output: args.output.clone(),
            fuse: args.fuse,
            options,
            folder,
            json: args.json,
        };
        plan.check_inputs(args.init.as_deref())?;
        plan.choose_outputs()?;
        Ok(plan)
    }

    /// Tells of what is odd and no mistake by itself.
    pub(in crate::commands) fn warn(&self) {
        let facts = NetFacts::new(&self.net);
        for (name, _) in &self.feeds {
            if facts.reads(name) || self.fetch.contains(name) {
                continue;
            }
            let near = quoted(nearest(name, facts.inputs().map(|(input, _)| input)));
            let hint = if near.is_empty() { String::new() } else { format!("; it reads {near}") };
            tracing::warn!("`{name}` is fed, but the net does not read it{hint}");
        }
        for name in self.source.placeholders(&self.net) {
            if !self.feeds.iter().any(|(fed, _)| *fed == name) {
                tracing::warn!(
                    "`{name}` is not fed: the net runs on the zeros that the init net makes of it"
                );
            }
        }
    }

    /// Refuses a net with inputs that nobody provides.
    fn check_inputs(&self, init_path: Option<&Path>) -> Result<()> {
        let made: HashSet<&str> = self.made_before().collect();
        let facts = NetFacts::new(&self.net);
        let missing: Vec<_> = facts.inputs().filter(|(name, _)| !made.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = missing
            .iter()
            .map(|(name, reader)| {
                let near = quoted(nearest(name, self.feeds.iter().map(|(fed, _)| fed.as_str())));
                let hint = if near.is_empty() { String::new() } else { format!("; fed was {near}") };
                format!("\n  `{name}`, first read by {reader}{hint}")
            })
            .collect();
        let init = match (init_path, &self.source) {
            (Some(path), _) => format!(", nor made by the init net {}", path.display()),
            (None, Source::Predictor(_)) => ", nor parameters of the predictor file".into(),
            (None, _) => ", and there is no init net (--init INIT) that could make them".into(),
        };
        bail!(
            "the net reads blobs that are not fed{init}:{}\nfeed them with --feed FILE (.npz, TensorProtos .pb) \
             or --feed NAME=FILE (.npy)",
            lines.concat()
        )
    }

    /// Blobs that are there when the net starts.
    fn made_before(&self) -> impl Iterator<Item = &str> {
        let by_init = self.source.init().into_iter().flat_map(|init| &init.outline().op);
        let by_init = by_init.flat_map(|op| &op.output);
        let stored = match &self.source {
            Source::Predictor(file) => file.parameters(),
            _ => &[],
        };
        by_init.chain(stored).chain(self.feeds.iter().map(|(name, _)| name)).map(String::as_str)
    }

    /// Settles what to fetch; refuses what nobody makes.
    fn choose_outputs(&mut self) -> Result<()> {
        let facts = NetFacts::new(&self.net);
        if self.fetch.is_empty() {
            self.fetch = facts.outputs();
            return Ok(());
        }
        let known: Vec<&str> = facts.blobs().chain(self.made_before()).collect();
        let unknown: Vec<_> = self.fetch.iter().filter(|name| !known.contains(&name.as_str())).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut lines = String::new();
        for name in unknown {
            lines.push_str(&format!("\n  `{name}`"));
            for near in nearest(name, known.iter().copied()) {
                lines.push_str(&format!("; did you mean `{near}`, {}?", self.origin(near, &facts)));
            }
        }
        bail!(
            "there are no such blobs to fetch:{lines}\nthe outputs of the net are {}",
            quoted(facts.outputs().iter().map(String::as_str).collect())
        )
    }

    /// Where the content of a blob comes from.
    fn origin(&self, blob: &str, facts: &NetFacts<'_>) -> String {
        if let Some(writer) = facts.writer(blob) {
            return format!("written by {writer}");
        }
        if self.feeds.iter().any(|(name, _)| name == blob) {
            return "which is fed".into();
        }
        match self.source.init().and_then(|init| NetFacts::new(init.outline()).writer(blob)) {
            Some(writer) => format!("written by {writer} of the init net"),
            None => "which the net reads".into(),
        }
    }
}

fn quoted(names: Vec<&str>) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Looks at the folder of the output before long work is done for it.
pub(in crate::commands) fn check_folder(output: &Path) -> Result<()> {
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!(
            "{}: there is no folder `{}` to write it to; create it first",
            output.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Reads a net, and gives it a name if it has none.
pub(in crate::commands) fn read_net(path: &Path, limits: &Limits, progress: &Progress) -> Result<NetDef> {
    progress.phase(&format!("reading {}", path.display()));
    model::read_net(path, limits)
}

/// Refuses nets with operator types that are not there, all at once.
fn check_operator_types(args: &RunArgs, init: Option<&NetDef>, net: &NetDef) -> Result<()> {
    let registry = OpRegistry::linked()?;
    let nets = [(args.init.as_deref(), init), (Some(args.net.as_path()), Some(net))];
    let mut problems = Vec::new();
    for (path, net) in nets {
        let (Some(path), Some(net)) = (path, net) else { continue };
        if net.op.iter().all(|op| registry.schema(op.r#type()).is_some()) {
            continue;
        }
        match check_definition(net, &registry) {
            Err(error) if error.kind() == ErrorKind::NotRegistered => {
                problems.push(format!("{}: {error}", path.display()));
            }
            Err(error) => bail!("{}: {error}", path.display()),
            Ok(()) => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}
