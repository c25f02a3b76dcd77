//! Types of nets.

use caffe2_proto::NetDef;

use super::NetInfo;
use crate::error::{Error, ErrorKind};
use crate::io::RunResources;

/// How the operators of a net run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetKind {
    /// One after the other, in order.
    Row,
    /// The same, and blobs are emptied after their last use.
    ReleasingRow,
    /// Independent ones at the same time.
    Graph,
}

/// The types that Caffe2 knows, by what they are here. Those of Caffe2's graph executors differ from each other in how
/// they wait for asynchronous operators, of which there are none.
const KINDS: [(&str, NetKind); 11] = [
    ("simple", NetKind::Row),
    ("async_simple", NetKind::Row),
    ("rnn", NetKind::Row),
    ("simple_refcount", NetKind::ReleasingRow),
    ("dag", NetKind::Graph),
    ("prof_dag", NetKind::Graph),
    ("async_dag", NetKind::Graph),
    ("async_polling", NetKind::Graph),
    ("async_scheduling", NetKind::Graph),
    ("parallel", NetKind::Graph),
    ("", NetKind::Row),
];

impl NetKind {
    /// The kind of a net by its type.
    pub(super) fn of(net: &NetDef) -> Result<NetKind, Error> {
        let wanted = net.r#type();
        let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == wanted) else {
            let names: Vec<_> = KINDS.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            let message = format!("net type `{wanted}` is not known; known are {}", names.join(", "));
            return Err(Error::new(ErrorKind::Definition, message));
        };
        if wanted == "parallel" && net.num_workers() <= 0 {
            let message =
                format!("nets of type parallel need `num_workers` above 0, found {}", net.num_workers());
            return Err(Error::new(ErrorKind::Definition, message));
        }
        Ok(*kind)
    }

    /// The number of threads that the net wants operators to run on; 0 for as many as there are.
    pub(super) fn workers(self, net: &NetDef) -> usize {
        match self {
            NetKind::Row | NetKind::ReleasingRow => 1,
            NetKind::Graph => usize::try_from(net.num_workers()).unwrap_or(0),
        }
    }
}

/// Whether a net empties blobs after their last use.
pub(crate) fn empties_blobs(net: &NetDef) -> bool {
    NetKind::of(net).is_ok_and(|kind| kind == NetKind::ReleasingRow)
}

impl NetInfo {
    /// The number of threads that operators run on in a workspace with such resources.
    pub(super) fn workers_of(&self, run: &RunResources) -> usize {
        match self.workers {
            0 => run.threads.count(),
            workers => workers.min(run.threads.count()),
        }
    }
}
