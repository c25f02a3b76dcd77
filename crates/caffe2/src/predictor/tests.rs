use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use caffe2_operator::{DataType, Error, ErrorKind, NetInfo, Observer};
use caffe2_proto::{Caffe2Message as _, EncodedNet, OperatorDef};

use super::*;
use crate::files::Mapping;

fn fill(name: &str, shape: &[i64], values: &[f32]) -> OperatorDef {
    OperatorDef::new("GivenTensorFill").output(name).arg("shape", shape.to_vec()).arg("values", values)
}

fn init() -> NetDef {
    let codes =
        OperatorDef::new("GivenTensorByteStringToUInt8Fill").output("codes").arg("shape", vec![1i64, 2]);
    let expand = OperatorDef::new("ByteWeightDequant").input("codes").output("w");
    NetDef::new("init")
        .op(codes.arg("values", vec![vec![1u8, 2]]))
        .op(expand.arg("min", 0.0f32).arg("max", 255.0f32).arg("shape", vec![1i64, 2]))
        .op(fill("b", &[1], &[0.5]))
}

/// `y = 1 * data[0] + 2 * data[1] + 0.5`.
fn predict() -> NetDef {
    NetDef::new("predict")
        .external_inputs(["data", "w", "b"])
        .op(OperatorDef::new("FC").inputs(["data", "w", "b"]).output("y"))
        .external_output("y")
}

fn predictor() -> Predictor {
    PredictorOptions::new().build(init().into(), predict()).unwrap()
}

fn rows(values: &[f32]) -> Tensor {
    Tensor::from_slice([values.len() / 2, 2], values).unwrap()
}

fn y(outputs: &NamedTensors) -> Vec<f32> {
    assert_eq!((outputs.len(), outputs[0].0.as_str()), (1, "y"));
    outputs[0].1.as_slice().unwrap().to_vec()
}

fn shared<T: Send + Sync + Clone + 'static>(value: &T) -> T {
    value.clone()
}

#[test]
fn inputs_are_what_the_init_net_does_not_make() {
    let predictor = predictor();
    let inputs: Vec<_> = predictor.inputs().iter().map(ToString::to_string).collect();
    assert_eq!(
        (inputs, predictor.outputs()),
        (vec!["`data`, float [?, 2]".to_owned()], &["y".to_owned()][..])
    );
    assert_eq!(predictor.inputs()[0].reader(), "operator #0 FC");
    // The codes have served.
    assert_eq!(predictor.workspace().local_blobs(), ["b", "w"]);
    let all = PredictorOptions::new().keep_all_blobs().build(init().into(), predict()).unwrap();
    assert_eq!(all.workspace().local_blobs(), ["b", "codes", "w"]);
}

#[test]
fn a_stand_in_that_the_net_cannot_take_is_no_value() {
    // As Caffe2's exporter writes it.
    let init = init().op(fill("data", &[1, 1], &[0.0]));
    let predictor = PredictorOptions::new().build(init.into(), predict()).unwrap();
    assert_eq!(predictor.inputs()[0].name(), "data");
    assert!(matches!(predictor.run::<&str>(&[]), Err(PredictorError::MissingInputs { .. })));
    assert_eq!(y(&predictor.run(&[("data", rows(&[1.0, 1.0]))]).unwrap()), [3.5]);
    // One that it can take is a value like any other.
    let init = super::tests::init().op(fill("data", &[1, 2], &[1.0, 1.0]));
    let predictor = PredictorOptions::new().build(init.into(), predict()).unwrap();
    assert_eq!(predictor.inputs(), []);
    assert_eq!(y(&predictor.run::<&str>(&[]).unwrap()), [3.5]);
}

