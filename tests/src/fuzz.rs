//! What the fuzz targets in `fuzz/` do with their input. The corpus of each is replayed by the tests.
//!
//! A target ends quietly whatever its input is, unless the project is wrong: then it panics. Sizes, memory and time
//! are bounded far below the defaults, so that an input takes milliseconds.

mod databases;
mod messages;
mod nets;
mod random_net;
mod tensors;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use caffe2::files::Limits;
use caffe2::{OpRegistry, WireLimits, Workspace};

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the target and of the folder with its corpus.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target { name: "binary", run: messages::binary },
    Target { name: "text", run: messages::text },
    Target { name: "json", run: messages::json },
    Target { name: "tensor_protos", run: tensors::tensor_protos },
    Target { name: "numpy", run: tensors::numpy },
    Target { name: "minidb", run: databases::minidb },
    Target { name: "net_construction", run: nets::construction },
    Target { name: "run_net", run: random_net::run },
    Target { name: "infer_net", run: random_net::infer },
];

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or the project fails on the input.
pub fn run(name: &str, data: &[u8]) {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => (target.run)(data),
        None => panic!("there is no fuzz target `{name}`"),
    }
}

/// Bytes that all tensors of one input may take.
const MEMORY: usize = 16 << 20;

/// How long a net may run.
const TIME: Duration = Duration::from_millis(500);

/// Messages small enough to be read many times a second.
const WIRE: WireLimits = WireLimits {
    max_bytes: 1 << 20,
    max_operators: 200,
    max_arguments: 2000,
    max_messages: 2000,
    max_elements: 1 << 16,
    max_strings: 4000,
    max_depth: 40,
    max_text_bytes: 1 << 16,
    max_text_tokens: 1 << 14,
};

const LIMITS: Limits = Limits { max_tensor_bytes: MEMORY, wire: WIRE };

fn registry() -> &'static Arc<OpRegistry> {
    static REGISTRY: LazyLock<Arc<OpRegistry>> =
        LazyLock::new(|| OpRegistry::linked().expect("no operator is registered twice"));
    &REGISTRY
}

/// A workspace in which little can be had.
fn workspace() -> Workspace {
    let mut workspace = Workspace::with_registry(Arc::clone(registry()));
    workspace.set_threads(1);
    workspace.set_memory_limit(MEMORY);
    workspace.set_time_limit(Some(TIME));
    workspace
}
