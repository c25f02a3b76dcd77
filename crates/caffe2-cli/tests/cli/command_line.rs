//! The command line itself: help, and what makes no sense.

use super::Desk;

#[track_caller]
fn refused(args: &[&str], words: &str) {
    let output = Desk::new().command().args(args).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{stderr}");
    assert!(stderr.contains(words), "no `{words}` in: {stderr}");
}

#[test]
fn what_makes_no_sense_is_refused_with_status_2() {
    refused(&[], "Usage: caffe2");
    refused(&["fly"], "unrecognized subcommand 'fly'");
    refused(&["run"], "--net <NET>");
    refused(&["run", "--net", "a", "--threads", "0"], "1..=1024");
    refused(&["run", "--net", "a", "--threads", "many"], "invalid digit");
    refused(&["run", "--net", "a", "--memory-limit", "much"], "500M");
    refused(&["run", "--net", "a", "--time-limit", "soon"], "such as 30 or 0.5");
    refused(&["run", "--net", "a", "--output", "out.txt"], "use .npz (NumPy), .pb (TensorProtos) or .minidb");
    refused(&["run", "--net", "a", "--feed", "=x.npy"], "NAME=FILE");
    refused(&["run", "--net", "a", "--nte", "b"], "unexpected argument '--nte'");
    refused(&["run", "--net", "a", "--json", "--output", "b.npz"], "cannot be used with");
    refused(&["inspect"], "<FILE>");
    refused(&["check"], "<NET>");
    refused(&["draw", "a", "-o", "b.png"], "use .svg, .dot or .mmd");
    refused(&["convert", "a.pb"], "<OUT>");
    refused(&["convert", "a", "b", "--meta", "--init", "c"], "cannot be used with");
    refused(&["predict", "a"], "--image <FILE>");
    refused(&["predict", "a", "--image", "b", "--crop", "0"], "224x320");
    refused(&["predict", "a", "--image", "b", "--mean", "x"], "invalid float");
    refused(&["completions", "csh"], "possible values: bash");
}

#[test]
fn help_teaches_by_examples() {
    let help = |args: &[&str]| {
        let output = Desk::new().command().args(args).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let commands = [
        "run",
        "predict",
        "bench",
        "profile",
        "compare",
        "inspect",
        "check",
        "draw",
        "convert",
        "ops",
        "completions",
    ];
    let all = help(&["--help"]);
    for command in commands {
        assert!(all.contains(&format!("  {command} ")), "{command}");
        let text = help(&[command, "--help"]);
        let examples = text.split_once("Examples:\n").expect(command).1;
        assert!(examples.contains(&format!("    caffe2 {command}")), "{command}: {examples}");
        // What is copied from a terminal must be in one piece.
        let lines = examples.lines().filter(|line| line.trim_start().starts_with("caffe2 "));
        assert!(command == "run" || lines.clone().all(|line| line.chars().count() <= 80), "{command}");
    }
    let run = help(&["run", "--help"]);
    for words in [
        "--init",
        "--feed",
        "--fetch",
        "--output",
        "--threads",
        "--memory-limit",
        "--time-limit",
        "Examples:",
    ] {
        assert!(run.contains(words), "no `{words}` in: {run}");
    }
    assert!(run.contains("caffe2 run --net predict_net.pb --init init_net.pb --feed input.npz"));
    for shell in ["bash", "zsh", "fish"] {
        let script = help(&["completions", shell]);
        assert!(commands.iter().all(|command| script.contains(command)), "{shell}");
    }
    assert_eq!(help(&["--version"]), format!("caffe2 {}\n", env!("CARGO_PKG_VERSION")));
}
