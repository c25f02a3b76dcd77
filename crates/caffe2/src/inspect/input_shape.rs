//! Which shape the input of a net has, found from its weights and by trial.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

use caffe2_operator::{BlobInfos, OpRegistry, TensorInfo, infer_net};
use caffe2_proto::{NetDef, OperatorDef};
use caffe2_tensor::{DataType, Shape};

/// Sides of pictures that nets are made for, the most usual first.
const USUAL_SIDES: [usize; 20] =
    [224, 227, 256, 299, 231, 192, 160, 128, 320, 384, 416, 512, 112, 96, 64, 48, 32, 28, 16, 8];

/// The largest side that is tried.
const LARGEST: usize = 640;

/// How far from the side that fits others are tried.
const NEIGHBOURS: usize = 32;

/// A shape that goes through a net without an error.
#[derive(Debug, Clone, PartialEq)]
pub struct InputGuess {
    /// The type and shape.
    pub info: TensorInfo,
    /// Which others would do.
    pub sizes: Sizes,
}

/// Which sizes of an input a net takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Rows of one length, as many as one likes.
    Rows,
    /// Square pictures with sides from the one to the other number, among those that were tried.
    Sides(usize, usize),
    /// Pictures of about any size.
    Any,
}

/// What an operator that reads the input says of it.
enum Reader {
    /// Pictures with so many channels, which stand last if it says so.
    Picture { channels: usize, last: bool, windows: Option<Windows> },
    /// Rows of so many numbers.
    Rows(usize),
}

/// Windows of a convolution without padding.
#[derive(Clone, Copy)]
struct Windows {
    kernel: usize,
    stride: usize,
}

impl Windows {
    /// Whether they reach the edge of a picture, which the authors of nets without padding see to.
    fn fit(self, side: usize) -> bool {
        side >= self.kernel && (side - self.kernel).is_multiple_of(self.stride.max(1))
    }
}

/// Operators whose outputs are inferred, over all sides that are tried, at most.
const MOST_WORK: usize = 1 << 20;

/// The shape of an input that nothing else tells: from the first weight that meets it the channels of a picture, or the
/// length of rows; and the side of a picture by trying which pass through the net. `None` where that tells nothing.
pub fn guess_input(
    registry: &Arc<OpRegistry>,
    net: &NetDef,
    known: &BlobInfos,
    input: &str,
) -> Option<InputGuess> {
    let info = |dims: &[usize]| Some(TensorInfo::new(DataType::Float, Shape::new(dims).ok()?));
    let tries = Cell::new(MOST_WORK / net.op.len().max(1));
    let fits = |info: &TensorInfo| {
        let Some(left) = tries.get().checked_sub(1) else { return false };
        tries.set(left);
        let mut known = known.clone();
        known.insert(input.to_owned(), info.clone());
        infer_net(registry, net, &mut known).is_ok()
    };
    match first_reader(net, known, input)? {
        Reader::Rows(length) => {
            let info = info(&[1, length])?;
            fits(&info).then_some(InputGuess { info, sizes: Sizes::Rows })
        }
        Reader::Picture { channels, last, windows } => {
            let picture =
                |side| if last { info(&[1, side, side, channels]) } else { info(&[1, channels, side, side]) };
            let side_fits = |side: &usize| picture(*side).is_some_and(|info| fits(&info));
            let exact = |side: &usize| windows.is_none_or(|windows| windows.fit(*side));
            let usual = || USUAL_SIDES.into_iter().filter(side_fits);
            let side = usual().find(exact).or_else(|| usual().next());
            let side = side.or_else(|| (1..=LARGEST).find(side_fits))?;
            let around = |step: fn(usize) -> usize| {
                let mut edge = side;
                while edge.abs_diff(side) < NEIGHBOURS && edge > 1 && side_fits(&step(edge)) {
                    edge = step(edge);
                }
                edge
            };
            let (low, high) = (around(|side| side - 1), around(|side| side + 1));
            let any = side.abs_diff(low) >= NEIGHBOURS.min(side - 1) && high - side >= NEIGHBOURS;
            let sizes = if any { Sizes::Any } else { Sizes::Sides(low, high) };
            Some(InputGuess { info: picture(side)?, sizes })
        }
    }
}

/// What the first operator with weights that what comes of the input meets says of it.
fn first_reader(net: &NetDef, known: &BlobInfos, input: &str) -> Option<Reader> {
    let mut derived: HashSet<&str> = HashSet::from([input]);
    // Whether the order of the input is the other one than that of the operator.
    let mut switched = false;
    for op in &net.op {
        if !op.input.first().is_some_and(|first| derived.contains(first.as_str())) {
            continue;
        }
        let weight = op.input.get(1).and_then(|w| known.get(w)?.shape.as_ref()).map(Shape::dims);
        match (op.r#type(), weight) {
            (
                "Conv" | "Conv2D" | "ConvFused" | "Int8Conv" | "Int8ConvRelu",
                Some(&[_, second, _, fourth]),
            ) => {
                let last = is_nhwc(op);
                let group = op.argument("group").map_or(1, |group| usize::try_from(group.i()).unwrap_or(1));
                let channels = if last { fourth } else { second }.checked_mul(group)?;
                return Some(Reader::Picture { channels, last: last != switched, windows: windows(op) });
            }
            ("FC" | "Int8FC", Some(&[_, columns])) => return Some(Reader::Rows(columns)),
            ("NHWC2NCHW" | "NCHW2NHWC", _) => switched = !switched,
            _ => {}
        }
        derived.extend(op.output.iter().map(String::as_str));
    }
    None
}

/// The windows of a convolution that has no padding.
fn windows(op: &OperatorDef) -> Option<Windows> {
    let size = |name: &str| op.argument(name).and_then(|arg| usize::try_from(arg.i?).ok());
    let padded = ["pad_t", "pad_l", "pads", "legacy_pad"].iter().any(|name| op.argument(name).is_some());
    let plain = size("pad").unwrap_or(0) == 0 && !padded;
    Some(Windows { kernel: size("kernel")?, stride: size("stride").unwrap_or(1) }).filter(|_| plain)
}

fn is_nhwc(op: &OperatorDef) -> bool {
    op.argument("order").is_some_and(|order| order.s() == b"NHWC")
}
