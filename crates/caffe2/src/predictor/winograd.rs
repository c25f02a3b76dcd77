//! Convolutions by Winograd's algorithm.

use caffe2_operator::{Error, Workspace};
use caffe2_proto::NetDef;
use caffe2_transform::winograd::winograd;

use super::Pass;

/// Has convolutions go by Winograd's algorithm where it can serve; see [`winograd`](caffe2_transform::winograd).
///
/// No predictor applies it unless it is asked for, `PredictorOptions::new().pass(Winograd)`, since results differ from the direct way
/// by more than the order of sums, and filters take more memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Winograd;

impl Pass for Winograd {
    fn name(&self) -> &'static str {
        "winograd"
    }

    fn after_init(&self, _: &mut Workspace, predict: &mut NetDef) -> Result<(), Error> {
        winograd(predict);
        Ok(())
    }
}
