//! Nets from definitions.

use caffe2::operator::{BlobInfos, TensorInfo, check_definition, diagnose_net, expected_inputs, infer_net};
use caffe2::{Blob, Caffe2Message as _, NetDef, NetFacts};

use super::{WIRE, registry, workspace};

/// A net in binary or text form is built. What has no problems can be.
pub(super) fn construction(data: &[u8]) {
    let Ok(mut net) = NetDef::from_bytes(data.to_vec(), &WIRE) else { return };
    // Only nets that are kept need one.
    net.name.get_or_insert_with(|| "nameless".to_owned());
    let _ = check_definition(&net, registry());
    let inputs: Vec<String> = NetFacts::new(&net).inputs().map(|(name, _)| name.to_owned()).collect();
    let mut known: BlobInfos = inputs.iter().map(|name| (name.clone(), TensorInfo::unknown())).collect();
    let _ = expected_inputs(registry(), &net, &known);
    let _ = infer_net(registry(), &net, &mut known.clone());
    let diagnosis = diagnose_net(registry(), &net, &mut known);
    let mut workspace = workspace();
    for name in &inputs {
        workspace.feed(name, Blob::default());
    }
    match workspace.create_net(&net) {
        Err(error) => assert!(!diagnosis.problems.is_empty(), "nothing was wrong with the net, but {error}"),
        Ok(_) => {
            let name = net.name().to_owned();
            let _ = workspace.run_net(&name);
        }
    }
}
