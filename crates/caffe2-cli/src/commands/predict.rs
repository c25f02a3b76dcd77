//! `caffe2 predict`: a picture in, ranked classes out.

mod labels;
mod picture;

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};
use caffe2::inspect::{Before, InputSummary, NetSummary};
use caffe2::operator::TensorInfo;
use caffe2::{OpRegistry, Tensor, f16};
use clap::ValueEnum;
use serde_json::json;

use crate::feeds::{FeedArg, read_feeds};
use crate::model;
use crate::names::nearest;
use crate::options::ModelOptions;
use crate::progress::Progress;
use crate::stdout;
use crate::style::{BOLD, paint};
use crate::table::{Align, indented};
use crate::units::short;
use labels::Labels;
use picture::Preparation;

/// Tell what a model sees in a picture
///
/// The picture is scaled so that its shorter side fits, cut to the middle, and turned into the numbers that the net wants:
/// (value - mean) * scale of each pixel, blue before green before red unless --channels says otherwise. The size is that of
/// the net's input, as far as its weights tell. The classes with the highest scores are printed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct PredictArgs {
    /// The net, or a predictor file
    #[arg(value_name = "NET")]
    net: PathBuf,

    /// The net that makes the parameters
    #[arg(long, value_name = "INIT")]
    init: Option<PathBuf>,

    /// A picture, .png or .jpg; may be given again
    #[arg(long = "image", value_name = "FILE", required = true)]
    images: Vec<PathBuf>,

    /// What is subtracted from each pixel: one number, or one for each channel in the order of the net
    ///
    /// Nets of Caffe2's zoo were trained with 128, or with 104,117,124 (blue, green, red).
    #[arg(
        long,
        value_name = "M|M,M,M",
        value_delimiter = ',',
        default_value = "128",
        allow_hyphen_values = true
    )]
    mean: Vec<f32>,

    /// What a pixel less its mean is multiplied by
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    scale: f32,

    /// Order of the channels
    #[arg(long, value_enum, default_value = "bgr")]
    channels: Channels,

    /// Size of the picture that the net gets [default: that of its input]
    #[arg(long, value_name = "SIDE|HEIGHTxWIDTH")]
    crop: Option<CropSize>,

    /// Length that the shorter side is scaled to before the middle is cut out [default: so that it just fits]
    #[arg(long, value_name = "SIDE", value_parser = clap::value_parser!(u32).range(1..=MOST_PIXELS))]
    resize: Option<u32>,

    /// Names of the classes: a line for each, or lines such as `0: 'tench'`
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// How many classes to print
    #[arg(long, value_name = "K", default_value_t = 5)]
    top: usize,

    /// The blob that the picture is fed to [default: the net's input]
    #[arg(long, value_name = "NAME")]
    input: Option<String>,

    /// The blob with the scores [default: the net's first output]
    #[arg(long, value_name = "NAME")]
    scores: Option<String>,

    /// Tensors for other inputs, as in `caffe2 run`
    #[arg(long = "feed", value_name = "FILE|NAME=FILE", value_parser = FeedArg::parser())]
    feeds: Vec<FeedArg>,

    /// The same as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: ModelOptions,
}

const EXAMPLES: &str = "\
Examples:
  A net of Caffe2's zoo:
    caffe2 predict net.pb --init init.pb --image cat.jpg --labels names.txt

  One that was trained with a mean for each channel:
    caffe2 predict net.pb --init init.pb --image cat.jpg --mean 104,117,124

  One that came from PyTorch, roughly:
    caffe2 predict model.minidb --image cat.jpg --channels rgb \\
        --mean 124,116,104 --scale 0.0171

  Ten classes of several pictures, for a script:
    caffe2 predict model.minidb --image a.jpg --image b.jpg --top 10 --json";

/// The longest side of a picture.
const MOST_PIXELS: i64 = 16_384;

/// Which channel comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Channels {
    /// Blue, green, red, as nets from Caffe have them
    Bgr,
    /// Red, green, blue
    Rgb,
}

/// The size of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CropSize {
    height: u32,
    width: u32,
}

impl FromStr for CropSize {
    type Err = String;

    fn from_str(text: &str) -> Result<CropSize, String> {
        let side = |text: &str| match text.parse::<u32>() {
            Ok(side) if (1..=MOST_PIXELS).contains(&side.into()) => Ok(side),
            _ => Err(format!(
                "expected a side such as 224, or a height and a width such as 224x320, from 1 to {MOST_PIXELS}"
            )),
        };
        let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
        Ok(CropSize { height: side(height)?, width: side(width)? })
    }
}

