//! How large an input may be.

/// Bounds on a message, checked before anything is decoded or allocated for it.
///
/// Counts are those of the whole input, nested nets included. The defaults let every published net
/// and a parameter file of the largest size that Caffe2 itself reads pass, and keep the memory that
/// a small hostile file can ask for in the hundreds of megabytes.
///
/// ```
/// use caffe2_proto::{Caffe2Message, NetDef, ProtoErrorKind, WireLimits};
///
/// let limits = WireLimits { max_operators: 2, ..WireLimits::default() };
/// let error = NetDef::from_text("op {} op {} op {}", &limits).unwrap_err();
/// assert_eq!(error.kind(), ProtoErrorKind::LimitExceeded);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// Bytes of the input. Default 2³¹ − 1, Caffe2's own limit.
    pub max_bytes: usize,
    /// Operators. Default 100,000.
    pub max_operators: usize,
    /// Arguments of operators and nets. Default 1,000,000.
    pub max_arguments: usize,
    /// Messages of any other type: tensors, blobs, devices, steps. Default 1,000,000.
    pub max_messages: usize,
    /// Repeated numbers, such as the elements of a tensor. Default 2²⁹.
    pub max_elements: usize,
    /// Repeated strings and byte strings, such as blob names. Default 2²⁴.
    pub max_strings: usize,
    /// Messages inside of one another, the outermost not counted. Default, and most: 100.
    pub max_depth: usize,
    /// Bytes of text input, which takes far more memory while it is read. Default 2²⁸.
    pub max_text_bytes: usize,
    /// Names, values and punctuation marks of text input. Default 2²⁶.
    pub max_text_tokens: usize,
}

/// Deepest nesting that is ever accepted; the decoder's recursion has the same bound.
pub(crate) const MAX_DEPTH: usize = 100;

impl WireLimits {
    /// Nothing is limited but the depth, which stays at 100. For input that is trusted.
    pub const TRUSTED: Self = Self {
        max_bytes: usize::MAX,
        max_operators: usize::MAX,
        max_arguments: usize::MAX,
        max_messages: usize::MAX,
        max_elements: usize::MAX,
        max_strings: usize::MAX,
        max_depth: MAX_DEPTH,
        max_text_bytes: usize::MAX,
        max_text_tokens: usize::MAX,
    };

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(MAX_DEPTH)
    }
}

impl Default for WireLimits {
    fn default() -> Self {
        Self {
            max_bytes: i32::MAX as usize,
            max_operators: 100_000,
            max_arguments: 1_000_000,
            max_messages: 1_000_000,
            max_elements: 1 << 29,
            max_strings: 1 << 24,
            max_depth: MAX_DEPTH,
            max_text_bytes: 1 << 28,
            max_text_tokens: 1 << 26,
        }
    }
}
