//! Options that commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use caffe2::files::{Limits, Mapping};
use caffe2::operator::Folder;
use caffe2::predictor::{Fuse, Pass as _, Winograd};
use caffe2::{NetDef, PredictorOptions, WireLimits, Workspace};

use crate::progress::Progress;
use crate::units::ByteSize;

/// What files may ask for, whoever made them.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Bytes that tensors may take, such as 500M or 2GiB
    #[arg(long, value_name = "SIZE", default_value = crate::units::DEFAULT_LIMIT)]
    pub(crate) memory_limit: ByteSize,

    /// Bytes that a net or another message may take in its file [default: 2GiB, Caffe2's own limit]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    max_file_size: Option<ByteSize>,

    /// Operators that a file may have
    #[arg(long, value_name = "N", default_value_t = WireLimits::default().max_operators, hide_short_help = true)]
    max_operators: usize,

    /// Numbers that the messages of a file may have in lists, such as those of weights
    #[arg(long, value_name = "N", default_value_t = WireLimits::default().max_elements, hide_short_help = true)]
    max_elements: usize,

    /// Messages within one another, such as nets within operators; at most 100
    #[arg(long, value_name = "N", default_value_t = WireLimits::default().max_depth, hide_short_help = true)]
    max_depth: usize,
}

impl Default for LimitArgs {
    fn default() -> LimitArgs {
        let WireLimits { max_operators, max_elements, max_depth, .. } = WireLimits::default();
        LimitArgs {
            memory_limit: ByteSize(caffe2::operator::DEFAULT_MEMORY_LIMIT),
            max_file_size: None,
            max_operators,
            max_elements,
            max_depth,
        }
    }
}

impl LimitArgs {
    /// The limits that files are read with.
    pub(crate) fn limits(&self) -> Limits {
        let wire = WireLimits::default();
        let max_bytes = self.max_file_size.map_or(wire.max_bytes, |size| size.0);
        let wire = WireLimits {
            max_bytes,
            max_text_bytes: wire.max_text_bytes.min(max_bytes),
            max_operators: self.max_operators,
            max_elements: self.max_elements,
            max_depth: self.max_depth,
            ..wire
        };
        Limits { max_tensor_bytes: self.memory_limit.0, wire }
    }
}

/// How a model is loaded and run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ModelOptions {
    /// Folder that operators such as Load and Save may use files in [default: none]
    ///
    /// Their paths are relative to it, and cannot leave it.
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_io: Option<PathBuf>,

    /// Read the init net instead of mapping its file into memory
    ///
    /// A mapped file must not be changed or cut while the program runs. Short files, and those that are not on a local
    /// disk, are read anyway.
    #[arg(long)]
    no_mmap: bool,

    /// Make floats of weights that are stored as bytes before the net runs
    ///
    /// By default FC, FCTransposed, MatMul and Conv multiply by the bytes, which takes a quarter of the memory. Results
    /// may differ in rounding.
    #[arg(long)]
    pub(crate) expand_weights: bool,

    /// Threads that operators may use [default: all processors]
    ///
    /// Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    /// Seconds that the nets may run, such as 30 or 0.5 [default: as long as it takes]
    ///
    /// Looked at between operators; one that has begun is not interrupted.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, help_heading = "Limits")]
    pub(crate) time_limit: Option<Duration>,
}

impl ModelOptions {
    /// Whether files are mapped.
    pub(crate) fn mapping(&self) -> Mapping {
        if self.no_mmap { Mapping::Never } else { Mapping::LocalFiles }
    }

    /// The folder that operators may use files in.
    pub(crate) fn folder(&self) -> Result<Option<Folder>> {
        self.allow_io.as_deref().map(allowed_folder).transpose()
    }

    /// A workspace that heeds them, all but the time limit.
    pub(crate) fn workspace(&self, folder: Option<Folder>, progress: &Progress) -> Workspace {
        let mut workspace = Workspace::new();
        if let Some(threads) = self.threads {
            workspace.set_threads(threads.into());
        }
        workspace.set_memory_limit(self.limits.memory_limit.0);
        if let Some(observer) = progress.observer() {
            workspace.observe_new_nets(observer);
        }
        if let Some(folder) = folder {
            workspace.allow_files(folder);
        }
        workspace
    }

    /// A predictor that heeds them.
    pub(crate) fn predictor(&self, progress: &Progress) -> Result<PredictorOptions> {
        let mut options = PredictorOptions::new()
            .limits(self.limits.limits())
            .mapping(self.mapping())
            .memory_limit(self.limits.memory_limit.0);
        if let Some(threads) = self.threads {
            options = options.threads(threads.into());
        }
        if let Some(limit) = self.time_limit {
            options = options.time_limit(limit);
        }
        if let Some(folder) = self.folder()? {
            options = options.allow_files(folder);
        }
        if let Some(observer) = progress.observer() {
            options = options.observer(observer);
        }
        if self.expand_weights {
            options = options.without_pass("keep_codes");
        }
        Ok(options)
    }
}

/// What is done to the operators of a net before it runs.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct FuseArg {
    /// Run operators as the net has them
    ///
    /// By default convolutions take in the batch normalisation, sum and activation behind them. Results may differ in
    /// rounding; blobs that are asked for are computed.
    #[arg(long)]
    pub(crate) no_fuse: bool,

    /// Compute convolutions of 3 by 3 by Winograd's algorithm
    ///
    /// Up to three times faster, with larger rounding errors and more memory for filters.
    #[arg(long)]
    pub(crate) winograd: bool,
}

impl FuseArg {
    /// Merges operators of a net whose parameters are in the workspace, but for those that make the blobs in `keep`.
    pub(crate) fn fuse(self, workspace: &mut Workspace, net: &mut NetDef, keep: &[String]) -> Result<()> {
        if !self.no_fuse {
            Fuse { keep: keep.to_vec() }.after_init(workspace, net)?;
        }
        if self.winograd {
            Winograd.after_init(workspace, net)?;
        }
        Ok(())
    }

    /// A predictor that heeds it.
    pub(crate) fn predictor(self, options: PredictorOptions) -> PredictorOptions {
        let options = if self.winograd { options.pass(Winograd) } else { options };
        if self.no_fuse { options.without_pass("fuse") } else { options }
    }
}

fn allowed_folder(path: &Path) -> Result<Folder> {
    Folder::new(path).map_err(|e| anyhow!("--allow-io {}: {e}", path.display()))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a number of seconds, such as 30 or 0.5".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_that_can_pass() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "-1", "nan", "inf", "1e40", "5s"] {
            assert!(parse_seconds(wrong).unwrap_err().contains("0.5"), "{wrong}");
        }
    }

    #[test]
    fn limits_are_the_defaults_unless_they_are_given() {
        assert_eq!(LimitArgs::default().limits(), Limits::default());
        let small = LimitArgs { max_file_size: Some(ByteSize(1000)), ..LimitArgs::default() }.limits();
        assert_eq!((small.wire.max_bytes, small.wire.max_text_bytes), (1000, 1000));
    }
}
