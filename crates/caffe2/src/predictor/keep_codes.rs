//! Weights that stay bytes.

use caffe2_operator::Error;
use caffe2_proto::{EncodedNet, NetDef, ProtoError};
use caffe2_transform::keep_codes::Marks;

use super::Pass;

/// Keeps weights as bytes where operators can multiply by them; see [`keep_codes`](caffe2_transform::keep_codes).
///
/// A [`Predictor`](crate::Predictor) applies it first, unless it is left out:
/// [`without_pass("keep_codes")`](crate::PredictorOptions::without_pass). Products with few rows then differ in rounding;
/// all blobs can be read as before.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepCodes;

impl Pass for KeepCodes {
    fn name(&self) -> &'static str {
        "keep_codes"
    }

    fn before_init(&self, init: &mut EncodedNet, predict: &mut NetDef) -> Result<(), Error> {
        let marks = Marks::plan(init.outline(), predict);
        let marked = init.retain_mut(|position, operator| {
            if marks.wants(position, operator.def()) {
                marks.mark(position, operator.def_mut()?);
            }
            Ok::<bool, ProtoError>(true)
        });
        marked.map_err(Error::from)
    }
}
