//! NumPy's `.npz`: a Zip archive with one `.npy` per array.
//!
//! Read is what `numpy.savez` and `numpy.savez_compressed` write; written is what the former writes.
//! Names are kept as they are, those with `/` too. See [`npy`] for the arrays.
//!
//! ```
//! use std::io::Cursor;
//! use caffe2::{Tensor, files::{Limits, npz}};
//!
//! let tensors = [("conv1/w", Tensor::zeros::<f32>([8, 3, 3, 3])?), ("conv1/b", Tensor::zeros::<f32>([8])?)];
//! let mut file = Cursor::new(Vec::new());
//! npz::write_to(&mut file, &tensors)?;
//! let read = npz::read_from(file, &Limits::default())?;
//! assert_eq!((read[0].0.as_str(), read[0].1.dims()), ("conv1/w", &[8, 3, 3, 3][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    collections::HashSet,
    fs::File,
    io::{BufReader, Cursor, Read, Seek, Write},
    path::Path,
    sync::Arc,
};

use caffe2_tensor::{MemoryBudget, Tensor};
use zip::{CompressionMethod, ZipArchive, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{FileError, FileErrorKind, Limits, NamedTensors, atomic, npy};

/// No compressor of the Deflate format makes anything shorter by more than this.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// The extension of an array in the archive, which is no part of its name.
const EXTENSION: &str = ".npy";

/// Reads an `.npz` file: the arrays by name, in the order of the archive.
///
/// # Errors
/// When the file cannot be read, is no Zip archive or a broken one, an entry is encrypted, compressed by
/// another method than Deflate, or no array that [`npy`] reads, two have the same name, or all exceed the limits.
pub fn read(path: impl AsRef<Path>, limits: &Limits) -> Result<NamedTensors, FileError> {
    let path = path.as_ref();
    let read = || {
        let io = |e| FileError::io(e, "cannot be read");
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_file() {
            return read_from(BufReader::new(file), limits);
        }
        read_from(Cursor::new(caffe2_proto::read_file(path, limits.max_tensor_bytes)?), limits)
    };
    read().map_err(|error| error.in_file(path))
}

/// Reads the content of an `.npz` file.
///
/// # Errors
/// As [`read`], without a file's name.
pub fn read_from(reader: impl Read + Seek, limits: &Limits) -> Result<NamedTensors, FileError> {
    let mut archive = ZipArchive::new(reader).map_err(|e| broken(e).help("download or save it again"))?;
    let budget = MemoryBudget::new(limits.max_tensor_bytes);
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for index in 0..archive.len() {
        let entry_name = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            Some(Err(e)) => return Err(broken(e)),
            None => continue,
        };
        if entry_name.ends_with('/') {
            continue; // a folder
        }
        let name = entry_name.strip_suffix(EXTENSION).unwrap_or(&entry_name);
        if !names.insert(name.to_owned()) {
            return Err(
                FileError::new(FileErrorKind::Names, "there are two arrays of this name").of_tensor(name)
            );
        }
        let tensor = read_entry(&mut archive, index, &budget).map_err(|e| e.of_tensor(name))?;
        tensors.push((name.to_owned(), tensor));
    }
    Ok(tensors)
}

fn read_entry<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    index: usize,
    budget: &Arc<MemoryBudget>,
) -> Result<Tensor, FileError> {
    let mut entry = archive.by_index(index).map_err(broken)?;
    let (size, packed) = (entry.size(), entry.compressed_size());
    if size > packed.saturating_mul(MAX_DEFLATE_RATIO).saturating_add(64) {
        let message = format!("the archive promises {size} bytes and has {packed} compressed ones for them");
        return Err(FileError::malformed(message));
    }
    npy::read_array(&mut entry, size, budget)
}

fn broken(error: ZipError) -> FileError {
    match error {
        ZipError::Io(error) => FileError::io(error, "cannot be read"),
        ZipError::UnsupportedArchive(what) => {
            FileError::new(FileErrorKind::Unsupported, format!("the archive is not supported: {what}"))
                .help("save it by `numpy.savez`")
        }
        other => FileError::malformed(format!("the archive is broken: {other}")),
    }
}

/// Writes an `.npz` file, whole or not at all.
///
/// # Errors
/// When a tensor was never written or has a string that ends with NUL, two have the same name, or the
/// file cannot be written.
pub fn write<S: AsRef<str>>(path: impl AsRef<Path>, tensors: &[(S, Tensor)]) -> Result<(), FileError> {
    atomic::write(path.as_ref(), |file| write_to(file, tensors))
}

/// Writes the content of an `.npz` file.
///
/// # Errors
/// As [`write()`].
pub fn write_to<S: AsRef<str>>(writer: impl Write + Seek, tensors: &[(S, Tensor)]) -> Result<(), FileError> {
    super::check_names(tensors)?;
    let mut archive = ZipWriter::new(writer);
    for (name, tensor) in tensors {
        let name = name.as_ref();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(npy::size_of(tensor) > u64::from(u32::MAX));
        archive
            .start_file(format!("{name}{EXTENSION}"), options)
            .map_err(|e| not_written(e).of_tensor(name))?;
        npy::write_to(&mut archive, tensor).map_err(|e| e.of_tensor(name))?;
    }
    archive.finish().map_err(not_written)?;
    Ok(())
}

fn not_written(error: ZipError) -> FileError {
    match error {
        ZipError::Io(error) => FileError::io(error, "cannot be written"),
        other => FileError::new(FileErrorKind::Unsupported, format!("the archive cannot hold this: {other}")),
    }
}
