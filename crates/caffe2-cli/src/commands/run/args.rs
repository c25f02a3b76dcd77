//! The arguments of `caffe2 run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use caffe2::files::TensorFormat;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::feeds::FeedArg;
use crate::units::ByteSize;

/// Run a net on tensors from files
///
/// The init net, if there is one, is run first and makes the parameters. Then the feeds are put in, over blobs
/// of the same name, and the net is run once. What it computed is summed up, or written to a file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct RunArgs {
    /// The net to run: a NetDef, or a predictor file
    ///
    /// In binary (.pb) or text form (.pbtxt), or as JSON; the content decides. A predictor file (.minidb) brings
    /// its parameters.
    #[arg(long, value_name = "NET")]
    pub(super) net: PathBuf,

    /// The net that makes the parameters, run once before
    #[arg(long, value_name = "INIT")]
    pub(super) init: Option<PathBuf>,

    /// Tensors to feed; may be given again
    ///
    /// FILE is an .npz, a TensorProtos or a .minidb file, each tensor of which is fed under its own name. NAME=FILE feeds
    /// the one tensor of a file, such as an .npy, as NAME.
    #[arg(long = "feed", value_name = "FILE|NAME=FILE", value_parser = FeedArg::parser())]
    pub(super) feeds: Vec<FeedArg>,

    /// Blobs to show or write, separated by commas [default: the outputs of the net]
    ///
    /// The outputs of the net are its external outputs; where it declares none, what its operators write and
    /// none of them reads.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(super) fetch: Vec<String>,

    /// File for the fetched tensors, .npz, .pb or .minidb, instead of a summary
    ///
    /// .npz is for NumPy, .pb a TensorProtos, .minidb a database for Caffe2's Load. It is written whole or not at all.
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(parse_output))]
    pub(super) output: Option<PathBuf>,

    /// The summary as JSON
    #[arg(long, conflicts_with = "output")]
    pub(super) json: bool,

    /// Folder that operators such as Load and Save may use files in [default: none]
    ///
    /// Their paths are relative to it, and cannot leave it.
    #[arg(long, value_name = "DIR")]
    pub(super) allow_io: Option<PathBuf>,
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
    #[arg(long, value_name = "SIZE", default_value = crate::units::DEFAULT_LIMIT)]
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
            json: false,
            allow_io: None,
            no_mmap: false,
            expand_weights: false,
            threads: None,
            memory_limit: ByteSize(caffe2::operator::DEFAULT_MEMORY_LIMIT),
            time_limit: None,
        }
    }
}

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

  A net that loads its own weights from a database:
    caffe2 run --net net_with_load.pb --feed input.npz --allow-io weights/

From Python, numpy.savez('input.npz', data=x) writes a file to feed, and numpy.load('result.npz')
reads results.

Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.";

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
    fn seconds_are_numbers_that_can_pass() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "-1", "nan", "inf", "1e40", "5s"] {
            assert!(parse_seconds(wrong).unwrap_err().contains("0.5"), "{wrong}");
        }
    }

    #[test]
    fn outputs_have_a_known_extension() {
        assert!(parse_output("a.npz".into()).is_ok() && parse_output("b/c.pb".into()).is_ok());
        assert!(parse_output("a.txt".into()).unwrap_err().contains(".npz"));
    }
}