#[test]
fn names_shapes_and_types_are_checked_before_a_run() {
    let predictor = predictor();
    let error = |inputs: &[(&str, Tensor)]| predictor.run(inputs).unwrap_err();
    let missing = error(&[]);
    assert_eq!(
        missing.to_string(),
        "the net reads inputs that were never provided:\n  `data`, float [?, 2], first read by operator #0 FC"
    );
    let unknown = error(&[("dat", rows(&[1.0, 2.0]))]);
    assert!(
        unknown.to_string().starts_with("the net has no input `dat`; its inputs are:\n  `data`"),
        "{unknown}"
    );
    let bytes = error(&[("data", Tensor::zeros::<u8>([1, 2]).unwrap())]);
    assert_eq!(bytes.to_string(), "input `data`: expected float [?, 2], found uint8 [1, 2]");
    let unwritten = error(&[("data", Tensor::new())]);
    assert!(matches!(unwritten, PredictorError::WrongInput { .. }), "{unwritten}");
    match error(&[("data", Tensor::zeros::<f32>([1, 3]).unwrap())]) {
        PredictorError::Net { error, .. } => {
            assert!(
                error.to_string().contains("operator #0 FC") && error.to_string().contains("[1, 3]"),
                "{error}"
            );
        }
        other => panic!("{other}"),
    }
    // All of that leaves it usable, and other shapes that it can take are taken.
    assert_eq!(y(&predictor.run(&[("data", rows(&[1.0, 2.0, 3.0, 4.0]))]).unwrap()), [5.5, 11.5]);
    assert_eq!(y(&predictor.run(&[("data", Tensor::zeros::<f32>([1, 1, 2]).unwrap())]).unwrap()), [0.5]);
}

#[test]
fn inputs_by_position_are_the_external_inputs() {
    let predictor = predictor();
    let (data, w) = (rows(&[1.0, 2.0]), rows(&[10.0, 10.0]));
    let b = Tensor::from_slice([1], &[7.0f32]).unwrap();
    assert_eq!(y(&predictor.run_positional(std::slice::from_ref(&data)).unwrap()), [5.5]);
    assert_eq!(y(&predictor.run_positional(&[data.clone(), w.clone()]).unwrap()), [30.5]);
    assert_eq!(y(&predictor.run_positional(&[data.clone(), w, b.clone()]).unwrap()), [37.0]);
    let too_many = predictor.run_positional(&vec![b; 4]).unwrap_err();
    assert_eq!(too_many.to_string(), "4 tensors are given, but the net has 3 external inputs");
    // What a run replaced is back for the next.
    assert_eq!(y(&predictor.run_positional(&[data]).unwrap()), [5.5]);
    assert!(matches!(predictor.run_positional(&[]), Err(PredictorError::MissingInputs { .. })));
}

#[test]
fn a_session_keeps_what_it_was_fed() {
    let predictor = predictor();
    let (mut a, mut b) = (predictor.session().unwrap(), predictor.session().unwrap());
    assert!(matches!(a.execute(), Err(PredictorError::MissingInputs { .. })));
    a.feed("data", rows(&[1.0, 1.0])).unwrap();
    a.feed("w", rows(&[5.0, 6.0])).unwrap();
    b.feed("data", rows(&[1.0, 1.0])).unwrap();
    for _ in 0..2 {
        a.execute().unwrap();
        b.execute().unwrap();
        let value = |session: &Session| session.tensor("y").unwrap().as_slice::<f32>().unwrap()[0];
        assert_eq!((value(&a), value(&b)), (11.5, 3.5));
    }
    assert!(matches!(a.feed("codes", rows(&[1.0, 1.0])), Err(PredictorError::UnknownInput { .. })));
    a.feed("w", Tensor::zeros::<f32>([1, 3]).unwrap()).unwrap();
    assert!(matches!(a.execute(), Err(PredictorError::Net { .. })));
    a.feed("w", rows(&[1.0, 0.0])).unwrap();
    assert_eq!(y(&a.run::<&str>(&[]).unwrap()), [1.5]);
}

