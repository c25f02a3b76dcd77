//! The corpus of the fuzz targets, replayed, with changes that follow from the input alone.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use caffe2_tests::fuzz::TARGETS;

/// Inputs made of each file of the corpus.
const CHANGES: u32 = 12;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The input, cut or with some bytes changed: the same for the same `round`.
fn changed(data: &[u8], round: u32) -> Vec<u8> {
    let mut state = round.wrapping_mul(0x9e37_79b9) ^ data.len() as u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below.max(1)
    };
    let mut data = data.to_vec();
    if round.is_multiple_of(3) {
        data.truncate(next(data.len()));
    }
    for _ in 0..1 + next(4) {
        let at = next(data.len());
        if let Some(byte) = data.get_mut(at) {
            *byte = if next(2) == 0 { next(256) as u8 } else { *byte ^ (1 << next(8)) };
        }
    }
    data
}

#[test]
fn the_corpus_and_changes_of_it_pass() {
    for target in TARGETS {
        let files = corpus(target.name);
        assert!(!files.is_empty(), "the target {} has no corpus", target.name);
        for path in files {
            let data = std::fs::read(&path).unwrap();
            // The name of the file is told when the target panics.
            println!("{}", path.display());
            (target.run)(&data);
            for round in 0..CHANGES {
                (target.run)(&changed(&data, round));
            }
        }
    }
}

#[test]
fn every_target_is_a_program_to_fuzz() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let source =
            std::fs::read_to_string(folder.join(format!("fuzz_targets/{}.rs", target.name))).unwrap();
        assert!(source.contains(&format!("run(\"{}\"", target.name)));
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)));
    }
}
