//! Convolutions that do what follows them as well.

use caffe2_operator::{Error, Workspace};
use caffe2_proto::NetDef;
use caffe2_transform::fuse::{FuseOptions, fuse};

use super::Pass;

/// Merges convolutions with the batch normalisations, sums and activations behind them; see
/// [`fuse`](caffe2_transform::fuse).
///
/// A [`Predictor`](crate::Predictor) applies it after [`FoldConstants`](super::FoldConstants), unless it is left out:
/// [`without_pass("fuse")`](crate::PredictorOptions::without_pass). Results then differ in rounding. Blobs between merged operators
/// are not computed; [`PredictorOptions::keep_blob`](crate::PredictorOptions::keep_blob) keeps one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fuse {
    /// Blobs that are to be computed, beside the outputs of the net. A pass that is added by hand has these alone, not
    /// those of [`PredictorOptions::keep_blob`](crate::PredictorOptions::keep_blob).
    pub keep: Vec<String>,
}

impl Pass for Fuse {
    fn name(&self) -> &'static str {
        "fuse"
    }

    fn after_init(&self, workspace: &mut Workspace, predict: &mut NetDef) -> Result<(), Error> {
        let is_vector = |name: &str| {
            workspace.tensor(name).is_ok_and(|tensor| tensor.shape().rank() == 1 && tensor.numel() > 1)
        };
        fuse(predict, &FuseOptions { keep: &self.keep, is_vector: &is_vector });
        Ok(())
    }
}
