//! Predictor files and databases, both ways with the real Caffe2: `tests/models/predictor` tells how they were made.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use caffe2::files::{Limits, PredictorExport, PredictorFile, minidb, read_net, read_tensors};
use caffe2::{Blob, Caffe2Message as _, NetDef, Predictor, Workspace};
use caffe2_operator::{Int8Tensor, Tensor};
use caffe2_tests::compare::{Tolerance, compare, same_bits};
use caffe2_tests::models::{path, tensor, workspace};
use proptest::prelude::*;

fn limits() -> Limits {
    Limits::default()
}

/// What the digits net makes of the test images, from a workspace that is ready for it.
fn softmax(workspace: &mut Workspace, net: &NetDef) -> Tensor {
    workspace.set_threads(1);
    workspace.feed("data", tensor("digits", "test_images.npz", "data"));
    workspace.run_net_once(net).unwrap();
    workspace.fetch("softmax").unwrap()
}

fn from_two_nets() -> Tensor {
    let (mut workspace, _) = workspace("digits", "init_net.pb", 1);
    softmax(&mut workspace, &read_net(path("digits", "predict_net.pb")).unwrap())
}

#[test]
fn what_caffe2_exports_is_loaded_and_run() {
    let file = PredictorFile::open(path("predictor", "digits.minidb"), &limits()).unwrap();
    assert_eq!((file.inputs(), file.outputs()), (&["data".to_owned()][..], &["softmax".to_owned()][..]));
    assert_eq!(file.parameters().len(), 6);
    assert_eq!(file.input_shape("data").unwrap().dims(), [1, 1, 8, 8]);
    assert_eq!(file.input_shape("conv1_w"), None);
    let mut workspace = Workspace::new();
    file.load_into(&mut workspace).unwrap();
    assert!(!workspace.has_blob("!!PREDICTOR_DBREADER"));
    let got = softmax(&mut workspace, file.predict_net());
    same_bits(&got, &from_two_nets()).unwrap();
    let wanted = tensor("digits", "expected.npz", "softmax_float");
    compare(&got, &wanted, Tolerance::Within { rtol: 1e-4, atol: 1e-6 }).unwrap();
}

#[test]
fn a_predictor_is_made_of_a_predictor_file() {
    let predictor = Predictor::from_file(path("predictor", "digits.minidb")).unwrap();
    let names: Vec<_> = predictor.inputs().iter().map(|input| input.name()).collect();
    assert_eq!((names, predictor.outputs()), (vec!["data"], &["softmax".to_owned()][..]));
    // The zeros that the file has in the place of inputs are not taken for one.
    assert!(predictor.run::<&str>(&[]).unwrap_err().to_string().contains("never provided"));
    let wrong = Tensor::zeros::<f32>([1, 3, 8, 8]).unwrap();
    assert!(predictor.run(&[("data", wrong)]).is_err());
    let images = tensor("digits", "test_images.npz", "data");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let outputs = predictor.run(&[("data", images.clone())]).unwrap();
                same_bits(&outputs[0].1, &from_two_nets()).unwrap();
            });
        }
    });
}

