//! Databases of type minidb, and predictor files.

use caffe2::files::{PredictorFile, minidb as blobs};

use super::{LIMITS, workspace};

/// A database: its blobs, and the model in it.
pub(super) fn minidb(data: &[u8]) {
    let _ = blobs::from_bytes(data.to_vec(), &LIMITS);
    let Ok(file) = PredictorFile::from_bytes(data.to_vec(), &LIMITS) else { return };
    let _ = file.parameter_infos(&LIMITS);
    let _ = file.init_net(&LIMITS);
    let mut workspace = workspace();
    if file.load_into(&mut workspace).is_ok() {
        let _ = workspace.run_net_once(file.predict_net());
    }
}