#[test]
fn threads_share_weights_and_nothing_else() {
    let predictor = predictor();
    let weights = predictor.workspace().fetch("w").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let predictor = shared(&predictor);
            let weights = &weights;
            scope.spawn(move || {
                for run in 0..200u8 {
                    let (a, b) = (f32::from(thread), f32::from(run));
                    let outputs = predictor.run(&[("data", rows(&[a, b]))]).unwrap();
                    assert_eq!(y(&outputs), [a + 2.0 * b + 0.5]);
                }
                assert!(predictor.workspace().tensor("w").unwrap().shares_storage_with(weights));
            });
        }
    });
}

#[test]
fn a_parent_is_read_and_never_written() {
    let mut parent = Workspace::new();
    parent.feed("b", Tensor::from_slice([1], &[100.0f32]).unwrap());
    let parent = Arc::new(parent);
    let options = || PredictorOptions::new().parent(Arc::clone(&parent));
    // The init net makes `b` too.
    let predictor = options().build(init().into(), predict()).unwrap();
    assert_eq!(y(&predictor.run(&[("data", rows(&[0.0, 0.0]))]).unwrap()), [0.5]);
    let mut without = init();
    without.op.pop();
    let predictor = options().build(without.into(), predict()).unwrap();
    assert_eq!(y(&predictor.run(&[("data", rows(&[0.0, 0.0]))]).unwrap()), [100.0]);
    assert_eq!(parent.local_blobs(), ["b"]);
    assert_eq!(parent.fetch("b").unwrap(), Tensor::from_slice([1], &[100.0f32]).unwrap());
}

#[test]
fn limits_hold() {
    let data = || [("data", Tensor::zeros::<f32>([1000, 2]).unwrap())];
    let small = PredictorOptions::new().memory_limit(200).build(init().into(), predict()).unwrap();
    let refused = small.run(&data()).unwrap_err();
    assert!(refused.to_string().contains("memory limit"), "{refused}");
    assert_eq!(y(&small.run(&[("data", rows(&[0.0, 0.0]))]).unwrap()), [0.5]);
    // Weights that are kept as bytes need no memory of their own, the floats of them do.
    let tight = || PredictorOptions::new().memory_limit(7);
    tight().build(init().into(), predict()).unwrap();
    let refused = tight().without_pass("keep_codes").build(init().into(), predict()).unwrap_err();
    assert!(refused.to_string().contains("memory limit"), "{refused}");

    let late =
        PredictorOptions::new().time_limit(Duration::ZERO).build(init().into(), predict()).unwrap_err();
    assert!(matches!(late, PredictorError::Net { error, .. } if error.kind() == ErrorKind::Stopped));
    let predictor = predictor();
    predictor.cancel_token().cancel();
    assert!(predictor.run(&data()).unwrap_err().to_string().contains("cancelled"));
    predictor.cancel_token().reset();
    predictor.run(&data()).unwrap();
    let single = PredictorOptions::new().threads(1).build(init().into(), predict()).unwrap();
    assert_eq!((single.workspace().threads(), single.run(&data()).unwrap().len()), (1, 1));
}

/// The net with a weight that it expands itself, from halves.
fn expanding() -> (NetDef, NetDef) {
    let halves = OperatorDef::new("FloatToHalf").input("v").output("h");
    let init = NetDef::new("init").op(fill("v", &[1, 2], &[1.0, 2.0])).op(halves).op(fill("b", &[1], &[0.5]));
    let mut net = predict();
    net.external_input = ["data", "h", "b"].map(str::to_owned).to_vec();
    net.op.insert(0, OperatorDef::new("HalfToFloat").input("h").output("w"));
    (init, net)
}

