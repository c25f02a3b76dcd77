//! Files that mean harm: every command ends with an answer or an error, never with a panic.

use proptest::prelude::*;

use super::{Desk, file};

/// Beginnings of files that are read, to be cut and changed.
fn seeds() -> Vec<Vec<u8>> {
    let read = |model: &str, name: &str| std::fs::read(file(model, name)).unwrap();
    let mut seeds = vec![
        read("digits", "predict_net.pb"),
        read("digits", "predict_net.pbtxt"),
        read("predictor", "named.minidb"),
        read("predictor", "blobs.minidb"),
        read("digits", "test_labels.npy"),
        Vec::new(),
    ];
    seeds[4].truncate(300);
    seeds
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_a_command_panic(
        seed in 0usize..6,
        cut in 0usize..700,
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        more in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut content = seeds().swap_remove(seed);
        for (at, byte) in changes {
            let length = content.len().max(1);
            if let Some(place) = content.get_mut(at % length) {
                *place = byte;
            }
        }
        content.truncate(cut);
        content.extend(more);
        let desk = Desk::new();
        desk.put("x", &content);
        for args in ["inspect x --json", "check x", "draw x -o x.svg", "convert x y.npz", "convert x y.json", "convert x y.pb --init z.pb"] {
            let outcome = desk.caffe2(args);
            prop_assert!(outcome.status == 0 || outcome.status == 1, "{}: {} {}", args, outcome.status, outcome.stderr);
            prop_assert!(!outcome.stderr.contains("panicked"), "{}: {}", args, outcome.stderr);
        }
    }
}
