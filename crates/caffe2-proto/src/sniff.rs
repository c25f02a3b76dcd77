//! What a file is, told from its content.

mod binary;
mod signature;
mod words;

use std::fmt;

use crate::{ProtoError, ProtoErrorKind, WireLimits, json};

pub(crate) use words::looks_like_text;

/// The message types that a file of Caffe2 holds at its outermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// A [`NetDef`](crate::NetDef).
    Net,
    /// A [`MetaNetDef`](crate::MetaNetDef).
    MetaNet,
    /// A [`PlanDef`](crate::PlanDef).
    Plan,
    /// A [`TensorProtos`](crate::TensorProtos).
    Tensors,
    /// A [`BlobProto`](crate::BlobProto).
    Blob,
    /// A [`TensorProto`](crate::TensorProto).
    Tensor,
}

impl MessageKind {
    /// In the order in which they are tried: the more telling first.
    const ALL: [Self; 6] = [Self::Net, Self::MetaNet, Self::Plan, Self::Tensors, Self::Blob, Self::Tensor];

    /// The message's name, such as `NetDef`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Net => "NetDef",
            Self::MetaNet => "MetaNetDef",
            Self::Plan => "PlanDef",
            Self::Tensors => "TensorProtos",
            Self::Blob => "BlobProto",
            Self::Tensor => "TensorProto",
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// Nothing at all.
    Empty,
    /// A message of Caffe2 in binary form.
    Binary(MessageKind),
    /// A message in text form; `None` if its fields are of no message above.
    Text(Option<MessageKind>),
    /// A message as JSON; `None` if its fields are of no message above.
    Json(Option<MessageKind>),
    /// A Caffe2 database of kind `minidb`, such as a predictor file.
    MiniDb,
    /// A Zip archive, such as `.npz`.
    Zip,
    /// A NumPy array, `.npy`.
    Npy,
    /// Compressed by gzip.
    Gzip,
    /// A web page.
    Html,
    /// A pointer that Git-LFS leaves in place of the file.
    GitLfsPointer,
    /// An ONNX model.
    Onnx,
    /// A Caffe model, `.caffemodel`.
    CaffeModel,
    /// A Caffe net in text form, `.prototxt`.
    CaffePrototxt,
    /// None of these.
    Unknown,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::Binary(kind) => return write!(f, "a {} in binary form", kind.name()),
            Self::Text(Some(kind)) => return write!(f, "a {} in text form", kind.name()),
            Self::Text(None) => "a protobuf message in text form",
            Self::Json(Some(kind)) => return write!(f, "a {} as JSON", kind.name()),
            Self::Json(None) => "JSON",
            Self::MiniDb => "a Caffe2 database (minidb)",
            Self::Zip => "a Zip archive (such as .npz)",
            Self::Npy => "a NumPy array (.npy)",
            Self::Gzip => "a file compressed by gzip",
            Self::Html => "a web page",
            Self::GitLfsPointer => "a Git-LFS pointer",
            Self::Onnx => "an ONNX model",
            Self::CaffeModel => "a Caffe model (.caffemodel)",
            Self::CaffePrototxt => "a Caffe net (.prototxt)",
            Self::Unknown => "no known file",
        })
    }
}

/// Tells what a file is from the whole of its content.
///
/// A binary message has no signature: it is taken for the first type that it fits with no unknown
/// field, so the shortest messages are guesses (a lone name is a [`NetDef`](crate::NetDef)).
///
/// ```
/// use caffe2_proto::{Caffe2Message, FileKind, MessageKind, NetDef, OperatorDef, sniff};
///
/// let net = NetDef::new("n").op(OperatorDef::new("Relu").input("x").output("y"));
/// assert_eq!(sniff(&net.to_binary()), FileKind::Binary(MessageKind::Net));
/// assert_eq!(sniff(net.to_text().as_bytes()), FileKind::Text(Some(MessageKind::Net)));
/// assert_eq!(sniff(b"PK\x03\x04..."), FileKind::Zip);
/// ```
#[must_use]
pub fn sniff(content: &[u8]) -> FileKind {
    if let Some(kind) = signature::of(content) {
        return kind;
    }
    if looks_like_text(content) {
        return words::kind_of(content);
    }
    match binary::kind_of(content) {
        FileKind::Unknown if json::looks_like_json(content) => FileKind::Json(words::kind_of_json(content)),
        kind => kind,
    }
}