#[test]
fn weights_are_expanded_once_within_a_budget() {
    let load = |options: PredictorOptions| {
        let (init, net) = expanding();
        let predictor = options.build(init.into(), net).unwrap();
        assert_eq!(y(&predictor.run(&[("data", rows(&[1.0, 10.0]))]).unwrap()), [21.5]);
        predictor
    };
    let folded = load(PredictorOptions::new());
    assert_eq!(folded.net().op.len(), 1);
    assert_eq!(folded.workspace().local_blobs(), ["b", "w"]);
    let refused = folded.run(&[("data", rows(&[1.0, 10.0])), ("h", rows(&[1.0, 2.0]))]).unwrap_err();
    assert!(refused.to_string().contains("`fold_constants` took the blob `h`"), "{refused}");
    // Positions are those of the net as it was given.
    let by_position = folded.run_positional(&[rows(&[1.0, 10.0])]).unwrap();
    assert_eq!(y(&by_position), [21.5]);
    let refused = folded.run_positional(&[rows(&[1.0, 10.0]), rows(&[1.0, 2.0])]).unwrap_err();
    assert!(refused.to_string().contains("`h`"), "{refused}");

    let within = |budget| PredictorOptions::new().pass(FoldConstants { budget });
    for (options, ops) in
        [(PredictorOptions::new().without_pass("fold_constants"), 2), (within(7), 2), (within(1024), 1)]
    {
        assert_eq!(load(options).net().op.len(), ops);
    }
}

#[test]
fn merged_operators_give_the_same_and_blobs_between_them_are_kept_on_demand() {
    let init = NetDef::new("init").op(fill("w", &[1, 1, 1, 1], &[2.0])).op(fill("b", &[1], &[-3.0]));
    let conv = OperatorDef::new("Conv").inputs(["data", "w", "b"]).output("a").arg("kernel", 1);
    let net = NetDef::new("predict")
        .external_inputs(["data", "w", "b"])
        .op(conv)
        .op(OperatorDef::new("Relu").input("a").output("y"))
        .external_output("y");
    for (options, ops) in [
        (PredictorOptions::new(), 1),
        (PredictorOptions::new().keep_blob("a"), 2),
        (PredictorOptions::new().without_pass("fuse"), 2),
    ] {
        let predictor = options.build(init.clone().into(), net.clone()).unwrap();
        assert_eq!(predictor.net().op.len(), ops);
        let mut session = predictor.session().unwrap();
        let data = Tensor::from_slice([1, 1, 1, 2], &[1.0f32, 5.0]).unwrap();
        assert_eq!(y(&session.run(&[("data", data)]).unwrap()), [0.0, 7.0]);
        let between = session.tensor("a").map(|a| a.as_slice::<f32>().unwrap().to_vec());
        match ops {
            1 => assert!(between.unwrap_err().to_string().contains("keep_blob(\"a\")")),
            _ => assert_eq!(between.unwrap(), [-1.0, 7.0]),
        }
    }
}

#[test]
fn a_net_that_cannot_be_is_told_when_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (init_path, predict_path) = (folder.path().join("i.pb"), folder.path().join("p.pb"));
    let load = |init: &NetDef, predict: &NetDef| {
        std::fs::write(&init_path, init.to_binary()).unwrap();
        std::fs::write(&predict_path, predict.to_binary()).unwrap();
        [Mapping::LocalFiles, Mapping::Never].map(|mapping| {
            let loaded = PredictorOptions::new().mapping(mapping).load(&init_path, &predict_path);
            loaded.map(drop).map_err(|error| error.to_string())
        })
    };
    let [mapped, read] = load(&init(), &predict());
    assert_eq!((mapped, read), (Ok(()), Ok(())));
    let missing = predict().op(OperatorDef::new("No")).op(OperatorDef::new("Nor"));
    for result in load(&init(), &missing) {
        let error = result.unwrap_err();
        assert!(
            error.contains("p.pb: net `predict`") && error.contains("`No`") && error.contains("`Nor`"),
            "{error}"
        );
    }
    let bad_argument = predict().op(OperatorDef::new("Clip").input("y").output("z").arg("min", "x"));
    for result in load(&init(), &bad_argument) {
        assert!(result.unwrap_err().contains("p.pb: net `predict`: operator #1 Clip"));
    }
    for result in load(&init().op(fill("c", &[2], &[1.0])), &predict()) {
        assert!(result.unwrap_err().contains("i.pb: net `init`: operator #3 GivenTensorFill"));
    }
    std::fs::remove_file(&init_path).unwrap();
    let absent = Predictor::load(&init_path, &predict_path).unwrap_err();
    assert!(matches!(absent, PredictorError::File(_)) && absent.to_string().contains("i.pb"), "{absent}");
}

