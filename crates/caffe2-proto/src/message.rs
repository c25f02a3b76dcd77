//! Reading and writing, the same for every message type.

use std::path::Path;

use bytes::Bytes;

use crate::{
    ProtoError, ProtoErrorKind, WireLimits, file, generated as m, json,
    schema::MessageType,
    sniff::{self, Fit},
    text,
    wire::{Strictness, scan},
};

/// A message of Caffe2's schema, with its binary, text and JSON forms.
///
/// The forms are those of Caffe2: protobuf's wire format, and protobuf's text format as in
/// `.pbtxt` files; and protobuf's JSON. Reading checks the limits before anything is decoded, and gives an error where a
/// required field is absent. Unknown fields are tolerated in the binary form and lost; in text and
/// JSON they are an error.
///
/// In the binary form a value may not be split: a single message that stands twice is merged, but
/// each part must have its required fields.
///
/// ```
/// use caffe2_proto::{Caffe2Message, NetDef, OperatorDef, WireLimits};
///
/// # fn main() -> Result<(), caffe2_proto::ProtoError> {
/// let net = NetDef::from_text(r#"name: "n" op { type: "Relu" input: "x" output: "y" }"#, &WireLimits::default())?;
/// assert_eq!(net, NetDef::new("n").op(OperatorDef::new("Relu").input("x").output("y")));
/// assert_eq!(NetDef::from_bytes(net.to_binary(), &WireLimits::default())?, net);
/// # Ok(())
/// # }
/// ```
pub trait Caffe2Message: prost::Message + Default + sealed::Sealed {
    /// The message's name in the schema, without the package.
    const NAME: &'static str;

    /// Reads a file in binary or text form or as JSON, told apart by its content.
    ///
    /// Byte fields of the result share the memory of the file's content.
    ///
    /// # Errors
    /// If the file cannot be read, is empty or a Git-LFS pointer, is of another kind, or if
    /// [`from_binary`](Self::from_binary), [`from_text`](Self::from_text) or
    /// [`from_json`](Self::from_json) refuse it. The error names the file.
    fn from_file(path: impl AsRef<Path>, limits: &WireLimits) -> Result<Self, ProtoError> {
        let path = path.as_ref();
        let bytes = file::read_file(path, limits.max_bytes)?;
        Self::from_bytes(bytes, limits).map_err(|error| error.in_file(path))
    }

    /// Reads the whole content of a file, in binary or text form or as JSON.
    ///
    /// Unlike [`from_binary`](Self::from_binary) this refuses what is recognised as something else:
    /// no content at all, a Git-LFS pointer, an archive, another framework's model, another message.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file), without a file's name.
    fn from_bytes(bytes: impl Into<Bytes>, limits: &WireLimits) -> Result<Self, ProtoError> {
        let bytes = bytes.into();
        if sniff::looks_like_text(&bytes) {
            sniff::refuse_foreign_text(&bytes, Self::NAME)?;
            return Self::from_text(&bytes, limits);
        }
        if json::looks_like_json(&bytes) && !sniff::fits_binary(&bytes, Self::NAME) {
            sniff::refuse_foreign_json(&bytes, Self::NAME)?;
            return Self::from_json(&bytes, limits);
        }
        match sniff::refuse_foreign_binary(&bytes, Self::NAME, limits)? {
            Fit::Exact => decode(bytes),
            Fit::Unclear => Self::from_binary(bytes, limits),
        }
    }

    /// Decodes the binary form. Zero bytes are a message without fields.
    ///
    /// Byte fields of the result are slices of `bytes`, not copies.
    ///
    /// # Errors
    /// If the bytes are no such message, lack a required field or exceed the limits; with byte
    /// offset and message path.
    fn from_binary(bytes: impl Into<Bytes>, limits: &WireLimits) -> Result<Self, ProtoError> {
        let bytes = bytes.into();
        scan(&bytes, message_type::<Self>()?, limits, Strictness::Tolerant)?;
        decode(bytes)
    }

    /// Parses the text form, as in a `.pbtxt` file.
    ///
    /// # Errors
    /// If the text is no such message, lacks a required field or exceeds the limits; with line,
    /// column and message path, and the nearest names where a name is misspelt.
    fn from_text(text: impl AsRef<[u8]>, limits: &WireLimits) -> Result<Self, ProtoError> {
        decode(text::to_wire(text.as_ref(), message_type::<Self>()?, limits)?)
    }

