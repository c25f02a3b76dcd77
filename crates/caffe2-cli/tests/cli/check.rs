//! `caffe2 check`: all problems at once.

use caffe2::{NetDef, OperatorDef, Tensor};

use super::{Desk, file, two_files};

fn bad() -> NetDef {
    NetDef::new("bad")
        .external_input("x")
        .op(OperatorDef::new("Rleu").input("x").output("y"))
        .op(OperatorDef::new("Conv").inputs(["x", "w"]).output("c").arg("kernel", 0))
        .op(OperatorDef::new("FC").named("last").input("c").output("z"))
        .external_output("gone")
}

#[test]
fn a_sound_model_has_no_problems() {
    let desk = Desk::new();
    let text = desk.caffe2(&format!("check {}", two_files("digits"))).succeeded();
    assert!(text.contains("predict_net.pb: 15 operators, no problems\n"), "{text}");
    assert!(text.contains("to feed: `data` float [1, 1, 8, 8], guessed from the weights\n"), "{text}");
    let fed = format!("check {} --feed {}", two_files("digits"), file("digits", "test_images.npz"));
    assert!(!desk.caffe2(&fed).succeeded().contains("to feed"));
    desk.caffe2(&format!("check {}", file("predictor", "digits.minidb"))).succeeded();
    desk.caffe2(&format!("check {}", file("digits", "predict_net.pb"))).succeeded();
}

#[test]
fn all_problems_are_listed_and_the_status_says_so() {
    let desk = Desk::new();
    desk.put_net("bad.pbtxt", &bad());
    let init = NetDef::new("init").op(OperatorDef::new("GivenTensorFill").output("w"));
    desk.put_net("init.pbtxt", &init);
    let outcome = desk.caffe2("check bad.pbtxt --init init.pbtxt");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""));
    for words in [
        "init.pbtxt: net `init`: operator #0 GivenTensorFill: ",
        "bad.pbtxt: net `bad`: external output `gone`",
        "bad.pbtxt: net `bad`: operator #0 Rleu: operator type `Rleu` is not registered; similar names are `Relu`",
        "bad.pbtxt: net `bad`: operator #1 Conv: argument `kernel`: expected at least 1, found 0\n",
        "operator #1 Conv: input `w` is neither an external input of the net",
        "bad.pbtxt: net `bad`: operator #2 FC `last`: has 1 inputs; expected 3\n",
        "\n6 problems\n",
    ] {
        assert!(outcome.stdout.contains(words), "no `{words}` in: {}", outcome.stdout);
    }
}

#[test]
fn the_same_as_json() {
    let desk = Desk::new();
    desk.put_net("bad.pbtxt", &bad());
    let outcome = desk.caffe2("check bad.pbtxt --json");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""));
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let problems = json["problems"].as_array().unwrap();
    let last = problems.last().unwrap();
    assert_eq!(problems.len(), 5);
    assert_eq!((&last["position"], &last["type"], &last["name"]), (&2.into(), &"FC".into(), &"last".into()));
    assert_eq!((&last["kind"], &last["file"]), (&"Schema".into(), &"bad.pbtxt".into()));
    let json = desk.caffe2(&format!("check {} --json", two_files("digits"))).json();
    assert_eq!(json["to_feed"][0]["info"], "float [1, 1, 8, 8]");
}

#[test]
fn shapes_feeds_and_limits_are_checked() {
    let desk = Desk::new();
    desk.put_tensors("wide.npz", &[("data", Tensor::zeros::<f32>([1, 2, 8, 8]).unwrap())]);
    desk.put_tensors("other.npz", &[("other", Tensor::zeros::<f32>([1]).unwrap())]);
    let problems = |rest: &str| {
        let outcome = desk.caffe2(&format!("check {} {rest}", two_files("digits")));
        assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""), "{}", outcome.stdout);
        outcome.stdout
    };
    let text = problems("--feed wide.npz");
    assert!(text.contains("operator #1 Conv: input 1 `conv1_w`") && text.contains("[1, 2, 8, 8]"), "{text}");
    let text = problems("--feed other.npz");
    assert!(text.contains("`data` is neither fed nor made by an init net"), "{text}");
    let text = problems("--memory-limit 4k");
    assert!(text.contains("its blobs take 11.7 KiB, and --memory-limit allows 4 KiB"), "{text}");
}

#[test]
fn what_is_no_net_is_an_error() {
    let desk = Desk::new();
    desk.put("x.pb", "");
    desk.caffe2("check x.pb").failed(&["x.pb: in NetDef: the file is empty"]);
    let init = file("digits", "init_net.pb");
    desk.caffe2(&format!("check {} --init {init}", file("predictor", "digits.minidb")))
        .failed(&["leave out --init"]);
}