#[derive(Debug)]
struct Renames;

impl Pass for Renames {
    fn name(&self) -> &'static str {
        "renames"
    }

    fn before_init(&self, init: &mut EncodedNet, predict: &mut NetDef) -> Result<(), Error> {
        predict.op[0].input[2] = "bias".into();
        predict.external_input[2] = "bias".into();
        let renamed = init.retain_mut(|_, operator| {
            if operator.def().output == ["b"] {
                operator.def_mut()?.output[0] = "bias".into();
            }
            Ok::<bool, caffe2_proto::ProtoError>(true)
        });
        renamed.expect("nothing of it is in a file");
        Ok(())
    }

    fn after_init(&self, workspace: &mut Workspace, _: &mut NetDef) -> Result<(), Error> {
        assert!(workspace.has_blob("codes"));
        workspace.feed("bias", Tensor::from_slice([1], &[1000.0f32]).expect("one element"));
        Ok(())
    }
}

#[test]
fn passes_are_applied_unless_left_out() {
    let options = || PredictorOptions::new().pass(Renames);
    let zero = || [("data", rows(&[0.0, 0.0]))];
    let predictor = options().build(init().into(), predict()).unwrap();
    assert_eq!(predictor.workspace().local_blobs(), ["bias", "w"]);
    assert_eq!(y(&predictor.run(&zero()).unwrap()), [1000.0]);
    let predictor = options().without_pass("renames").build(init().into(), predict()).unwrap();
    assert_eq!(y(&predictor.run(&zero()).unwrap()), [0.5]);
    let unknown = options().without_pass("rename").build(init().into(), predict()).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no pass `rename`; there are keep_codes, fold_constants, fuse, renames"
    );
}

#[test]
fn weights_stay_bytes_unless_the_pass_is_left_out() {
    let load = |options: PredictorOptions| {
        let bytes = init().to_binary();
        let init = EncodedNet::from_bytes(bytes, &caffe2_proto::WireLimits::default()).unwrap();
        options.build(init, predict()).unwrap()
    };
    let (kept, expanded) =
        (load(PredictorOptions::new()), load(PredictorOptions::new().without_pass("keep_codes")));
    let w = |predictor: &Predictor| predictor.workspace().fetch("w").unwrap();
    assert!(!w(&kept).is_expanded() && w(&expanded).is_expanded());
    let data = || [("data", rows(&[2.0, 3.0]))];
    let (y_kept, y_expanded) = (y(&kept.run(&data()).unwrap()), y(&expanded.run(&data()).unwrap()));
    assert!((y_kept[0] - y_expanded[0]).abs() < 1e-4 * y_expanded[0].abs(), "{y_kept:?} {y_expanded:?}");
    assert!(!w(&kept).is_expanded());
    // Callers may look at it still.
    assert_eq!(w(&kept), w(&expanded));
}

#[derive(Default)]
struct Runs(AtomicUsize, AtomicUsize);

