//! Databases of an operator's user: where they may lie, what becomes of them when something fails, damaged ones.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use caffe2_operator::proto::bytes::Bytes;
use caffe2_operator::proto::{NetDef, OperatorDef};
use caffe2_operator::{Blob, ErrorKind, Folder, Int8Tensor, Tensor, Workspace};
use caffe2op_copy as _;
use caffe2op_db as _;
use proptest::prelude::*;
use tempfile::TempDir;

fn on(def: OperatorDef, db: &str) -> OperatorDef {
    def.arg("db", db).arg("db_type", "minidb")
}

fn save(names: &[&str], db: &str) -> OperatorDef {
    on(OperatorDef::new("Save").inputs(names.iter().copied()), db)
}

fn load(names: &[&str], db: &str) -> OperatorDef {
    on(OperatorDef::new("Load").outputs(names.iter().copied()), db)
}

fn load_all(db: &str) -> OperatorDef {
    load(&[], db).arg("load_all", 1)
}

fn floats(values: &[f32]) -> Tensor {
    Tensor::from_slice([values.len()], values).unwrap()
}

/// A workspace with a folder for its files, which holds `w.minidb` with blobs `a` and `b`.
fn place() -> (TempDir, Workspace) {
    let place = tempfile::tempdir().unwrap();
    let mut workspace = workspace_in(place.path());
    workspace.feed("a", floats(&[1.0, 2.0]));
    workspace.feed("b", floats(&[3.0]));
    workspace.run_operator_once(&save(&["a", "b"], "w.minidb")).unwrap();
    let fresh = workspace_in(place.path());
    (place, fresh)
}

fn workspace_in(folder: &Path) -> Workspace {
    let mut workspace = Workspace::new();
    workspace.allow_files(Folder::new(folder).unwrap());
    workspace
}

fn fails(workspace: &mut Workspace, def: &OperatorDef, words: &str) {
    let error = workspace.run_operator_once(def).unwrap_err().to_string();
    assert!(error.contains(words), "no `{words}` in: {error}");
}

#[test]
fn a_workspace_allows_no_files_at_first() {
    let (_place, inside) = place();
    let mut workspace = Workspace::new();
    workspace.feed("x", floats(&[1.0]));
    let exists = OperatorDef::new("DBExists").output("y").arg("db_name", "w.minidb").arg("db_type", "minidb");
    let create = on(OperatorDef::new("CreateDB").output("reader"), "w.minidb");
    for def in [load(&["a"], "w.minidb"), save(&["x"], "w.minidb"), exists, create] {
        let error = workspace.run_operator_once(&def).unwrap_err();
        assert!(error.kind() == ErrorKind::Run && error.to_string().contains("--allow-io DIR"), "{error}");
    }
    // A child has what its parent allows.
    let mut child = Workspace::child(std::sync::Arc::new(inside));
    child.run_operator_once(&load(&["a"], "w.minidb")).unwrap();
}

#[test]
fn nothing_outside_of_the_folder_is_read_or_written() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("in/sub")).unwrap();
    let mut outside = workspace_in(place.path());
    outside.feed("a", floats(&[1.0]));
    outside.run_operator_once(&save(&["a"], "secret.minidb")).unwrap();
    let secret = place.path().join("secret.minidb");
    let before = fs::read(&secret).unwrap();
    let absolute = secret.to_str().unwrap();

    let mut workspace = workspace_in(&place.path().join("in"));
    workspace.feed("x", floats(&[7.0]));
    for (path, free) in
        [("../secret.minidb", 0), ("sub/../../secret.minidb", 0), (absolute, 1), ("/etc/passwd", 1)]
    {
        let outside = "outside of the folder";
        fails(&mut workspace, &load(&["a"], path).arg("absolute_path", free), outside);
        fails(&mut workspace, &save(&["x"], path).arg("absolute_path", free), outside);
        fails(
            &mut workspace,
            &on(OperatorDef::new("CreateDB").output("r"), path.trim_start_matches("/etc")),
            "",
        );
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../secret.minidb", place.path().join("in/link.minidb")).unwrap();
        std::os::unix::fs::symlink("..", place.path().join("in/up")).unwrap();
        for path in ["link.minidb", "up/secret.minidb", "up/new.minidb"] {
            fails(&mut workspace, &save(&["x"], path), "outside of the folder");
        }
        fails(&mut workspace, &load(&["a"], "link.minidb"), "outside of the folder");
        let exists = OperatorDef::new("DBExists").output("there").arg("db_name", "link.minidb");
        workspace.run_operator_once(&exists.arg("db_type", "minidb")).unwrap();
        assert_eq!(workspace.tensor("there").unwrap().as_slice::<bool>().unwrap(), [false]);
    }
    assert_eq!(fs::read(&secret).unwrap(), before);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    // In the folder, paths from the root are fine where they are asked for, and else begin at the folder.
    let inside = place.path().join("in/sub/x.minidb");
    workspace.run_operator_once(&save(&["x"], inside.to_str().unwrap()).arg("absolute_path", 1)).unwrap();
    workspace.run_operator_once(&load(&["x"], "/sub/x.minidb")).unwrap();
    workspace.run_operator_once(&load(&["x"], "sub/../sub/x.minidb")).unwrap();
}

