//! Reads all files and finds out what is to be done.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use caffe2::NetDef;
use caffe2::files::{Limits, NamedTensors};
use caffe2_transform::quantize::QuantizeOptions;

use super::args::{QuantizeArgs, SchemeArg};
use crate::commands::run;
use crate::progress::Progress;

/// Everything that is needed, read and checked.
pub(super) struct Plan {
    pub(super) init: NetDef,
    pub(super) init_path: PathBuf,
    pub(super) net: NetDef,
    pub(super) options: QuantizeOptions,
    pub(super) output_init: PathBuf,
    pub(super) output_net: Option<PathBuf>,
    pub(super) comparison: Option<Comparison>,
    pub(super) json: bool,
}

/// What to run both nets on.
pub(super) struct Comparison {
    pub(super) feeds: NamedTensors,
    /// The outputs of the net.
    pub(super) fetch: Vec<String>,
}

impl Plan {
    pub(super) fn new(args: &QuantizeArgs, progress: &Progress) -> Result<Plan> {
        check_outputs(args)?;
        let read = |path: &Path| run::read_net(path, &Limits::default(), progress);
        let (init, net) = (read(&args.init)?, read(&args.net)?);
        let comparison = match args.feeds.as_slice() {
            [] => None,
            feeds => {
                let args = run::RunArgs::of_files(args.net.clone(), args.init.clone(), feeds.to_vec());
                let plan = run::Plan::new(&args, progress)?;
                progress.aside(|| plan.warn());
                Some(Comparison { feeds: plan.feeds, fetch: plan.fetch })
            }
        };
        let fed = comparison.iter().flat_map(|comparison| &comparison.feeds);
        let options = QuantizeOptions {
            scheme: args.scheme.into(),
            min_elements: args.min_elements,
            only: args.only.clone(),
            skip: args.skip.clone(),
            fuse_lookups: args.output_net.is_some(),
            inputs: fed.map(|(name, tensor)| (name, tensor)).collect(),
            ..QuantizeOptions::default()
        };
        let (init_path, output_init) = (args.init.clone(), args.output_init.clone());
        let output_net = args.output_net.clone();
        Ok(Plan { init, init_path, net, options, output_init, output_net, comparison, json: args.json })
    }
}

/// Looks at what is to be written before long work is done for it.
fn check_outputs(args: &QuantizeArgs) -> Result<()> {
    run::check_folder(&args.output_init)?;
    let Some(output_net) = &args.output_net else { return Ok(()) };
    run::check_folder(output_net)?;
    if args.scheme != SchemeArg::Fused8 {
        bail!(
            "--output-net goes with --scheme fused8: there are lookups in rows of codes, and in nothing else"
        );
    }
    if *output_net == args.output_init {
        bail!("--output-net and --output-init name the same file, {}", output_net.display());
    }
    Ok(())
}
