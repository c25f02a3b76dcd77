//! Changes to a model while it is loaded.

use caffe2_operator::{Error, Workspace};
use caffe2_proto::{EncodedNet, NetDef};

/// A change to a model while it is loaded, such as keeping weights as bytes, or merging operators.
///
/// ```
/// use caffe2::predictor::Pass;
/// use caffe2::{EncodedNet, Error, NetDef, OperatorDef, PredictorOptions};
///
/// /// Drops what the net computes besides its outputs.
/// #[derive(Debug)]
/// struct DropUnread;
///
/// impl Pass for DropUnread {
///     fn name(&self) -> &'static str {
///         "drop_unread"
///     }
///
///     fn before_init(&self, _: &mut EncodedNet, predict: &mut NetDef) -> Result<(), Error> {
///         let read: Vec<_> = predict.op.iter().flat_map(|op| op.input.clone()).collect();
///         let NetDef { op, external_output, .. } = predict;
///         op.retain(|op| op.output.iter().any(|name| read.contains(name) || external_output.contains(name)));
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let relu = |to| OperatorDef::new("Relu").input("x").output(to);
/// let net = NetDef::new("n").external_input("x").op(relu("y")).op(relu("unread")).external_output("y");
/// let predictor = PredictorOptions::new().pass(DropUnread).build(EncodedNet::default(), net)?;
/// assert_eq!(predictor.net().op.len(), 1);
/// # Ok(())
/// # }
/// ```
pub trait Pass: std::fmt::Debug + Send + Sync + 'static {
    /// The name, by which the pass is left out.
    fn name(&self) -> &'static str;

    /// Changes the nets before anything runs. [`EncodedNet::retain_mut`] shows the operators of the init net one by one.
    ///
    /// # Errors
    /// When the nets are not what the pass needs; the model is not loaded then.
    fn before_init(&self, init: &mut EncodedNet, predict: &mut NetDef) -> Result<(), Error> {
        let _ = (init, predict);
        Ok(())
    }

    /// Changes the weights, which the init net has made in `workspace`, and the predict net.
    ///
    /// # Errors
    /// As [`Pass::before_init`].
    fn after_init(&self, workspace: &mut Workspace, predict: &mut NetDef) -> Result<(), Error> {
        let _ = (workspace, predict);
        Ok(())
    }
}
