//! Why a net could not be quantized.

use super::KeptFloat;

/// Why a net could not be quantized: nothing is made then.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// A weight with a value that is no number, or infinite.
    #[error(
        "`{blob}` has a value that is not finite: element {index} is {value}; leave this weight out, or repair it"
    )]
    NotFinite {
        /// The weight.
        blob: String,
        /// Position of the value, in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A weight whose values are farther apart than the largest float.
    #[error(
        "`{blob}` goes from {min} to {max}, which is more than a float can tell between the ends of a range; leave \
         this weight out"
    )]
    TooWide {
        /// The weight.
        blob: String,
        /// Its least value.
        min: f32,
        /// Its greatest value.
        max: f32,
    },
    /// A value beyond what half precision can hold.
    #[error(
        "`{blob}` has a value beyond half precision, which ends at 65504: element {index} is {value}; leave this \
         weight out, or use another scheme"
    )]
    BeyondHalf {
        /// The weight.
        blob: String,
        /// Position of the value, in row-major order.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A fill that would fail when it runs.
    #[error("the fill of `{blob}` cannot run: {why}")]
    BrokenFill {
        /// The blob that the fill makes.
        blob: String,
        /// What is wrong.
        why: String,
    },
    /// A pattern that no blob of the init net has.
    #[error("no blob that the init net makes is called `{pattern}`")]
    NoSuchBlob {
        /// The pattern.
        pattern: String,
        /// All blobs that the init net makes.
        known: Vec<String>,
    },
    /// No weight that could be quantized.
    #[error("there is no weight to quantize{}", reasons(kept))]
    Nothing {
        /// What the net reads of what the init net makes, and why it stays.
        kept: Vec<KeptFloat>,
    },
}

/// Reasons that are told in a message.
const MOST: usize = 10;

fn reasons(kept: &[KeptFloat]) -> String {
    if kept.is_empty() {
        return ": the net reads no blob that the init net makes".into();
    }
    let mut text = String::from(":");
    for KeptFloat { blob, reason, .. } in kept.iter().take(MOST) {
        text.push_str(&format!("\n  `{blob}`: {reason}"));
    }
    if kept.len() > MOST {
        text.push_str(&format!("\n  and {} more", kept.len() - MOST));
    }
    text
}
