//! Weights that are expanded when a model is loaded, not in every run.

use std::collections::HashSet;

use caffe2_operator::{BlobInfos, Error, Workspace, infer_net};
use caffe2_proto::{NetDef, OperatorDef};
use caffe2_transform::fold_constants::constant_operators;

use super::Pass;

/// Runs operators of the predict net that expand stored weights once, when the model is loaded, as long as what they make
/// stays within a budget; see [`fold_constants`](caffe2_transform::fold_constants).
///
/// A [`Predictor`](crate::Predictor) applies it after [`KeepCodes`](super::KeepCodes), unless it is left out:
/// [`without_pass("fold_constants")`](crate::PredictorOptions::without_pass). Weights that are kept as bytes take nothing of
/// the budget. A blob that only such operators read is no input of the net any more, and cannot be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoldConstants {
    /// Bytes that all of the expanded weights may take together.
    pub budget: usize,
}

impl Default for FoldConstants {
    /// 64 MiB.
    fn default() -> FoldConstants {
        FoldConstants { budget: 64 << 20 }
    }
}

impl Pass for FoldConstants {
    fn name(&self) -> &'static str {
        "fold_constants"
    }

    fn after_init(&self, workspace: &mut Workspace, predict: &mut NetDef) -> Result<(), Error> {
        let found = constant_operators(predict, |blob| {
            workspace.blob(blob).is_some_and(|blob| blob.as_tensor().is_some_and(|t| t.data_type().is_some()))
        });
        let (mut left, mut folded) = (self.budget, HashSet::new());
        for position in found {
            let op = &predict.op[position];
            // One that needs what was not folded finds nothing to read, and stays.
            if let Some(grown) = run_within(workspace, op, left) {
                left -= grown;
                folded.insert(position);
            }
        }
        if !folded.is_empty() {
            remove(predict, &folded, |name| workspace.has_blob(name));
        }
        Ok(())
    }
}

/// Takes operators out of the net, whose outputs are there from now on before it runs. What only they read is no input any
/// more.
fn remove(predict: &mut NetDef, folded: &HashSet<usize>, is_there: impl Fn(&str) -> bool) {
    let NetDef { op: ops, external_input, external_output, .. } = predict;
    let (mut made, mut kept) = (Vec::new(), Vec::with_capacity(ops.len()));
    for (position, op) in std::mem::take(ops).into_iter().enumerate() {
        if folded.contains(&position) { made.extend(op.output) } else { kept.push(op) }
    }
    *ops = kept;
    let read: HashSet<&String> = ops.iter().flat_map(|op| &op.input).collect();
    external_input.retain(|name| read.contains(name) || external_output.contains(name) || !is_there(name));
    external_input.extend(made.into_iter().filter(|name| read.contains(name)));
}

/// Runs an operator if what it makes takes no more than `left` bytes; tells how many it took. If it takes more, or
/// fails, all is as before: the net will tell what is wrong with it when it runs.
fn run_within(workspace: &mut Workspace, op: &OperatorDef, left: usize) -> Option<usize> {
    let keeps_codes = op.argument("keep_codes").is_some_and(|keep| keep.i == Some(1));
    if !keeps_codes && inferred_bytes(workspace, op)? > left as u64 {
        return None;
    }
    let before = workspace.memory().used();
    let ran = workspace.run_operator_once(op);
    let grown = workspace.memory().used().saturating_sub(before);
    if ran.is_ok() && grown <= left {
        return Some(grown);
    }
    op.output.iter().for_each(|name| _ = workspace.remove_blob(name));
    None
}

/// What the outputs of an operator take, as far as it is known before it runs.
fn inferred_bytes(workspace: &Workspace, op: &OperatorDef) -> Option<u64> {
    let mut known = BlobInfos::new();
    for name in &op.input {
        known.insert_tensor(name, workspace.tensor(name).ok()?);
    }
    let ops = infer_net(&workspace.registry().ok()?, &NetDef::new("once").op(op.clone()), &mut known).ok()?;
    Some(ops.first()?.outputs.iter().map(|output| output.byte_len()).fold(0, u64::saturating_add))
}
