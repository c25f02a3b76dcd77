//! The arguments of `caffe2 run`.

use std::ffi::OsString;
use std::path::PathBuf;

use caffe2::files::TensorFormat;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::feeds::FeedArg;
use crate::options::{FuseArg, ModelOptions};

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

    #[command(flatten)]
    pub(super) fuse: FuseArg,

    #[command(flatten)]
    pub(super) options: ModelOptions,
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
            fuse: FuseArg::default(),
            options: ModelOptions::default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_have_a_known_extension() {
        assert!(parse_output("a.npz".into()).is_ok() && parse_output("b/c.pb".into()).is_ok());
        assert!(parse_output("a.txt".into()).unwrap_err().contains(".npz"));
    }
}