/// The input of the net that is a picture.
struct Target {
    name: String,
    size: CropSize,
    channels: usize,
    /// Whether the channels of a pixel stand side by side.
    interleaved: bool,
}

/// A class and its score.
struct Ranked {
    class: usize,
    score: f64,
}

/// Reads everything, runs the net on each picture, prints.
pub(crate) fn run(args: &PredictArgs) -> Result<()> {
    let registry = OpRegistry::linked()?;
    let progress = Progress::start();
    let limits = args.options.limits.limits();
    let labels = args.labels.as_deref().map(Labels::read).transpose()?.unwrap_or_default();
    let (net, source) =
        model::open(&args.net, args.init.as_deref(), &limits, args.options.mapping(), &progress)?;
    let feeds = read_feeds(&args.feeds, &limits, &progress)?;
    let given = source.before(&net);
    let predictor = source.predictor(args.options.predictor(&progress)?, net, &progress)?;

    progress.phase("looking at the net");
    let mut before = Before::workspace(predictor.workspace());
    before.blobs.extend(given.blobs.iter().map(|(name, info)| (name.clone(), info.clone())));
    before.placeholders = given.placeholders;
    for (name, tensor) in &feeds {
        before.placeholders.retain(|place| place != name);
        before.blobs.insert(name.clone(), TensorInfo::from(tensor));
    }
    let summary = NetSummary::new(&registry, predictor.net(), &before);
    let target = target(args, &summary)?;
    let scores = scores_blob(args, &summary)?;
    let preparation = preparation(args, &target)?;

    let mut session = predictor.session()?;
    session.keep_blob(&scores);
    for (name, tensor) in feeds {
        session.feed(&name, tensor)?;
    }
    let mut ranked = Vec::new();
    for path in &args.images {
        session.feed(&target.name, preparation.read(path)?)?;
        progress.net("running the net", predictor.net());
        session.execute()?;
        let best = rank(session.tensor(&scores)?, args.top);
        ranked.push(best.map_err(|error| anyhow!("blob `{scores}`: {error}"))?);
    }
    progress.finish();
    print(args, &ranked, &labels)
}

/// The input that the picture goes to.
fn target(args: &PredictArgs, summary: &NetSummary) -> Result<Target> {
    let names = || summary.inputs.iter().map(|input| input.name.as_str());
    let is_picture = |input: &&InputSummary| input.info.shape.as_ref().is_some_and(|shape| shape.rank() == 4);
    let input = match &args.input {
        Some(wanted) => summary.inputs.iter().find(|input| input.name == *wanted).ok_or_else(|| {
            let near: Vec<_> = nearest(wanted, names()).iter().map(|name| format!("`{name}`")).collect();
            let near = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
            anyhow!("the net reads no blob `{wanted}` that is to be fed{near}")
        })?,
        None => match &summary.inputs[..] {
            [] => bail!("the net has no input: it makes everything itself"),
            [only] => only,
            several => several.iter().find(is_picture).ok_or_else(|| {
                let names: Vec<_> = names().take(8).map(|name| format!("`{name}`")).collect();
                anyhow!(
                    "the net reads {} blobs that are not there ({}); give its init net (--init INIT), say which is the \
                     picture (--input NAME) and feed the others (--feed)",
                    several.len(),
                    names.join(", ")
                )
            })?,
        },
    };
    let shape = input.info.shape.as_ref().map(|shape| shape.dims().to_vec());
    let (channels, interleaved, size) = match shape.as_deref() {
        Some(&[_, h, w, c @ (1 | 3)]) if h > 4 => (c, true, Some((h, w))),
        Some(&[_, c @ (1 | 3), h, w]) => (c, false, Some((h, w))),
        Some(other) => bail!(
            "the net's input `{}` has shape {other:?}, which is no picture of 1 or 3 channels; prepare it yourself, and use \
             `caffe2 run`",
            input.name
        ),
        None => (3, false, None),
    };
    let of_net =
        size.and_then(|(h, w)| Some(CropSize { height: h.try_into().ok()?, width: w.try_into().ok()? }));
    let Some(size) = args.crop.or(of_net) else {
        bail!("the size of the net's input `{}` is not known; say it: --crop SIDE", input.name);
    };
    Ok(Target { name: input.name.clone(), size, channels, interleaved })
}

