//! Blobs to and from `BlobProto`, as Caffe2's serializers have them, and their keys in databases.

use std::sync::Arc;

use bytes::Bytes;
use caffe2_proto::{BlobProto, QTensorProto, TensorProto};
use caffe2_tensor::{Int8Tensor, MemoryBudget, Tensor, TensorAssembler, TensorError};

use crate::Blob;

/// Elements of a tensor that one record holds unless somebody asks for another number: Caffe2's
/// `caffe2_tensor_chunk_size`.
pub const DEFAULT_CHUNK_SIZE: usize = 1_000_000;

/// What stands in a key between the name of a blob and the number of the chunk.
const CHUNK: &str = "#%";

/// The types that `BlobProto` names.
mod kind {
    pub(super) const TENSOR: &str = "Tensor";
    pub(super) const INT8_TENSOR: &str = "Int8TensorCPU";
    pub(super) const STRING: &str = "std::string";
    /// Tensors in files of older versions, and of programs with other devices.
    pub(super) const OLDER_TENSORS: [&str; 3] = ["TensorCPU", "TensorCUDA", "TensorHIP"];
}

/// A blob that no message can hold, or a message that holds no blob.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobProtoError {
    /// A blob of a type that messages do not have.
    #[error("the blob holds {0}; messages hold tensors, 8-bit tensors (Int8Tensor) and strings (Bytes)")]
    BlobType(&'static str),
    /// A message of a type that is not served.
    #[error("the blob is of type `{0}`; read are Tensor, Int8TensorCPU and std::string")]
    ProtoType(String),
    /// A message without what its type needs, or that does not go with those before it.
    #[error("{0}")]
    Malformed(String),
    /// A tensor that was never written, or a message that holds none.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// The name of the blob that a record with this key belongs to: the key up to the first `#%`.
///
/// ```
/// assert_eq!(caffe2_operator::blob_name_of_key("conv1/w#%12"), "conv1/w");
/// assert_eq!(caffe2_operator::blob_name_of_key("!!META_NET_DEF"), "!!META_NET_DEF");
/// ```
pub fn blob_name_of_key(key: &str) -> &str {
    key.split_once(CHUNK).map_or(key, |(name, _)| name)
}

impl Blob {
    /// Calls `put` with key and message of each record that holds a part of the blob, as Caffe2's `Save` writes them:
    /// of a tensor one for every `chunk_size` elements (0: one for all) with keys `NAME#%0`, `NAME#%1` …; of
    /// an [`Int8Tensor`], or a string ([`Bytes`]), one with the name as its key.
    ///
    /// # Errors
    /// What `put` answers; [`BlobProtoError`] when the blob holds something else, or a tensor that was never written.
    pub fn put_records<E: From<BlobProtoError>>(
        &self,
        name: &str,
        chunk_size: usize,
        mut put: impl FnMut(&str, BlobProto) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(tensor) = self.as_tensor() {
            return put_chunks(tensor, name, chunk_size, put);
        }
        let proto = BlobProto { name: Some(name.to_owned()), ..BlobProto::default() };
        let proto = if let Ok(quantised) = self.with(|tensor: &Int8Tensor| tensor.to_proto(name)) {
            let qtensor = Some(quantised.map_err(BlobProtoError::from)?);
            BlobProto { r#type: Some(kind::INT8_TENSOR.into()), qtensor, ..proto }
        } else if let Ok(content) = self.with(Bytes::clone) {
            BlobProto { r#type: Some(kind::STRING.into()), content: Some(content), ..proto }
        } else {
            return Err(BlobProtoError::BlobType(self.type_name()).into());
        };
        put(name, proto)
    }
}

fn put_chunks<E: From<BlobProtoError>>(
    tensor: &Tensor,
    name: &str,
    chunk_size: usize,
    mut put: impl FnMut(&str, BlobProto) -> Result<(), E>,
) -> Result<(), E> {
    let numel = tensor.numel();
    let step = if chunk_size == 0 { numel.max(1) } else { chunk_size };
    // An empty tensor has one record too.
    for (index, begin) in (0..numel.max(1)).step_by(step).enumerate() {
        let range = begin..numel.min(begin.saturating_add(step));
        let chunk = tensor.to_proto_chunk(name, range).map_err(BlobProtoError::from)?;
        let proto = BlobProto {
            name: Some(name.to_owned()),
            r#type: Some(kind::TENSOR.into()),
            tensor: Some(chunk),
            ..BlobProto::default()
        };
        put(&format!("{name}{CHUNK}{index}"), proto)?;
    }
    Ok(())
}

/// Puts a blob together from the messages of its records.
///
/// ```
/// use caffe2_operator::{Blob, BlobAssembler, BlobProtoError, Tensor};
///
/// let blob = Blob::from(Tensor::from_slice([5], &[1.0f32, 2.0, 3.0, 4.0, 5.0])?);
/// let mut parts = BlobAssembler::new(None, u64::MAX);
/// blob.put_records("w", 2, |key, proto| {
///     assert!(key.starts_with("w#%") && !parts.is_complete());
///     parts.add(proto)
/// })?;
/// assert_eq!(parts.finish()?.as_tensor(), blob.as_tensor());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BlobAssembler {
    parts: Parts,
    budget: Option<Arc<MemoryBudget>>,
    source_len: u64,
}

#[derive(Debug)]
enum Parts {
    None,
    Tensor(TensorAssembler),
    Whole(Blob),
}

impl BlobAssembler {
    /// An assembler that has nothing yet. Memory for tensors is charged to `budget`; `source_len` is the length of
    /// the file that the messages come from: tensors with more elements than that are refused before anything
    /// is allocated for them, since each takes a byte of the file at least.
    pub fn new(budget: Option<Arc<MemoryBudget>>, source_len: u64) -> BlobAssembler {
        BlobAssembler { parts: Parts::None, budget, source_len }
    }

    /// Takes the next message; chunks of a tensor may come in any order.
    ///
    /// # Errors
    /// When the message is of no type that is served or malformed, is no further part of the same tensor, or
    /// memory is short.
    pub fn add(&mut self, proto: BlobProto) -> Result<(), BlobProtoError> {
        let malformed = |message: &str| Err(BlobProtoError::Malformed(message.to_owned()));
        if proto.content_num_chunks() > 1 {
            return malformed("the content comes in several chunks, which is served for tensors alone");
        }
        let BlobProto { r#type, tensor, content, qtensor, .. } = proto;
        let name = r#type.unwrap_or_default();
        match (name.as_str(), tensor, qtensor, content) {
            (name, Some(tensor), ..) if name == kind::TENSOR || kind::OLDER_TENSORS.contains(&name) => {
                self.add_tensor(&tensor)
            }
            _ if !matches!(self.parts, Parts::None) => {
                malformed("a further record of a blob that is complete")
            }
            (kind::INT8_TENSOR, _, Some(quantised), _) => self.add_quantised(&quantised),
            (kind::STRING, _, _, content) => {
                // A copy: the message it is a slice of may be much longer.
                let content = Bytes::copy_from_slice(&content.unwrap_or_default());
                self.parts = Parts::Whole(Blob::new(content));
                Ok(())
            }
            (kind::TENSOR | kind::INT8_TENSOR, ..) => malformed("the message holds no tensor"),
            (other, ..) => Err(BlobProtoError::ProtoType(other.to_owned())),
        }
    }

    fn add_tensor(&mut self, proto: &TensorProto) -> Result<(), BlobProtoError> {
        self.check_count(&proto.dims)?;
        if matches!(self.parts, Parts::None) {
            self.parts = Parts::Tensor(TensorAssembler::new(self.budget.clone()));
        }
        match &mut self.parts {
            Parts::Tensor(parts) if parts.is_complete() => {
                Err(BlobProtoError::Malformed("a further record of a tensor that is complete".into()))
            }
            Parts::Tensor(parts) => Ok(parts.add(proto)?),
            _ => Err(BlobProtoError::Malformed("a tensor in a record of a blob of another type".into())),
        }
    }

    fn add_quantised(&mut self, proto: &QTensorProto) -> Result<(), BlobProtoError> {
        self.check_count(&proto.dims)?;
        let int8 = Int8Tensor::from_proto(proto)?;
        let mut values = Tensor::new().within(self.budget.clone());
        match int8.values.as_slice::<u8>() {
            Ok(codes) => values.overwrite::<u8, _>(int8.values.shape())?.copy_from_slice(codes),
            Err(_) => {
                let sums = int8.values.as_slice::<i32>()?;
                values.overwrite::<i32, _>(int8.values.shape())?.copy_from_slice(sums);
            }
        }
        self.parts = Parts::Whole(Blob::new(Int8Tensor { values, ..int8 }));
        Ok(())
    }

    /// Refuses dimensions that the file cannot have the elements for.
    fn check_count(&self, dims: &[i64]) -> Result<(), BlobProtoError> {
        let elements = dims.iter().try_fold(1u64, |n, &dim| n.checked_mul(u64::try_from(dim).ok()?));
        match elements {
            Some(elements) if elements > self.source_len => Err(BlobProtoError::Malformed(format!(
                "a tensor of {elements} elements in a file of {} bytes",
                self.source_len
            ))),
            // Dimensions that are no shape are told by whoever reads them.
            _ => Ok(()),
        }
    }

    /// Whether all parts are there.
    pub fn is_complete(&self) -> bool {
        match &self.parts {
            Parts::None => false,
            Parts::Tensor(parts) => parts.is_complete(),
            Parts::Whole(_) => true,
        }
    }

    /// The blob.
    ///
    /// # Errors
    /// When elements are missing, or no message came at all.
    pub fn finish(self) -> Result<Blob, BlobProtoError> {
        match self.parts {
            Parts::None => Err(BlobProtoError::Malformed("there is no record of the blob".into())),
            Parts::Tensor(parts) => Ok(parts.finish()?.within(None).into()),
            Parts::Whole(blob) => Ok(blob),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(blob: &Blob, chunk_size: usize) -> Vec<(String, BlobProto)> {
        let mut records = Vec::new();
        let put = |key: &str, proto| {
            records.push((key.to_owned(), proto));
            Ok::<(), BlobProtoError>(())
        };
        blob.put_records("b", chunk_size, put).unwrap();
        records
    }

    fn assemble(protos: impl IntoIterator<Item = BlobProto>) -> Result<Blob, BlobProtoError> {
        let mut parts = BlobAssembler::new(None, 1000);
        protos.into_iter().try_for_each(|proto| parts.add(proto))?;
        parts.finish()
    }

    fn keys(tensor: Tensor, chunk_size: usize) -> Vec<String> {
        records(&tensor.into(), chunk_size).into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn tensors_come_in_chunks() {
        let five = || Tensor::from_slice([5], &[1i8, 2, 3, 4, 5]).unwrap();
        assert_eq!(keys(five(), 2), ["b#%0", "b#%1", "b#%2"]);
        assert_eq!(keys(five(), 0), ["b#%0"]);
        assert_eq!(keys(five(), 5), ["b#%0"]);
        assert_eq!(keys(Tensor::zeros::<f32>([0, 3]).unwrap(), 2), ["b#%0"]);
        assert_eq!(keys(Tensor::scalar(1.0f32).unwrap(), DEFAULT_CHUNK_SIZE), ["b#%0"]);
    }

    #[test]
    fn strings_and_quantised_tensors_have_one_record() {
        let string = records(&Blob::new(Bytes::from("a\0b")), 1);
        assert_eq!((string.len(), string[0].0.as_str(), string[0].1.r#type()), (1, "b", "std::string"));
        let back = assemble(string.into_iter().map(|(_, proto)| proto)).unwrap();
        assert_eq!(back.with(Bytes::clone).unwrap(), "a\0b");
        let values = Tensor::from_slice([2], &[1u8, 255]).unwrap();
        let quantised = Int8Tensor { scale: 0.5, zero_point: 3, values };
        let proto = records(&Blob::new(quantised.clone()), 1);
        assert_eq!((proto[0].0.as_str(), proto[0].1.r#type()), ("b", "Int8TensorCPU"));
        let back = assemble(proto.into_iter().map(|(_, proto)| proto)).unwrap();
        assert_eq!(back.with(Int8Tensor::clone).unwrap(), quantised);
    }

    #[test]
    fn what_no_message_holds_is_refused() {
        let put = |blob: &Blob| blob.put_records("b", 0, |_, _| Ok::<(), BlobProtoError>(()));
        assert_eq!(put(&Blob::default()), Err(BlobProtoError::BlobType("nothing")));
        assert_eq!(put(&Blob::new(5u8)), Err(BlobProtoError::BlobType("u8")));
        assert!(matches!(put(&Tensor::new().into()), Err(BlobProtoError::Tensor(_))));
    }

    #[test]
    fn messages_that_make_no_blob_are_refused() {
        let tensor = Blob::from(Tensor::from_slice([4], &[1.0f32; 4]).unwrap());
        let whole = records(&tensor, 0).remove(0).1;
        let half = records(&tensor, 2).remove(0).1;
        let string = records(&Blob::new(Bytes::from("s")), 0).remove(0).1;
        let typed = |name: &str| BlobProto { r#type: Some(name.into()), ..whole.clone() };
        assert!(assemble([typed("TensorCPU")]).is_ok() && assemble([typed("TensorCUDA")]).is_ok());
        let mut huge = half.clone();
        huge.tensor.as_mut().unwrap().dims = vec![1 << 40];
        let words = |protos: Vec<BlobProto>| assemble(protos).unwrap_err().to_string();
        assert!(words(vec![]).contains("no record"));
        assert!(words(vec![half.clone()]).contains("2 of the 4"));
        assert!(words(vec![half.clone(), half.clone()]).contains("given before"));
        assert!(words(vec![whole.clone(), half.clone()]).contains("complete"));
        assert!(words(vec![string.clone(), string.clone()]).contains("complete"));
        assert!(words(vec![string.clone(), whole.clone()]).contains("another type"));
        assert!(words(vec![half, string.clone()]).contains("complete"));
        assert!(words(vec![huge]).contains("1099511627776 elements in a file of 1000 bytes"));
        assert!(words(vec![typed("DBReader")]).contains("`DBReader`"));
        assert!(words(vec![BlobProto { tensor: None, ..whole }]).contains("no tensor"));
        let chunked = BlobProto { content_num_chunks: Some(2), ..string };
        assert!(words(vec![chunked]).contains("several chunks"));
    }

    proptest! {
        #[test]
        fn chunks_in_any_order_make_the_tensor(
            values in proptest::collection::vec(any::<i64>(), 0..20), chunk_size in 0usize..8, seed in any::<u64>(),
        ) {
            let tensor = Tensor::from_slice([values.len()], &values).unwrap();
            let mut parts = records(&tensor.clone().into(), chunk_size);
            parts.sort_by_key(|(key, _)| key.bytes().fold(seed, |h, b| h.rotate_left(7).wrapping_mul(31) ^ u64::from(b)));
            let blob = assemble(parts.into_iter().map(|(_, proto)| proto)).unwrap();
            prop_assert_eq!(blob.as_tensor(), Some(&tensor));
        }
    }
}
