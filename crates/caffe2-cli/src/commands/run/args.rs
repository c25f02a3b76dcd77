//! The arguments of `caffe2 run`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use caffe2::files::TensorFormat;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::units::ByteSize;

/// Run a net on tensors from files
///
/// The init net, if there is one, is run first and makes the parameters. Then the feeds are put in, over blobs
/// of the same name, and the net is run once. What it computed is summed up, or written to a file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The net to run, a NetDef
    ///
    /// In binary (.pb) or text form (.pbtxt); the content decides.
    #[arg(long, value_name = "NET")]
    pub(super) net: PathBuf,

    /// The net that makes the parameters, run once before
    #[arg(long, value_name = "INIT")]
    pub(super) init: Option<PathBuf>,

    /// Tensors to feed; may be given again
    ///
    /// FILE is an .npz or a TensorProtos file, each tensor of which is fed under its own name. NAME=FILE feeds
    /// the one tensor of a file, such as an .npy, as NAME.
    #[arg(long = "feed", value_name = "FILE|NAME=FILE", value_parser = OsStringValueParser::new().try_map(FeedArg::parse))]
    pub(super) feeds: Vec<FeedArg>,

    /// Blobs to show or write, separated by commas [default: the outputs of the net]
    ///
    /// The outputs of the net are its external outputs; where it declares none, what its operators write and
    /// none of them reads.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(super) fetch: Vec<String>,

    /// File for the fetched tensors, .npz or .pb, instead of a summary
    ///
    /// .npz is for NumPy, .pb a TensorProtos. It is written whole or not at all.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(parse_output))]
    pub(super) output: Option<PathBuf>,

    /// Read the init net instead of mapping its file into memory
    ///
    /// A mapped file must not be changed or cut while the program runs. Short files, and those that are not on a local
    /// disk, are read anyway.
    #[arg(long)]
    pub(super) no_mmap: bool,

    /// Threads that operators may use [default: all processors]
    ///
    /// Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,

    /// Bytes that tensors may take, such as 500M or 2GiB
    #[arg(long, value_name = "SIZE", default_value = DEFAULT_LIMIT)]
    pub(super) memory_limit: ByteSize,

    /// Make floats of weights that are stored as bytes before the net runs
    ///
    /// By default FC, FCTransposed, MatMul and Conv multiply by the bytes, which takes a quarter of the memory. Results
    /// may differ in rounding.
    #[arg(long)]
    pub(super) expand_weights: bool,

    /// Seconds that the nets may run, such as 30 or 0.5 [default: as long as it takes]
    ///
    /// Looked at between operators; one that has begun is not interrupted.
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(super) time_limit: Option<Duration>,
}

impl RunArgs {
    /// What runs a net of files on feeds, all else as it is by default.
    pub(in crate::commands) fn of_files(net: PathBuf, init: PathBuf, feeds: Vec<FeedArg>) -> RunArgs {
        RunArgs {
            net,
            init: Some(init),
            feeds,
            fetch: Vec::new(),
            output: None,
            no_mmap: false,
            expand_weights: false,
            threads: None,
            memory_limit: ByteSize(caffe2::operator::DEFAULT_MEMORY_LIMIT),
            time_limit: None,
        }
    }
}

/// The limit of a new workspace.
const DEFAULT_LIMIT: &str = "8GiB";

const EXAMPLES: &str = "\
Examples:
  What a model makes of an input, summed up:
    caffe2 run --net predict_net.pb --init init_net.pb --feed input.npz

  Inputs from single arrays, results to a file for NumPy:
    caffe2 run --net predict_net.pbtxt --init init_net.pb --feed data=image.npy --output result.npz

  A blob from the middle of the net:
    caffe2 run --net predict_net.pb --init init_net.pb --feed input.npz --fetch conv3,softmax

  The parameters that an init net makes, as arrays:
    caffe2 run --net init_net.pb --output parameters.npz

From Python, numpy.savez('input.npz', data=x) writes a file to feed, and numpy.load('result.npz')
reads results.

Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.";

/// Where a feed comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedArg {
    text: OsString,
}

/// A feed whose kind is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FeedSource<'a> {
    /// All tensors of a file, by their own names.
    File(&'a Path),
    /// The one tensor of a file, by this name.
    Named(&'a str, &'a Path),
}

impl FeedArg {
    /// The feed that a text on the command line names.
    pub(in crate::commands) fn parse(text: OsString) -> Result<FeedArg, String> {
        match text.to_str().and_then(|t| t.split_once('=')) {
            Some(("", _)) => Err("there is no name before `=`; it goes NAME=FILE".into()),
            Some((_, "")) => Err("there is no file after `=`; it goes NAME=FILE".into()),
            _ if text.is_empty() => Err("it goes FILE or NAME=FILE".into()),
            _ => Ok(FeedArg { text }),
        }
    }

    /// The source: with a name, if there is an `=` and no file is called by the whole.
    pub(super) fn source(&self) -> FeedSource<'_> {
        let whole = Path::new(&self.text);
        match self.text.to_str().and_then(|t| t.split_once('=')) {
            Some((name, file)) if !whole.exists() => FeedSource::Named(name, Path::new(file)),
            _ => FeedSource::File(whole),
        }
    }
}

fn parse_output(text: OsString) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match TensorFormat::of(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(error.help_text().unwrap_or_default().to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a number of seconds, such as 30 or 0.5".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_files_or_named() {
        let parse = |text: &str| FeedArg::parse(text.into());
        assert_eq!(parse("a.npz").unwrap().source(), FeedSource::File(Path::new("a.npz")));
        assert_eq!(parse("x=a.npy").unwrap().source(), FeedSource::Named("x", Path::new("a.npy")));
        assert_eq!(parse("a/b=c=d.npy").unwrap().source(), FeedSource::Named("a/b", Path::new("c=d.npy")));
        assert!(parse("=a.npy").is_err() && parse("x=").is_err() && parse("").is_err());
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("k=v.npz");
        std::fs::write(&odd, "").unwrap();
        assert_eq!(parse(odd.to_str().unwrap()).unwrap().source(), FeedSource::File(&odd));
    }

    #[test]
    fn seconds_are_numbers_that_can_pass() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "-1", "nan", "inf", "1e40", "5s"] {
            assert!(parse_seconds(wrong).unwrap_err().contains("0.5"), "{wrong}");
        }
    }

    #[test]
    fn the_default_limit_is_that_of_a_workspace() {
        assert_eq!(DEFAULT_LIMIT.parse(), Ok(ByteSize(caffe2::operator::DEFAULT_MEMORY_LIMIT)));
    }

    #[test]
    fn outputs_have_a_known_extension() {
        assert!(parse_output("a.npz".into()).is_ok() && parse_output("b/c.pb".into()).is_ok());
        assert!(parse_output("a.txt".into()).unwrap_err().contains(".npz"));
    }
}