/// The blob that the classes are ranked by.
fn scores_blob(args: &PredictArgs, summary: &NetSummary) -> Result<String> {
    match &args.scores {
        Some(name) if summary.blobs.contains_key(name) => Ok(name.clone()),
        Some(name) => {
            let near: Vec<_> = nearest(name, summary.blobs.keys().map(String::as_str));
            let near = near.first().map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            bail!("the net has no blob `{name}`{near}")
        }
        None => summary.outputs.first().map(|(name, _)| name.clone()).context("the net has no output"),
    }
}

fn preparation(args: &PredictArgs, target: &Target) -> Result<Preparation> {
    let mean = match args.mean[..] {
        [all] => vec![all; target.channels],
        ref each if each.len() == target.channels => each.to_vec(),
        ref other => {
            bail!("--mean has {} numbers, and the net takes {} channels", other.len(), target.channels)
        }
    };
    let CropSize { height, width } = target.size;
    Ok(Preparation {
        height,
        width,
        shorter: args.resize,
        mean,
        scale: args.scale,
        rgb: args.channels == Channels::Rgb,
        interleaved: target.interleaved,
    })
}

/// The classes with the highest scores, the best first.
fn rank(scores: &Tensor, top: usize) -> Result<Vec<Ranked>> {
    let values: Vec<f64> = match scores.data_type() {
        Some(caffe2::DataType::Float16) => scores.as_slice::<f16>()?.iter().map(|&v| v.into()).collect(),
        Some(caffe2::DataType::Double) => scores.as_slice::<f64>()?.to_vec(),
        _ => scores.as_slice::<f32>()?.iter().map(|&v| v.into()).collect(),
    };
    if values.is_empty() || !scores.dims().contains(&values.len()) && values.len() > 1 {
        bail!(
            "shape {} is no list of scores, one for each class; name another blob (--scores NAME), or use `caffe2 run`",
            scores.shape()
        );
    }
    let mut ranked: Vec<_> =
        values.into_iter().enumerate().map(|(class, score)| Ranked { class, score }).collect();
    // What is not a number comes last.
    let key = |r: &Ranked| if r.score.is_nan() { f64::NEG_INFINITY } else { r.score };
    ranked.sort_by(|a, b| key(b).total_cmp(&key(a)).then(a.class.cmp(&b.class)));
    ranked.truncate(top);
    Ok(ranked)
}

fn print(args: &PredictArgs, all: &[Vec<Ranked>], labels: &Labels) -> Result<()> {
    if args.json {
        let classes = |ranked: &Vec<Ranked>| -> Vec<_> {
            let class =
                |r: &Ranked| json!({ "class": r.class, "label": labels.of(r.class), "score": r.score });
            ranked.iter().map(class).collect()
        };
        let images = args.images.iter().zip(all);
        let report: Vec<_> = images
            .map(|(path, ranked)| json!({ "image": path.display().to_string(), "classes": classes(ranked) }))
            .collect();
        return stdout::print(format!("{:#}\n", serde_json::Value::from(report)).as_bytes());
    }
    let mut text = String::new();
    for (path, ranked) in args.images.iter().zip(all) {
        text += &format!("{}\n", paint(BOLD, path.display()));
        let row = |r: &Ranked| {
            vec![short(r.score), format!("#{}", r.class), labels.of(r.class).unwrap_or_default().to_owned()]
        };
        text +=
            &indented(&[Align::Left, Align::Right, Align::Left], &ranked.iter().map(row).collect::<Vec<_>>());
    }
    stdout::print_styled(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_sides_or_height_and_width() {
        let size = |height, width| Ok(CropSize { height, width });
        assert_eq!("224".parse(), size(224, 224));
        assert_eq!("224x320".parse(), size(224, 320));
        for wrong in ["", "0", "x", "224x", "-1", "99999", "1x2x3"] {
            assert!(wrong.parse::<CropSize>().unwrap_err().contains("224x320"), "{wrong}");
        }
    }

    #[test]
    fn classes_are_ranked_by_score() {
        let scores = Tensor::from_slice([1, 4, 1, 1], &[0.1f32, f32::NAN, 0.7, 0.7]).unwrap();
        let classes: Vec<_> = rank(&scores, 3).unwrap().iter().map(|r| r.class).collect();
        assert_eq!(classes, [2, 3, 0]);
        assert_eq!(rank(&scores, 99).unwrap().len(), 4);
        let map = Tensor::zeros::<f32>([1, 2, 3]).unwrap();
        assert!(rank(&map, 1).err().unwrap().to_string().contains("--scores"));
        assert!(rank(&Tensor::zeros::<f32>([0]).unwrap(), 1).is_err());
        assert!(rank(&Tensor::zeros::<u8>([3]).unwrap(), 1).is_err());
    }
}