#[test]
fn a_description_whose_nets_bring_their_parameters_is_a_predictor() {
    let file = PredictorFile::open(path("predictor", "digits.minidb"), &limits()).unwrap();
    let mut meta = file.meta().clone();
    for entry in &mut meta.nets {
        if entry.key == "GLOBAL_INIT_NET_TYPE" {
            entry.value = read_net(path("digits", "init_net.pb")).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in
        [("m.pb", meta.to_binary()), ("m.pbtxt", meta.to_text().into()), ("m.json", meta.to_json().into())]
    {
        std::fs::write(folder.path().join(name), content).unwrap();
        let predictor = Predictor::from_file(folder.path().join(name)).unwrap();
        let outputs = predictor.run(&[("data", tensor("digits", "test_images.npz", "data"))]).unwrap();
        same_bits(&outputs[0].1, &from_two_nets()).unwrap();
    }
    let absent = Predictor::from_file(folder.path().join("absent.minidb")).unwrap_err();
    assert!(absent.to_string().contains("absent.minidb: "), "{absent}");
}

#[test]
fn a_predictor_file_becomes_two_nets() {
    let content = Bytes::from(std::fs::read(path("predictor", "digits.minidb")).unwrap());
    let file = PredictorFile::from_bytes(content, &limits()).unwrap();
    let init = file.init_net(&limits()).unwrap();
    let mut workspace = Workspace::new();
    workspace.run_net_once(&init).unwrap();
    assert_eq!(workspace.fetch("data").unwrap().dims(), [1, 1, 8, 8]);
    same_bits(&softmax(&mut workspace, file.predict_net()), &from_two_nets()).unwrap();
    // And back: inputs that the init net only holds a place for are inputs again.
    let again = PredictorExport::from_nets(&init, file.predict_net(), &limits()).unwrap();
    assert_eq!(again.meta().blobs, file.meta().blobs);
    assert_eq!(again.inputs[0].1.as_ref().unwrap().dims(), [1, 1, 8, 8]);
    assert_eq!(again.outputs[0].1.as_ref().unwrap().dims(), [1, 10]);
}

/// `make.py --check ours.minidb` has the real Caffe2 load the same bytes.
#[test]
fn what_we_export_is_what_caffe2_was_seen_to_load() {
    let net = |name: &str| read_net(path("digits", name)).unwrap();
    let export = PredictorExport::from_nets(&net("init_net.pb"), &net("predict_net.pb"), &limits()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    export.write(folder.path().join("ours.minidb")).unwrap();
    let written = std::fs::read(folder.path().join("ours.minidb")).unwrap();
    let committed = path("predictor", "ours.minidb");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&committed, &written).unwrap();
    }
    assert!(
        written == std::fs::read(committed).unwrap(),
        "ours.minidb is another now: have Caffe2 check it again"
    );
    let file = PredictorFile::from_bytes(written, &limits()).unwrap();
    let mut workspace = Workspace::new();
    file.load_into(&mut workspace).unwrap();
    same_bits(&softmax(&mut workspace, file.predict_net()), &from_two_nets()).unwrap();
}

#[test]
fn models_with_names_and_nets_of_their_own() {
    let file = path("predictor", "named.minidb");
    for file in [PredictorFile::open(&file, &limits()), PredictorFile::open_model(&file, "scorer", &limits())]
    {
        let file = file.unwrap();
        assert_eq!((file.inputs(), file.parameters()), (&["x".to_owned()][..], &["w".to_owned()][..]));
        let mut workspace = Workspace::new();
        file.load_into(&mut workspace).unwrap();
        workspace.feed("x", Tensor::from_slice([2], &[10.0f32, 20.0]).unwrap());
        workspace.run_net_once(file.predict_net()).unwrap();
        assert_eq!(workspace.fetch("y").unwrap().as_slice::<f32>().unwrap(), [30.0, -60.0]);
    }
    let error = PredictorFile::open_model(&file, "other", &limits()).unwrap_err().to_string();
    assert!(error.contains("no model `other`: the file holds the models `scorer`"), "{error}");
}

#[test]
fn blobs_of_every_kind_are_read() {
    let file = path("predictor", "blobs.minidb");
    let blobs = minidb::read(&file, &limits()).unwrap();
    let names: Vec<_> = blobs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["floats", "text", "words", "quantised"]);
    let blob = |at: usize| &blobs[at].1;
    assert_eq!(blob(0).as_tensor().unwrap().as_slice::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(blob(1).with(Bytes::clone).unwrap(), "a \u{fc}");
    assert_eq!(blob(2).as_tensor().unwrap().as_strings().unwrap()[1], &b"\xff\0"[..]);
    let quantised = blob(3).with(Int8Tensor::clone).unwrap();
    assert_eq!((quantised.scale, quantised.zero_point), (0.25, 3));
    assert_eq!(quantised.values.as_slice::<u8>().unwrap(), [0, 128, 255]);
    // As tensors: those that are.
    let tensors = read_tensors(&file).unwrap();
    assert_eq!(tensors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["floats", "words"]);
    let error = PredictorFile::open(&file, &limits()).unwrap_err().to_string();
    assert!(error.contains("a database of 4 blobs, and no predictor"), "{error}");
}

#[test]
fn a_file_that_was_cut_off_says_where() {
    let content = std::fs::read(path("predictor", "digits.minidb")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.minidb");
    std::fs::write(&cut, &content[..content.len() - 10]).unwrap();
    let file = PredictorFile::open(&cut, &limits()).unwrap();
    let error = file.load_into(&mut Workspace::new()).unwrap_err().to_string();
    assert!(
        error.contains("cut.minidb: ") && error.contains("byte ") && error.contains("cut off"),
        "{error}"
    );
    let tight = Limits { max_tensor_bytes: 1000, ..limits() };
    let error = minidb::from_bytes(content, &tight).unwrap_err().to_string();
    assert!(error.contains("memory limit"), "{error}");
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let mut export = PredictorExport {
        predict_net: NetDef::new("n"),
        parameters: vec![("w".into(), Tensor::scalar(1.0f32).unwrap().into())],
        inputs: vec![("w".into(), None)],
        outputs: Vec::new(),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.minidb");
    std::fs::write(&path, "old").unwrap();
    let error = export.write(&path).unwrap_err().to_string();
    assert!(error.contains("tensor `w`: it is a parameter, and an input"), "{error}");
    export.inputs[0].0 = "x".into();
    export.parameters[0].1 = Blob::new(5u8);
    assert!(export.write(&path).unwrap_err().to_string().contains("the blob holds u8"));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a predictor file is cut or changed, opening and loading it ends with a model or an error.
    #[test]
    fn damage_never_panics(
        cut in 0usize..700,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..8),
    ) {
        let mut content = std::fs::read(path("predictor", "named.minidb")).unwrap();
        for (at, byte) in changes {
            let length = content.len();
            content[at % length] = byte;
        }
        content.truncate(cut);
        let small = Limits { max_tensor_bytes: 1 << 20, ..limits() };
        let _ = minidb::from_bytes(content.clone(), &small);
        if let Ok(file) = PredictorFile::from_bytes(content, &small) {
            let mut workspace = Workspace::new();
            workspace.set_memory_limit(1 << 20);
            let _ = file.load_into(&mut workspace);
            let _ = file.init_net(&small);
        }
    }
}