#[test]
fn a_save_that_fails_leaves_the_former_file() {
    let (place, mut workspace) = place();
    let path = place.path().join("w.minidb");
    let before = fs::read(&path).unwrap();
    workspace.feed("good", floats(&[1.0]));
    workspace.feed("odd", Blob::new(5u8));
    workspace.feed("unwritten", Tensor::new());
    fails(&mut workspace, &save(&["good", "odd"], "w.minidb"), "input 1 `odd`: the blob holds u8");
    fails(&mut workspace, &save(&["good", "unwritten"], "w.minidb"), "input 1 `unwritten`");
    fs::create_dir(place.path().join("folder")).unwrap();
    fails(&mut workspace, &save(&["good"], "folder"), "`folder` is no file");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn a_load_that_fails_loads_nothing() {
    let (place, mut workspace) = place();
    let path = place.path().join("w.minidb");
    workspace.feed("a", floats(&[9.0]));
    fails(&mut workspace, &load(&["a", "c", "d"], "w.minidb"), "`c`, `d` not found; there is `a`, `b`");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    fails(
        &mut workspace,
        &load(&["a", "b"], "w.minidb"),
        "w.minidb: byte 52, record 1 `b#%0`: the value takes",
    );
    fs::write(&path, "no database at all").unwrap();
    fails(&mut workspace, &load_all("w.minidb"), "w.minidb: byte 0, record 0: ");
    assert_eq!(workspace.fetch("a").unwrap(), floats(&[9.0]));
}

#[test]
fn blobs_that_are_no_tensors_are_saved_too() {
    let (_place, mut workspace) = place();
    let values = Tensor::from_slice([2], &[1u8, 200]).unwrap();
    let quantised = Int8Tensor { scale: 0.25, zero_point: 7, values };
    workspace.feed("q", Blob::new(quantised.clone()));
    workspace.feed("s", Blob::new(Bytes::from("text")));
    workspace.run_operator_once(&save(&["q", "s"], "other.minidb")).unwrap();
    let names = vec!["q", "s"];
    workspace
        .run_operator_once(&load(&["q2", "s2"], "other.minidb").arg("source_blob_names", names))
        .unwrap();
    assert_eq!(workspace.blob("q2").unwrap().with(Int8Tensor::clone).unwrap(), quantised);
    assert_eq!(workspace.blob("s2").unwrap().with(Bytes::clone).unwrap(), "text");
}

#[test]
fn load_all_makes_blobs_and_replaces_those_that_are_there() {
    let (_place, mut workspace) = place();
    // The operator behind it sees what was loaded over a blob that existed.
    workspace.feed("a", floats(&[9.0]));
    let net =
        NetDef::new("n").op(load_all("w.minidb")).op(OperatorDef::new("Copy").input("a").output("copy"));
    workspace.create_net(&net).unwrap();
    for _ in 0..2 {
        workspace.run_net("n").unwrap();
        for (name, want) in [("a", &[1.0, 2.0][..]), ("b", &[3.0]), ("copy", &[1.0, 2.0])] {
            assert_eq!(workspace.fetch(name).unwrap(), floats(want), "{name}");
        }
        workspace.feed("b", floats(&[0.0]));
    }
    // Blobs of a child stay its own.
    let mut child = Workspace::child(std::sync::Arc::new(workspace));
    child.run_operator_once(&load_all("w.minidb")).unwrap();
    assert_eq!(child.fetch("b").unwrap(), floats(&[3.0]));
    assert_eq!(child.parent().unwrap().fetch("b").unwrap(), floats(&[0.0]));
}

#[test]
fn memory_is_bounded_by_the_workspace_and_by_the_file() {
    let (_place, mut workspace) = place();
    workspace.set_memory_limit(8);
    workspace.run_operator_once(&load(&["a"], "w.minidb")).unwrap();
    fails(&mut workspace, &load(&["b"], "w.minidb"), "memory limit");
    workspace.feed("a", Blob::default());
    workspace.run_operator_once(&load(&["b"], "w.minidb")).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However a database is cut or changed, loading it ends with blobs or an error.
    #[test]
    fn damaged_databases_never_panic(
        cut in 0usize..400,
        changes in proptest::collection::vec((0usize..400, any::<u8>()), 0..6),
    ) {
        let (place, mut workspace) = place();
        workspace.set_memory_limit(1 << 20);
        let path = place.path().join("w.minidb");
        let mut content = fs::read(&path).unwrap();
        for (at, byte) in changes {
            let length = content.len();
            content[at % length] = byte;
        }
        content.truncate(cut);
        fs::write(&path, content).unwrap();
        for def in [load_all("w.minidb"), load(&["a", "b"], "w.minidb"), load(&["b"], "w.minidb")] {
            if workspace.run_operator_once(&def).is_ok() && !def.output.is_empty() {
                prop_assert!(workspace.blob("b").is_some_and(|blob| !blob.is_empty()));
            }
        }
    }

    #[test]
    fn noise_is_no_database(content in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (place, mut workspace) = place();
        fs::write(place.path().join("w.minidb"), content).unwrap();
        let _ = workspace.run_operator_once(&load_all("w.minidb"));
    }
}
