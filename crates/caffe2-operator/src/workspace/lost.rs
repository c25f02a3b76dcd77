//! Blobs whose content a net let go of.

use std::sync::Arc;

/// Which net let go of what a blob held, and why.
#[derive(Debug, Clone)]
pub(crate) struct LostBlob {
    net: Arc<str>,
    shared: bool,
}

impl LostBlob {
    /// The net shares the memory of its blobs.
    pub(crate) fn shared(net: &Arc<str>) -> LostBlob {
        LostBlob { net: Arc::clone(net), shared: true }
    }

    /// The net empties blobs after their last use.
    pub(crate) fn released(net: &Arc<str>) -> LostBlob {
        LostBlob { net: Arc::clone(net), shared: false }
    }

    /// What became of the content, and how to keep it.
    pub(crate) fn explain(&self, blob: &str) -> String {
        let LostBlob { net, shared } = self;
        if *shared {
            format!(
                "the net `{net}` shares the memory of its blobs, and `{blob}` handed its own over; to have it after a \
                 run, name it among the external outputs of the net, or call `keep_blob(\"{blob}\")` on the \
                 workspace, session or options of the predictor, or build the net with `set_memory_sharing(false)` \
                 (`memory_sharing(false)` for a predictor)"
            )
        } else {
            format!(
                "the net `{net}` is of type simple_refcount and emptied `{blob}` after its last use; to have it after \
                 a run, name it among the external outputs of the net"
            )
        }
    }
}