impl Observer for Runs {
    fn net_start(&self, net: &NetInfo) {
        let runs = if net.name() == "init" { &self.0 } else { &self.1 };
        runs.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn observers_see_every_run() {
    let runs = Arc::new(Runs::default());
    let options = PredictorOptions::new().observer(Arc::clone(&runs) as Arc<dyn Observer>);
    let predictor = options.build(init().into(), predict()).unwrap();
    for _ in 0..3 {
        predictor.run(&[("data", rows(&[0.0, 0.0]))]).unwrap();
    }
    assert_eq!((runs.0.load(Ordering::Relaxed), runs.1.load(Ordering::Relaxed)), (1, 3));
}

#[test]
fn nets_without_names_or_declarations_work() {
    let mut net = predict();
    (net.name, net.external_input, net.external_output) = (None, vec![], vec![]);
    let predictor = PredictorOptions::new().build(init().into(), net).unwrap();
    assert_eq!((predictor.inputs()[0].name(), predictor.outputs()), ("data", &["y".to_owned()][..]));
    assert_eq!(y(&predictor.run(&[("data", rows(&[0.0, 0.0]))]).unwrap()), [0.5]);
    assert_eq!(predictor.inputs()[0].expectation().data_type, Some(DataType::Float));
}

#[test]
fn nets_within_operators_keep_what_they_may_read() {
    let inner = NetDef::new("then").op(OperatorDef::new("Copy").input("codes").output("y"));
    let net =
        NetDef::new("n").external_input("c").op(OperatorDef::new("If").input("c").arg("then_net", inner));
    let predictor = PredictorOptions::new().build(init().into(), net).unwrap();
    assert!(predictor.workspace().has_blob("codes"));
    let mut session = predictor.session().unwrap();
    session.feed("c", Tensor::scalar(true).unwrap()).unwrap();
    session.execute().unwrap();
    assert_eq!(session.tensor("y").unwrap().as_slice::<u8>().unwrap(), [1, 2]);
}

/// `data` through six operators, the last of which writes `y`.
fn deep() -> NetDef {
    let op = |op_type: &str, x: &str, y: &str| OperatorDef::new(op_type).input(x).output(y);
    NetDef::new("deep")
        .external_inputs(["data", "w", "b"])
        .op(op("Relu", "data", "a"))
        .op(op("Negative", "a", "m"))
        .op(op("Negative", "m", "n"))
        .op(op("Negative", "n", "o"))
        .op(op("Negative", "o", "p"))
        .op(OperatorDef::new("FC").inputs(["p", "w", "b"]).output("y"))
        .external_output("y")
}

#[test]
fn activations_share_memory_and_what_is_asked_for_is_kept() {
    let data = || [("data", rows(&[1.0, 2.0]))];
    let predictor = PredictorOptions::new().keep_blob("a").build(init().into(), deep()).unwrap();
    let mut session = predictor.session().unwrap();
    for _ in 0..3 {
        assert_eq!(y(&session.run(&data()).unwrap()), [5.5]);
        for kept in ["data", "a"] {
            assert_eq!(session.tensor(kept).unwrap().as_slice::<f32>().unwrap(), [1.0, 2.0], "{kept}");
        }
    }
    let error = session.tensor("m").unwrap_err().to_string();
    assert!(error.contains("keep_blob(\"m\")") && error.contains("predictor"), "{error}");
    let report = session.memory_report().unwrap();
    assert!(report.shares && report.shared < report.total, "{report}");
    session.keep_blob("m");
    session.run(&data()).unwrap();
    assert_eq!(session.tensor("m").unwrap().as_slice::<f32>().unwrap(), [-1.0, -2.0]);
    // Other sessions and calls have blobs of their own.
    assert_eq!(y(&predictor.run(&data()).unwrap()), [5.5]);

    let apart = PredictorOptions::new().memory_sharing(false).build(init().into(), deep()).unwrap();
    let mut session = apart.session().unwrap();
    session.run(&data()).unwrap();
    assert_eq!(session.tensor("m").unwrap().as_slice::<f32>().unwrap(), [-1.0, -2.0]);
    assert!(!session.memory_report().unwrap().shares);
}

#[test]
fn outputs_that_nobody_declared_are_kept() {
    let net = NetDef { external_output: Vec::new(), ..deep() };
    let predictor = PredictorOptions::new().build(init().into(), net).unwrap();
    let data = [("data", rows(&[1.0, 2.0]))];
    let first = predictor.run(&data).unwrap();
    // Held over a further run: they are the caller's.
    predictor.run(&[("data", rows(&[0.0, 0.0]))]).unwrap();
    assert_eq!((y(&first), y(&predictor.run(&data).unwrap())), (vec![5.5], vec![5.5]));
}
