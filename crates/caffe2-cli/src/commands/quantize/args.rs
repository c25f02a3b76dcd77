//! The arguments of `caffe2 quantize`.

use std::ffi::OsString;
use std::path::PathBuf;

use caffe2::files::NetFormat;
use caffe2_transform::quantize::Scheme;
use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::feeds::FeedArg;

/// Store the weights of a net as bytes
///
/// Reads the init net and the net that it is for, and writes an init net that makes the same weights from bytes, with
/// operators that every Caffe2 has. The net itself stays as it is. A table says what each weight takes now and how far
/// its values are from those before; with --feed both are run, and the outputs are compared.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct QuantizeArgs {
    /// The net that makes the weights, a NetDef
    #[arg(long, value_name = "INIT")]
    pub(super) init: PathBuf,

    /// The net that reads the weights, a NetDef
    ///
    /// Only what it reads is a weight.
    #[arg(long, value_name = "NET")]
    pub(super) net: PathBuf,

    /// Where to write the new init net, .pb (binary) or .pbtxt (text)
    ///
    /// It is written whole or not at all, and may be the file of --init.
    #[arg(long, value_name = "OUT", value_parser = net_file())]
    pub(super) output_init: PathBuf,

    /// Where to write the net with lookups in rows of codes, with --scheme fused8
    ///
    /// Embedding tables that only SparseLengthsSum and its kin or Gather read stay rows of codes then, and never become
    /// floats: the net gets the operators for such rows. It goes with the new init net. Gather needs a --feed that shows
    /// that its indices are a vector.
    #[arg(long, value_name = "OUT", value_parser = net_file())]
    pub(super) output_net: Option<PathBuf>,

    /// How values are stored
    #[arg(long, value_enum, default_value = "byte")]
    pub(super) scheme: SchemeArg,

    /// Leave weights with fewer elements as they are
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub(super) min_elements: usize,

    /// Take only weights with such a name; may be given again
    ///
    /// `*` stands for any text, `?` for any character. Blobs of one dimension, such as biases, are taken only when a
    /// pattern lets them in.
    #[arg(long, value_name = "PATTERN")]
    pub(super) only: Vec<String>,

    /// Leave weights with such a name as they are; may be given again
    #[arg(long, value_name = "PATTERN")]
    pub(super) skip: Vec<String>,

    /// Tensors to compare the two on; may be given again
    ///
    /// FILE is an .npz or a TensorProtos file, each tensor of which is fed under its own name. NAME=FILE feeds
    /// the one tensor of a file, such as an .npy, as NAME.
    #[arg(long = "feed", value_name = "FILE|NAME=FILE", value_parser = FeedArg::parser())]
    pub(super) feeds: Vec<FeedArg>,

    /// Print the report as JSON instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Weights of a model as bytes, a quarter of their memory:
    caffe2 quantize --init init_net.pb --net predict_net.pb --output-init bytes.pb

  The same, with what it does to the outputs:
    caffe2 quantize --init init_net.pb --net predict_net.pb --output-init bytes.pb \\
      --feed input.npz

  All but the last layer, small weights too:
    caffe2 quantize --init init_net.pb --net predict_net.pb --output-init bytes.pb \\
      --skip 'fc_*' --min-elements 64

  A range for each row, and embedding tables that stay rows in memory:
    caffe2 quantize --init init_net.pb --net predict_net.pb --output-init rows.pb \\
      --scheme fused8 --output-net predict_rows.pb

  Half precision where bytes are too coarse:
    caffe2 quantize --init init_net.pb --net predict_net.pb --output-init halves.pb \\
      --scheme half

What is written runs as before:
    caffe2 run --net predict_net.pb --init bytes.pb --feed input.npz

`caffe2 dequantize` is the way back.

Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.";

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemeArg {
    /// A byte for each value, and a range for each weight
    Byte,
    /// A byte for each value, and a range for each row of a weight, such as an output or an entry of a table
    Fused8,
    /// Two bytes for each value: floats of half precision
    Half,
}

impl From<SchemeArg> for Scheme {
    fn from(scheme: SchemeArg) -> Scheme {
        match scheme {
            SchemeArg::Byte => Scheme::Byte,
            SchemeArg::Fused8 => Scheme::Fused8,
            SchemeArg::Half => Scheme::Half,
        }
    }
}

/// The parser of files that nets are written to.
pub(crate) fn net_file() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text: OsString| {
        let path = PathBuf::from(text);
        match NetFormat::of(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(error.help_text().unwrap_or_default().to_owned()),
        }
    })
}
