//! NumPy's `.npy`: one array per file.
//!
//! All data types of tensors are read and written. Read are versions 1 to 3 of the format, C and Fortran
//! order, both byte orders, and NumPy's byte strings (`S`) and Unicode strings (`U`, which become
//! UTF-8). Written is C order, little-endian; strings as `S`.
//!
//! NumPy strings have a fixed width and are filled up with NULs, which reading strips. A tensor with a
//! string that ends with NUL is therefore refused by the writer; TensorProtos hold any string.
//!
//! ```
//! use caffe2::{Tensor, files::{Limits, npy}};
//!
//! let x = Tensor::from_slice([2, 2], &[1i64, 2, 3, 4])?;
//! let mut file = Vec::new();
//! npy::write_to(&mut file, &x)?;
//! assert_eq!(npy::from_bytes(&file, &Limits::default())?, x);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod header;
mod read;
mod write;

use std::{fs::File, io::BufReader, path::Path};

use caffe2_tensor::{MemoryBudget, Tensor};

use super::{FileError, FileErrorKind, Limits, atomic};

pub(super) use read::read_array;
pub(super) use write::size_of;
pub use write::write_to;

/// The first bytes of every `.npy` file.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads a `.npy` file.
///
/// # Errors
/// When the file cannot be read, is no `.npy` file or a broken one, holds elements that tensors cannot have
/// (the error names the dtype and what to do), or exceeds the limits. Nothing is allocated for an array
/// before its size is known to agree with that of the file.
pub fn read(path: impl AsRef<Path>, limits: &Limits) -> Result<Tensor, FileError> {
    let path = path.as_ref();
    let read = || {
        let io = |e| FileError::io(e, "cannot be read");
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_file() {
            let budget = MemoryBudget::new(limits.max_tensor_bytes);
            return read_array(&mut BufReader::new(file), metadata.len(), &budget);
        }
        from_bytes(&caffe2_proto::read_file(path, limits.max_tensor_bytes)?, limits)
    };
    read().map_err(|error| error.in_file(path))
}

/// Reads the content of a `.npy` file.
///
/// # Errors
/// As [`read`], without a file's name.
pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Tensor, FileError> {
    read_array(&mut &*bytes, bytes.len() as u64, &MemoryBudget::new(limits.max_tensor_bytes))
}

/// Writes a `.npy` file, whole or not at all.
///
/// # Errors
/// When the tensor was never written, has a string that ends with NUL, or the file cannot be written.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<(), FileError> {
    atomic::write(path.as_ref(), |file| write_to(file, tensor))
}

/// The remedy where NumPy's strings cannot hold a tensor.
fn not_for_numpy(message: impl Into<String>) -> FileError {
    FileError::new(FileErrorKind::Unsupported, message).help("write a TensorProtos file (.pb) instead")
}
