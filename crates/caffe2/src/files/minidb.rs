//! Caffe2's databases of type `minidb`: blobs by name, as `Save` writes them and `Load` reads them.
//!
//! A large tensor takes several records; see [`caffe2_db::minidb`] for the layout of the file.
//!
//! ```
//! use caffe2::{Blob, Tensor, files::{Limits, minidb}};
//!
//! let w = Tensor::from_slice([2, 2], &[1.0f32, 2.0, 3.0, 4.0])?;
//! let mut file = Vec::new();
//! minidb::write_to(&mut file, [("w", &Blob::from(w.clone()))])?;
//! let blobs = minidb::from_bytes(file, &Limits::default())?;
//! assert_eq!((blobs[0].0.as_str(), blobs[0].1.as_tensor()), ("w", Some(&w)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{collections::HashMap, collections::HashSet, io::Write, path::Path, sync::Arc};

use bytes::Bytes;
use caffe2_db::minidb::{Reader, Source, Writer};
use caffe2_operator::{Blob, BlobAssembler, BlobProtoError, DEFAULT_CHUNK_SIZE, blob_name_of_key};
use caffe2_proto::{BlobProto, Caffe2Message as _};
use caffe2_tensor::MemoryBudget;

use super::{FileError, FileErrorKind, Limits, NamedTensors, atomic};

/// Blobs with their names, in the order of the file.
pub type NamedBlobs = Vec<(String, Blob)>;

/// Opens a file of records; what one cannot seek in is read into memory first.
pub(super) fn open(path: &Path, limits: &Limits) -> Result<Reader<Box<dyn Source>>, FileError> {
    let is_file = path.metadata().map_err(|e| FileError::io(e, "cannot be read").in_file(path))?.is_file();
    if is_file {
        return Ok(Reader::open(path)?.boxed());
    }
    Ok(Reader::from_bytes(caffe2_proto::read_file(path, limits.wire.max_bytes)?).boxed())
}

/// Reads all blobs of a database.
///
/// # Errors
/// When the file cannot be read or is damaged, a record holds no blob of a type that is served, a blob is
/// incomplete, or the limits are exceeded; the error says at which byte, and of which blob.
pub fn read(path: impl AsRef<Path>, limits: &Limits) -> Result<NamedBlobs, FileError> {
    let path = path.as_ref();
    read_all(open(path, limits)?, limits).map_err(|error| error.in_file(path))
}

/// Reads the content of such a file.
///
/// # Errors
/// As [`read`], without a file's name.
pub fn from_bytes(bytes: impl Into<Bytes>, limits: &Limits) -> Result<NamedBlobs, FileError> {
    read_all(Reader::from_bytes(bytes).boxed(), limits)
}

fn read_all(mut records: Reader<Box<dyn Source>>, limits: &Limits) -> Result<NamedBlobs, FileError> {
    let budget = MemoryBudget::new(limits.max_tensor_bytes);
    let mut parts: Vec<(String, BlobAssembler)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(key) = records.next_key()? {
        let name = blob_name_of_key(key).to_owned();
        let proto = message(&mut records, limits)?;
        let place = *places.entry(name.clone()).or_insert(parts.len());
        if place == parts.len() {
            parts.push((name, BlobAssembler::new(Some(Arc::clone(&budget)), records.file_len())));
        }
        parts[place].1.add(proto).map_err(|e| in_record(e, &records))?;
    }
    let finish = |(name, part): (String, BlobAssembler)| match part.finish() {
        Ok(blob) => Ok((name, blob)),
        Err(error) => Err(FileError::from(error).of_tensor(&name)),
    };
    parts.into_iter().map(finish).collect()
}

/// The message in the current record.
pub(super) fn message(
    records: &mut Reader<Box<dyn Source>>,
    limits: &Limits,
) -> Result<BlobProto, FileError> {
    let len = records.value_len();
    if len > limits.wire.max_bytes {
        let message =
            format!("the value takes {len} bytes, more than the limit of {}", limits.wire.max_bytes);
        return Err(FileError::new(FileErrorKind::LimitExceeded, message)
            .of_tensor(records.key().unwrap_or_default()));
    }
    let value = records.value()?;
    BlobProto::from_binary(value, &limits.wire).map_err(|e| records.error(e.to_string()).into())
}

fn in_record(error: BlobProtoError, records: &Reader<Box<dyn Source>>) -> FileError {
    let plain = FileError::from(error);
    match plain.kind() {
        FileErrorKind::LimitExceeded => plain.of_tensor(records.key().unwrap_or_default()),
        _ => records.error(plain.to_string()).into(),
    }
}

/// Reads the tensors of a database; blobs that are none are passed over.
pub(super) fn read_tensors(path: &Path, limits: &Limits) -> Result<NamedTensors, FileError> {
    let tensor = |(name, blob): (String, Blob)| match blob.as_tensor() {
        Some(tensor) => Some((name, tensor.clone())),
        None => {
            tracing::debug!("{}: `{name}` is {}, and no tensor", path.display(), blob.type_name());
            None
        }
    };
    Ok(read(path, limits)?.into_iter().filter_map(tensor).collect())
}

/// Writes a database, whole or not at all.
///
/// # Errors
/// When a blob holds what messages do not have, or a tensor that was never written, two have the same name, or the
/// file cannot be written.
pub fn write<'a>(
    path: impl AsRef<Path>,
    blobs: impl IntoIterator<Item = (&'a str, &'a Blob)>,
) -> Result<(), FileError> {
    atomic::write(path.as_ref(), |file| write_to(file, blobs))
}

/// Writes the content of such a file.
///
/// # Errors
/// As [`write()`].
pub fn write_to<'a>(
    writer: impl Write,
    blobs: impl IntoIterator<Item = (&'a str, &'a Blob)>,
) -> Result<(), FileError> {
    let mut db = Writer::new(writer);
    let mut names = HashSet::new();
    for (name, blob) in blobs {
        if !names.insert(name) {
            return Err(FileError::new(FileErrorKind::Names, "two blobs have this name").of_tensor(name));
        }
        let put = |key: &str, proto: BlobProto| db.put(key, &proto.to_binary()).map_err(FileError::from);
        blob.put_records(name, DEFAULT_CHUNK_SIZE, put).map_err(|e: FileError| e.of_tensor(name))?;
    }
    db.finish()?;
    Ok(())
}

/// Whether a file begins with a record: two lengths that fit into it, and a key that is text.
pub(super) fn is_one(path: &Path) -> bool {
    Reader::open(path).is_ok_and(|mut records| {
        let is_text = |key: &str| !key.chars().any(char::is_control);
        records.next_key().is_ok_and(|key| key.is_some_and(is_text))
    })
}
