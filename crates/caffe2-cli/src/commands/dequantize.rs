//! `caffe2 dequantize`: weights as floats instead of bytes.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use caffe2::files::{self, Limits};
use caffe2_transform::dequantize::{DequantizeError, DequantizedWeight, dequantize};

use super::quantize::net_file;
use super::run::{check_folder, read_net};
use crate::progress::Progress;
use crate::stdout;
use crate::table::{Align, Table};
use crate::units::grouped;

/// Store the weights of a net as floats
///
/// Reads an init net that makes weights from bytes, such as `caffe2 quantize` writes, and writes one with fills of
/// floats instead: what the operators make of the bytes. All else stays as it is. It is for programs that want the
/// floats; what was lost when they became bytes does not come back.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DequantizeArgs {
    /// The net that makes the weights, a NetDef
    #[arg(long, value_name = "INIT")]
    init: PathBuf,

    /// The net that reads the weights, a NetDef
    ///
    /// With it, what else served to make the weights goes for certain, and what it reads itself stays.
    #[arg(long, value_name = "NET")]
    net: Option<PathBuf>,

    /// Where to write the new init net, .pb (binary) or .pbtxt (text)
    ///
    /// It is written whole or not at all, and may be the file of --init.
    #[arg(long, value_name = "OUT", value_parser = net_file())]
    output_init: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  A model with byte weights, as one with floats:
    caffe2 dequantize --init init_net.pb --output-init floats.pb

  Another way to store them, by way of floats:
    caffe2 dequantize --init init_net.pb --output-init floats.pb
    caffe2 quantize --init floats.pb --net predict_net.pb --output-init halves.pb \\
      --scheme half

Exit status: 0 on success, 1 on failure, 2 when the command line makes no sense.";

/// Reads, rewrites, writes, and tells of it.
pub(crate) fn run(args: &DequantizeArgs) -> Result<()> {
    let progress = Progress::start();
    check_folder(&args.output_init)?;
    let read = |path: &PathBuf| read_net(path, &Limits::default(), &progress);
    let init = read(&args.init)?;
    let net = args.net.as_ref().map(read).transpose()?;
    progress.phase("expanding bytes");
    let floats = dequantize(&init, net.as_ref()).map_err(|error| {
        let help = match error {
            DequantizeError::Nothing => "; there is nothing to do",
            _ => "",
        };
        anyhow!("{}: {error}{help}", args.init.display())
    })?;
    progress.phase(&format!("writing {}", args.output_init.display()));
    files::write_net(&args.output_init, &floats.init)?;
    progress.finish();
    stdout::print(table(&floats.weights).as_bytes())
}

fn table(weights: &[DequantizedWeight]) -> String {
    let mut table = Table::new(&[
        ("weight", Align::Left),
        ("shape", Align::Left),
        ("bytes before", Align::Right),
        ("after", Align::Right),
        ("was made by", Align::Left),
    ]);
    for weight in weights {
        table.row([
            weight.blob.clone(),
            format!("{:?}", weight.dims),
            grouped(weight.bytes_before),
            grouped(weight.bytes_after),
            weight.made_by.clone(),
        ]);
    }
    table.render()
}