/// Whether `content` is a binary message called `wanted`, by chance one that begins as JSON does.
pub(crate) fn fits_binary(content: &[u8], wanted: &str) -> bool {
    binary::fits(content, wanted, &WireLimits::TRUSTED)
}

/// Refuses JSON that is recognised as something else than a message called `wanted`.
pub(crate) fn refuse_foreign_json(content: &[u8], wanted: &'static str) -> Result<(), ProtoError> {
    match words::kind_of_json(content) {
        Some(kind) if kind.name() != wanted && !words::json_names_fit(content, wanted) => {
            Err(foreign(content, FileKind::Json(Some(kind)), wanted))
        }
        _ => Ok(()),
    }
}

/// Refuses text that is recognised as something else than a message called `wanted`.
pub(crate) fn refuse_foreign_text(content: &[u8], wanted: &'static str) -> Result<(), ProtoError> {
    let kind = signature::of(content).unwrap_or_else(|| words::kind_of(content));
    match kind {
        FileKind::Text(None) => Ok(()),
        // Where the names fit the wanted message too, the parser decides.
        FileKind::Text(Some(_)) | FileKind::CaffePrototxt if words::first_name_fits(content, wanted) => {
            Ok(())
        }
        other => Err(foreign(content, other, wanted)),
    }
}

/// What is known of content that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is a message of the wanted type, within the limits.
    Exact,
    /// It may be one.
    Unclear,
}

/// Refuses binary content that is recognised as something else than a message called `wanted`.
pub(crate) fn refuse_foreign_binary(
    content: &[u8],
    wanted: &'static str,
    limits: &WireLimits,
) -> Result<Fit, ProtoError> {
    if let Some(kind) = signature::of(content) {
        return Err(foreign(content, kind, wanted));
    }
    if binary::fits(content, wanted, limits) {
        return Ok(Fit::Exact);
    }
    // What exceeds the limits is of the wanted type all the same, and the decoder's to refuse.
    if binary::fits(content, wanted, &WireLimits::TRUSTED) {
        return Ok(Fit::Unclear);
    }
    match binary::kind_of(content) {
        FileKind::Unknown => Ok(Fit::Unclear),
        other => Err(foreign(content, other, wanted)),
    }
}

fn foreign(content: &[u8], kind: FileKind, wanted: &'static str) -> ProtoError {
    let (error_kind, summary) = match kind {
        FileKind::Empty => (ProtoErrorKind::Empty, "the file is empty"),
        FileKind::GitLfsPointer => {
            (ProtoErrorKind::GitLfsPointer, "the file is a Git-LFS pointer, not the content")
        }
        _ => (ProtoErrorKind::WrongContent, "the file is of another kind"),
    };
    let error = ProtoError::new(error_kind, summary).in_message(wanted, String::new()).help(remedy(kind));
    let error = match kind {
        FileKind::Empty => error,
        FileKind::GitLfsPointer => match signature::lfs_size(content) {
            Some(size) => error.found(format!("it stands for {size} bytes")),
            None => error,
        },
        _ => error.found(kind.to_string()),
    };
    error.expected(format!("a {wanted} in binary or text form"))
}

fn remedy(kind: FileKind) -> Option<String> {
    let text = match kind {
        FileKind::Empty => "copy or download it again",
        FileKind::GitLfsPointer => "fetch the content with `git lfs pull`",
        FileKind::Html => "download the file itself, not the page that shows it",
        FileKind::Gzip => "unpack it with `gunzip`",
        FileKind::Onnx => "convert it with `convert-onnx-to-caffe2`",
        FileKind::CaffeModel | FileKind::CaffePrototxt => {
            "convert it with `python -m caffe2.python.caffe_translator`"
        }
        _ => return None,
    };
    Some(text.into())
}

#[cfg(test)]
mod tests;
