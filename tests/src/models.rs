//! The models in `tests/models`.

use std::path::{Path, PathBuf};

use caffe2::NetDef;
use caffe2::files::{read_net, read_tensors};
use caffe2_operator::{Tensor, Workspace};

/// A file of a model.
pub fn path(model: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model).join(file)
}

/// The tensor `name` in an `.npz` file of a model.
///
/// # Panics
/// When it is not there.
pub fn tensor(model: &str, file: &str, name: &str) -> Tensor {
    let tensors = read_tensors(path(model, file)).unwrap_or_else(|e| panic!("{e}"));
    let found = tensors.into_iter().find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("{model}/{file}: no tensor `{name}`")).1
}

/// A workspace in which the init net of a model has run, and its `predict_net.pb` was made; and the name of that.
///
/// # Panics
/// When one of the nets fails.
pub fn workspace(model: &str, init_net: &str, threads: usize) -> (Workspace, String) {
    workspace_with(model, init_net, threads, |_, _| ())
}

/// The same, where the two nets go through `rewrite` before.
///
/// # Panics
/// When one of the nets fails.
pub fn workspace_with(
    model: &str,
    init_net: &str,
    threads: usize,
    rewrite: impl FnOnce(&mut NetDef, &mut NetDef),
) -> (Workspace, String) {
    let net = |file: &str| read_net(path(model, file)).unwrap_or_else(|e| panic!("{e}"));
    let (mut init, mut predict) = (net(init_net), net("predict_net.pb"));
    rewrite(&mut init, &mut predict);
    let mut workspace = Workspace::new();
    workspace.set_threads(threads);
    workspace.run_net_once(&init).unwrap_or_else(|e| panic!("{e}"));
    // Its input has to be there before the net is made; what it holds is fed later.
    for input in predict.external_input.iter() {
        if !workspace.has_blob(input) {
            workspace.create_blob(input);
        }
    }
    workspace.create_net(&predict).unwrap_or_else(|e| panic!("{e}"));
    (workspace, predict.name().to_owned())
}
