//! What becomes of the outputs.

use anyhow::Result;
use caffe2::{NetDef, Tensor, Workspace};
use caffe2_transform::quantize::Quantized;

use super::plan::{Comparison, Plan};
use crate::progress::Progress;

/// How an output of the quantized net differs from that of the net before.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) blob: String,
    pub(super) dims: Vec<usize>,
    pub(super) values: Values,
}

/// How the values differ.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Floats {
        /// The largest difference.
        largest: f64,
        root_mean_square: f64,
        /// In decibels; infinite without a difference.
        signal_to_noise: f64,
        /// For scores of classes: how many rows have the same largest score, and of how many.
        same_top: Option<(usize, usize)>,
    },
    /// How many are the same, of values that are no floats.
    Others { same: usize, of: usize },
    /// The two have different shapes or types.
    Reshaped { before: String, after: String },
}

/// Runs the net with both init nets, and compares its outputs.
pub(super) fn compare(
    plan: &Plan,
    quantized: &Quantized,
    comparison: &Comparison,
    progress: &Progress,
) -> Result<Vec<Change>> {
    let before = outputs(&plan.init, &plan.net, comparison, progress)?;
    let net = quantized.net.as_ref().unwrap_or(&plan.net);
    let after = outputs(&quantized.init, net, comparison, progress)?;
    let pairs = comparison.fetch.iter().zip(before.iter().zip(&after));
    pairs.map(|(blob, (before, after))| change(blob, before, after)).collect()
}

fn outputs(init: &NetDef, net: &NetDef, comparison: &Comparison, progress: &Progress) -> Result<Vec<Tensor>> {
    let mut workspace = Workspace::new();
    if let Some(observer) = progress.observer() {
        workspace.observe_new_nets(observer);
    }
    progress.net("running the init net", init);
    workspace.run_net_once(init)?;
    for (name, tensor) in &comparison.feeds {
        workspace.feed(name, tensor.clone());
    }
    progress.net("running the net", net);
    workspace.run_net_once(net)?;
    Ok(comparison.fetch.iter().map(|blob| workspace.fetch(blob)).collect::<Result<_, _>>()?)
}

fn change(blob: &str, before: &Tensor, after: &Tensor) -> Result<Change> {
    let values = match (before.as_slice::<f32>(), after.as_slice::<f32>()) {
        _ if (before.dims(), before.data_type()) != (after.dims(), after.data_type()) => {
            let say = |tensor: &Tensor| caffe2::operator::TensorInfo::from(tensor).to_string();
            Values::Reshaped { before: say(before), after: say(after) }
        }
        (Ok(x), Ok(y)) => floats(x, y, before.dims()),
        _ => others(before, after)?,
    };
    Ok(Change { blob: blob.to_owned(), dims: before.dims().to_vec(), values })
}

fn floats(before: &[f32], after: &[f32], dims: &[usize]) -> Values {
    let pairs = || before.iter().zip(after).map(|(&x, &y)| (f64::from(x), f64::from(y)));
    let largest = pairs().map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    let squares: f64 = pairs().map(|(x, y)| (x - y).powi(2)).sum();
    let signal: f64 = pairs().map(|(x, _)| x * x).sum();
    Values::Floats {
        largest,
        root_mean_square: (squares / before.len().max(1) as f64).sqrt(),
        signal_to_noise: if squares == 0.0 { f64::INFINITY } else { 10.0 * (signal / squares).log10() },
        same_top: classes(dims).map(|classes| {
            let rows = before.chunks(classes).zip(after.chunks(classes));
            let same = rows.clone().filter(|(x, y)| top(x) == top(y)).count();
            (same, rows.count())
        }),
    }
}

/// The number of classes of scores: a batch of them has one dimension besides the first that is not 1.
fn classes(dims: &[usize]) -> Option<usize> {
    let per_row: usize = dims.get(1..)?.iter().product();
    (per_row > 1 && dims[0] > 0 && dims[1..].contains(&per_row)).then_some(per_row)
}

/// The first of the largest scores.
fn top(scores: &[f32]) -> Option<usize> {
    (0..scores.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
}

fn others(before: &Tensor, after: &Tensor) -> Result<Values> {
    let same = match (before.as_strings(), after.as_strings()) {
        (Ok(x), Ok(y)) => x.iter().zip(y).filter(|(x, y)| x == y).count(),
        _ => {
            let size = before.byte_len() / before.numel().max(1);
            let (x, y) = (before.as_bytes()?, after.as_bytes()?);
            x.chunks(size.max(1)).zip(y.chunks(size.max(1))).filter(|(x, y)| x == y).count()
        }
    };
    Ok(Values::Others { same, of: before.numel() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_a_top() {
        assert_eq!(
            [&[3, 10][..], &[1, 1000, 1, 1], &[10], &[2, 3, 4], &[5, 1], &[0, 10]].map(classes),
            [Some(10), Some(1000), None, None, None, None]
        );
        let (x, y) = ([0.1, 0.8, 0.1, 0.6, 0.2, 0.2], [0.1, 0.7, 0.2, 0.3, 0.4, 0.3]);
        let Values::Floats { largest, same_top, .. } = floats(&x, &y, &[2, 3]) else { panic!("floats") };
        assert_eq!(same_top, Some((1, 2)));
        assert!((largest - 0.3).abs() < 1e-6);
    }

    #[test]
    fn other_types_are_counted_and_other_shapes_told() {
        let tensor = |values: &[i64]| Tensor::from_slice([values.len()], values).unwrap();
        let change = |x: &Tensor, y: &Tensor| change("y", x, y).unwrap().values;
        assert_eq!(change(&tensor(&[1, 2, 3]), &tensor(&[1, 5, 3])), Values::Others { same: 2, of: 3 });
        let words = |words: [&'static str; 2]| Tensor::from_strings([2], words).unwrap();
        assert_eq!(change(&words(["a", "b"]), &words(["a", "c"])), Values::Others { same: 1, of: 2 });
        assert!(matches!(change(&tensor(&[1]), &tensor(&[1, 2])), Values::Reshaped { .. }));
        assert_eq!(change(&tensor(&[]), &tensor(&[])), Values::Others { same: 0, of: 0 });
    }
}
