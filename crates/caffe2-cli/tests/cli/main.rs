//! The program as a user meets it: what it prints, writes and answers.
#![allow(clippy::unwrap_used)]

mod check;
mod command_line;
mod compare;
mod convert;
mod draw;
mod failures;
mod files;
mod hostile;
mod inspect;
mod measure;
mod ops;
mod predict;
mod quantize;
mod runs;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use caffe2::files::{read_tensors, write_tensors};
use caffe2::{Caffe2Message as _, NetDef, Tensor};
use tempfile::TempDir;

/// A folder of models of the repository.
fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models").join(name)
}

/// A file of a model of the repository.
fn file(model_name: &str, name: &str) -> String {
    model(model_name).join(name).display().to_string()
}

/// The words `NET --init INIT` of a model of the repository.
fn two_files(name: &str) -> String {
    format!("{} --init {}", file(name, "predict_net.pb"), file(name, "init_net.pb"))
}

/// A folder to work in, and the program to run there.
struct Desk(TempDir);

/// What a run left behind.
struct Outcome {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn put_net(&self, name: &str, net: &NetDef) {
        self.put(name, net.to_text());
    }

    fn put_tensors(&self, name: &str, tensors: &[(&str, Tensor)]) {
        write_tensors(self.path(name), tensors).unwrap();
    }

    fn tensors(&self, name: &str) -> Vec<(String, Tensor)> {
        read_tensors(self.path(name)).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caffe2"));
        command.current_dir(self.0.path()).env_remove("RUST_LOG").env_remove("CLICOLOR_FORCE");
        command
    }

    /// Runs the program with arguments separated by blanks.
    fn caffe2(&self, args: &str) -> Outcome {
        self.outcome(self.command().args(args.split_whitespace()))
    }

    fn outcome(&self, command: &mut Command) -> Outcome {
        let output = command.output().unwrap();
        Outcome {
            status: output.status.code().expect("no signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `caffe2 run` with arguments separated by blanks.
    fn run(&self, args: &str) -> Outcome {
        self.run_args(args.split_whitespace())
    }

    fn run_args<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Outcome {
        self.outcome(self.command().arg("run").args(args))
    }
}

impl Outcome {
    /// It went well, and said nothing beside the result.
    #[track_caller]
    fn succeeded(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }

    /// It went well, and printed JSON.
    #[track_caller]
    fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.succeeded()).unwrap()
    }

    /// It failed, printed nothing, and said all of `words`.
    #[track_caller]
    fn failed(self, words: &[&str]) {
        assert_eq!((self.status, self.stdout.as_str()), (1, ""), "{}", self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in: {}", self.stderr);
        }
    }
}
