//! What was done to each weight.

use std::fmt;

use super::codes::Distance;

/// What was done to the weights of a net.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The weights that are stored otherwise now, in the order of the init net.
    pub weights: Vec<QuantizedWeight>,
    /// The blobs that the net reads and that stay as they are, in the order of the init net.
    pub kept: Vec<KeptFloat>,
    /// Bytes of the init net before.
    pub bytes_before: usize,
    /// Bytes of the init net after.
    pub bytes_after: usize,
}

/// A weight that is stored otherwise now.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantizedWeight {
    /// Its name.
    pub blob: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Bytes that its definition in the init net took.
    pub bytes_before: usize,
    /// Bytes that the definitions that make it take now.
    pub bytes_after: usize,
    /// The number of ranges, each with codes of its own: 1, or one per row; 0 for half precision.
    pub ranges: usize,
    /// The least value that its codes can stand for.
    pub min: f32,
    /// The greatest value that its codes can stand for.
    pub max: f32,
    /// What became of its values.
    pub error: WeightError,
    /// Whether the net can look up in the rows of codes as they are.
    pub lookup: Lookup,
}

/// Whether fused rows are, or could be, read as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Something reads the weight that needs floats.
    None,
    /// All that reads the weight are lookups that have a form for rows; they were left as they are.
    Possible,
    /// The net reads the rows, and the weight is never made into floats.
    Fused,
}

/// How far the values that are stored are from those that were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightError {
    /// The largest difference.
    pub largest: f64,
    /// The root of the mean square of all differences.
    pub root_mean_square: f64,
    /// The mean square of the values over that of the differences, in decibels; infinite without a difference.
    pub signal_to_noise: f64,
}

impl From<Distance> for WeightError {
    fn from(distance: Distance) -> WeightError {
        WeightError {
            largest: distance.largest,
            root_mean_square: (distance.squares / distance.count.max(1) as f64).sqrt(),
            signal_to_noise: match distance.squares {
                0.0 => f64::INFINITY,
                squares => 10.0 * (distance.signal / squares).log10(),
            },
        }
    }
}

/// A blob that stays as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptFloat {
    /// Its name.
    pub blob: String,
    /// Bytes that the definition of it takes.
    pub bytes: usize,
    /// Why.
    pub reason: KeepReason,
}

/// Why a blob stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepReason {
    /// No operator of the net reads it.
    NotRead,
    /// It matches this pattern of what is to be skipped.
    Skipped(String),
    /// It matches no pattern of what is wanted.
    NotSelected,
    /// It is made by another operator than `GivenTensorFill`.
    MadeBy(String),
    /// The fill makes no floats.
    NotFloat,
    /// The fill takes its shape from a blob.
    ShapeFromInput,
    /// The fill is for another device.
    OtherDevice,
    /// The init net writes it again.
    WrittenAgain,
    /// It has one dimension: a bias, scale or mean.
    OneDimension,
    /// It has fewer elements than asked for.
    FewElements {
        /// How many it has.
        elements: usize,
        /// How many were asked for.
        least: usize,
    },
    /// It would not get smaller.
    NotSmaller {
        /// Bytes that it would take.
        bytes: usize,
    },
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepReason::NotRead => f.write_str("the net does not read it"),
            KeepReason::Skipped(pattern) => write!(f, "skipped by `{pattern}`"),
            KeepReason::NotSelected => f.write_str("not selected"),
            KeepReason::MadeBy(op_type) => write!(f, "made by {op_type}, not by GivenTensorFill"),
            KeepReason::NotFloat => f.write_str("its values are no floats"),
            KeepReason::ShapeFromInput => f.write_str("its shape comes from a blob"),
            KeepReason::OtherDevice => f.write_str("it is made on another device than the CPU"),
            KeepReason::WrittenAgain => f.write_str("the init net writes it more than once"),
            KeepReason::OneDimension => f.write_str("one dimension, such as a bias"),
            KeepReason::FewElements { elements, least } => {
                write!(f, "{elements} elements, fewer than {least}")
            }
            KeepReason::NotSmaller { bytes } => write!(f, "would take {bytes} bytes"),
        }
    }
}
