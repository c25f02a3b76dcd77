//! What activations of nets of the zoo take when they share memory.
#![allow(clippy::unwrap_used)]

use caffe2::operator::MemoryReport;
use caffe2::{Tensor, Workspace};

/// The report before a run: sizes are those that inference tells.
fn report(name: &str) -> MemoryReport {
    let model = caffe2_zoo::model(name).unwrap();
    let mut workspace = Workspace::new();
    workspace.run_net_once(model.init_net()).unwrap();
    workspace.set_memory_sharing(true);
    workspace.feed(model.input(), Tensor::zeros::<f32>(model.input_dims()).unwrap());
    workspace.create_net(model.predict_net()).unwrap();
    let report = workspace.memory_report(model.predict_net().name()).unwrap();
    println!("{name}: {report}");
    assert!(report.shares && report.blobs.iter().all(|blob| blob.bytes > 0));
    report
}

#[test]
fn activations_of_resnet50_take_at_most_30_percent_of_their_sum() {
    let MemoryReport { total, shared, .. } = report("resnet50");
    assert!(shared * 100 <= total * 30, "{shared} of {total} bytes");
}