    /// Parses protobuf's JSON form: an object with the fields by their names, as the schema has them or in
    /// camel case; bytes in base64, 64-bit integers as numbers or strings, enum values by name or number.
    ///
    /// # Errors
    /// As [`from_text`](Self::from_text).
    fn from_json(text: impl AsRef<[u8]>, limits: &WireLimits) -> Result<Self, ProtoError> {
        decode(json::to_wire(text.as_ref(), message_type::<Self>()?, limits)?)
    }

    /// The binary form, fields in the order of their numbers.
    fn to_binary(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The text form in the layout of Caffe2's own tools: fields in the order of their numbers, one
    /// entry for each element, two spaces of indentation, enum values by name, C escapes.
    ///
    /// Parsing it gives the same message bit for bit, but for NaNs: text has only one NaN.
    fn to_text(&self) -> String {
        MessageType::named(Self::NAME).map(|ty| text::print(&self.encode_to_vec(), ty)).unwrap_or_default()
    }

    /// Protobuf's JSON form, with the names of the schema: fields in the order of their numbers, one a
    /// line, lists of plain values in one line.
    ///
    /// Parsing it gives the same message bit for bit, but for NaNs. Python's `json_format` reads it too.
    fn to_json(&self) -> String {
        MessageType::named(Self::NAME).map(|ty| json::print(&self.encode_to_vec(), ty)).unwrap_or_default()
    }
}

fn message_type<M: Caffe2Message>() -> Result<&'static MessageType, ProtoError> {
    MessageType::named(M::NAME).ok_or_else(|| {
        ProtoError::new(ProtoErrorKind::Malformed, "the schema has no such message").found(M::NAME)
    })
}

/// Decodes what the scan has let pass.
fn decode<M: Caffe2Message>(bytes: Bytes) -> Result<M, ProtoError> {
    M::decode(bytes).map_err(|error| {
        ProtoError::new(ProtoErrorKind::Malformed, "the bytes are no message of this type")
            .in_message(M::NAME, String::new())
            .found(error.to_string())
    })
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! messages {
    ($($name:literal => $ty:ty),* $(,)?) => {$(
        impl sealed::Sealed for $ty {}
        impl Caffe2Message for $ty {
            const NAME: &'static str = $name;
        }
    )*
        #[cfg(test)]
        const NAMES: &[&str] = &[$(<$ty>::NAME),*];
    };
}

messages! {
    "AOTConfig" => m::AotConfig,
    "Argument" => m::Argument,
    "BackendOptions" => m::BackendOptions,
    "BlobProfile" => m::BlobProfile,
    "BlobProto" => m::BlobProto,
    "BlobsMap" => m::BlobsMap,
    "CaffeDatum" => m::CaffeDatum,
    "DBReaderProto" => m::DbReaderProto,
    "DeviceOption" => m::DeviceOption,
    "ExecutionStep" => m::ExecutionStep,
    "ExternalDataProto" => m::ExternalDataProto,
    "MapFieldEntry" => m::MapFieldEntry,
    "MetaNetDef" => m::MetaNetDef,
    "ModelInfo" => m::ModelInfo,
    "NetDef" => m::NetDef,
    "NetsMap" => m::NetsMap,
    "OpProfile" => m::OpProfile,
    "OperatorDef" => m::OperatorDef,
    "PartitionInfo" => m::PartitionInfo,
    "PlanDef" => m::PlanDef,
    "PlansMap" => m::PlansMap,
    "PredictorConsts" => m::PredictorConsts,
    "ProfDAGProto" => m::ProfDagProto,
    "ProfDAGProtos" => m::ProfDagProtos,
    "QTensorProto" => m::QTensorProto,
    "StringMap" => m::StringMap,
    "TensorBoundShape" => m::TensorBoundShape,
    "TensorBoundShapes" => m::TensorBoundShapes,
    "TensorProto" => m::TensorProto,
    "TensorProto.Segment" => m::tensor_proto::Segment,
    "TensorProtos" => m::TensorProtos,
    "TensorShape" => m::TensorShape,
    "TensorShapes" => m::TensorShapes,
    "TwoNumberStatsProto" => m::TwoNumberStatsProto,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::MESSAGES;

    #[test]
    fn every_message_of_the_schema_is_listed() {
        let mut schema: Vec<_> = MESSAGES.iter().map(|m| m.name).collect();
        schema.sort_unstable();
        let mut listed = NAMES.to_vec();
        listed.sort_unstable();
        assert_eq!(schema, listed);
    }
}
