//! Reading and writing the files that nets and tensors live in.
//!
//! | file | holds | read by | written by |
//! |---|---|---|---|
//! | `.pb`, `.pbtxt` net | a [`NetDef`] in binary or text form | [`read_net`], [`open_net`] | [`write_net`] |
//! | `.npz` | named arrays of NumPy | [`read_tensors`], [`npz`] | [`write_tensors`], [`npz`] |
//! | `.minidb` | named blobs, Caffe2's database | [`read_tensors`], [`minidb`], [`PredictorFile`] | [`write_tensors`], [`minidb`], [`PredictorExport`] |
//! | `.npy` | one array of NumPy | [`read_tensor`], [`npy`] | [`npy`] |
//! | `.pb` tensors | named tensors, Caffe2's `TensorProtos` | [`read_tensors`], [`tensor_protos`] | [`write_tensors`], [`tensor_protos`] |
//!
//! What a file is, is told from its content when it is read, and from its extension when it is written. Every
//! data type of tensors goes through every format. Files are written whole or not at all: an error
//! leaves a file that was there as it was.
//!
//! Content is not trusted: sizes are compared with those of the file before anything is allocated, [`Limits`]
//! bound the rest, and whatever is wrong gives a [`FileError`].
//!
//! ```
//! use caffe2::{Tensor, files};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("inputs.npz");
//! files::write_tensors(&path, &[("data", Tensor::from_slice([2], &[1.0f32, 2.0])?)])?;
//! let tensors = files::read_tensors(&path)?;
//! assert_eq!((tensors[0].0.as_str(), tensors[0].1.dims()), ("data", &[2][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod atomic;
mod error;
mod mapped;
pub mod minidb;
mod net;
pub mod npy;
pub mod npz;
mod predictor;
pub mod tensor_protos;

use std::{collections::HashSet, fs::File, io::Read as _, path::Path};

use caffe2_operator::{Blob, DEFAULT_MEMORY_LIMIT};
use caffe2_proto::{Caffe2Message as _, EncodedNet, FileKind, NetDef, WireLimits, sniff};
use caffe2_tensor::Tensor;

pub use error::{FileError, FileErrorKind};
pub use net::{NetFormat, write_net};
pub use predictor::{PredictorExport, PredictorFile};

/// Tensors with their names, in the order of the file.
pub type NamedTensors = Vec<(String, Tensor)>;

/// How much a file may ask for.
///
/// ```
/// use caffe2::files::Limits;
///
/// let small = Limits { max_tensor_bytes: 1 << 20, ..Limits::default() };
/// assert!(small.read_tensors("no/such/file").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all tensors of a file may take together. By default [`DEFAULT_MEMORY_LIMIT`].
    pub max_tensor_bytes: usize,
    /// Bounds on messages: nets, `TensorProtos`.
    pub wire: WireLimits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_tensor_bytes: DEFAULT_MEMORY_LIMIT, wire: WireLimits::default() }
    }
}

/// Reads a net in binary or text form, with the default [`Limits`].
///
/// # Errors
/// When the file cannot be read or is no net; the error says what it is instead, and what to do.
pub fn read_net(path: impl AsRef<Path>) -> Result<NetDef, FileError> {
    Limits::default().read_net(path)
}

/// Opens a net whose operators are decoded one at a time, as [`Workspace::run_init_net`](crate::Workspace::run_init_net)
/// wants it: with the default [`Limits`] and [`Mapping`].
///
/// ```
/// use caffe2::{Caffe2Message, NetDef, OperatorDef, Workspace, files};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("init_net.pb");
/// let fill = OperatorDef::new("GivenTensorFill").output("w").arg("values", vec![0.5f32]);
/// std::fs::write(&path, NetDef::new("init").op(fill).to_binary())?;
/// let mut workspace = Workspace::new();
/// workspace.run_init_net(files::open_net(&path)?)?;
/// assert_eq!(workspace.fetch("w")?.as_slice::<f32>()?, [0.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`read_net`].
pub fn open_net(path: impl AsRef<Path>) -> Result<EncodedNet, FileError> {
    Limits::default().open_net(path, Mapping::default())
}

/// Whether files are mapped into memory, so that bytes in them become tensors without being read or copied.
///
/// A file that is mapped must not be changed or cut while anything of it is in use: what is read from it then is
/// anybody's guess, and reading behind the end of a file that was cut ends the process (`SIGBUS`). Replacing it by
/// another of the same name, as this library and most programs write files, is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mapping {
    /// Regular files of at least 64 KiB on local disks are mapped; all else is read.
    #[default]
    LocalFiles,
    /// Every file is read.
    Never,
}

/// Reads named tensors from an `.npz`, `TensorProtos` or `.minidb` file, with the default [`Limits`].
///
/// # Errors
/// When the file cannot be read, is of another kind or broken, or a tensor in it has no name: arrays of
/// `.npy` files have none, see [`read_tensor`].
pub fn read_tensors(path: impl AsRef<Path>) -> Result<NamedTensors, FileError> {
    Limits::default().read_tensors(path)
}

/// Reads the only tensor of a file, whatever its name: an `.npy` file, or an `.npz` or `TensorProtos`
/// file with one tensor. With the default [`Limits`].
///
/// # Errors
/// When the file cannot be read, is of another kind or broken, or holds none or several tensors.
pub fn read_tensor(path: impl AsRef<Path>) -> Result<Tensor, FileError> {
    Limits::default().read_tensor(path)
}

/// Writes named tensors as the extension says, whole or not at all: `.npz`, `.pb` for `TensorProtos`, or `.minidb`.
///
/// # Errors
/// When the extension is another, two tensors have the same name, the format cannot hold a tensor, or the
/// file cannot be written.
pub fn write_tensors<S: AsRef<str>>(
    path: impl AsRef<Path>,
    tensors: &[(S, Tensor)],
) -> Result<(), FileError> {
    let path = path.as_ref();
    match TensorFormat::of(path)? {
        TensorFormat::Npz => npz::write(path, tensors),
        TensorFormat::TensorProtos => tensor_protos::write(path, tensors),
        TensorFormat::MiniDb => {
            let blobs: Vec<_> = tensors.iter().map(|(_, tensor)| Blob::from(tensor.clone())).collect();
            minidb::write(path, tensors.iter().map(|(name, _)| name.as_ref()).zip(&blobs))
        }
    }
}

/// Writes a file with this content, whole or not at all.
///
/// # Errors
/// When the file cannot be written; what was there before is as it was.
pub fn write_bytes(path: impl AsRef<Path>, content: &[u8]) -> Result<(), FileError> {
    use std::io::Write as _;
    atomic::write(path.as_ref(), |file| {
        file.write_all(content).map_err(|e| FileError::io(e, "cannot be written"))
    })
}

/// What a file is, told from its content.
///
/// # Errors
/// When the file cannot be read, or is longer than the limits allow.
pub fn kind_of(path: impl AsRef<Path>, limits: &Limits) -> Result<FileKind, FileError> {
    let path = path.as_ref();
    Ok(match Container::of(path)? {
        Container::Npy => FileKind::Npy,
        Container::Npz => FileKind::Zip,
        Container::MiniDb => FileKind::MiniDb,
        Container::Message => sniff(&caffe2_proto::read_file(path, limits.wire.max_bytes)?),
    })
}

/// The formats that [`write_tensors`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorFormat {
    /// `.npz`.
    Npz,
    /// `.pb`.
    TensorProtos,
    /// `.minidb`.
    MiniDb,
}

impl TensorFormat {
    /// The format that the extension of a file means.
    ///
    /// # Errors
    /// When it means none.
    pub fn of(path: &Path) -> Result<TensorFormat, FileError> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("npz") => Ok(TensorFormat::Npz),
            Some("pb") => Ok(TensorFormat::TensorProtos),
            Some("minidb") => Ok(TensorFormat::MiniDb),
            found => {
                let found = found.map_or("no extension".into(), |e| format!("the extension .{e}"));
                let message = format!("{found} tells no format that tensors are written in");
                Err(FileError::new(FileErrorKind::Unsupported, message)
                    .help("use .npz (NumPy), .pb (TensorProtos) or .minidb")
                    .in_file(path))
            }
        }
    }
}

/// What a file with tensors is.
enum Container {
    Npy,
    Npz,
    MiniDb,
    /// Or something else, which its reader tells.
    Message,
}

impl Container {
    fn of(path: &Path) -> Result<Container, FileError> {
        let io = |e| FileError::io(e, "cannot be read").in_file(path);
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            // What cannot be looked at beforehand goes by its name.
            return Ok(match path.extension().and_then(|e| e.to_str()) {
                Some("npy") => Container::Npy,
                Some("npz") => Container::Npz,
                Some("minidb") => Container::MiniDb,
                _ => Container::Message,
            });
        }
        let mut start = Vec::new();
        file.take(8).read_to_end(&mut start).map_err(io)?;
        Ok(match start {
            start if start.starts_with(npy::MAGIC) => Container::Npy,
            start if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") => Container::Npz,
            _ if minidb::is_one(path) => Container::MiniDb,
            _ => Container::Message,
        })
    }
}

impl Limits {
    /// As [`read_net`].
    ///
    /// # Errors
    /// As [`read_net`]; when the limits are exceeded.
    pub fn read_net(&self, path: impl AsRef<Path>) -> Result<NetDef, FileError> {
        Ok(NetDef::from_file(path, &self.wire)?)
    }

    /// As [`open_net()`], where `mapping` tells whether the file may be mapped into memory.
    ///
    /// # Errors
    /// As [`open_net()`]; when the limits are exceeded.
    pub fn open_net(&self, path: impl AsRef<Path>, mapping: Mapping) -> Result<EncodedNet, FileError> {
        let path = path.as_ref();
        if mapping == Mapping::LocalFiles
            && let Some(net) = mapped::open_net(path, &self.wire)
        {
            return net.map_err(|error| FileError::from(error).in_file(path));
        }
        Ok(EncodedNet::from_file(path, &self.wire)?)
    }

    /// As [`read_tensors`].
    ///
    /// # Errors
    /// As [`read_tensors`]; when the limits are exceeded.
    pub fn read_tensors(&self, path: impl AsRef<Path>) -> Result<NamedTensors, FileError> {
        let path = path.as_ref();
        let nameless = |message: String| FileError::new(FileErrorKind::Names, message).in_file(path);
        let tensors = match Container::of(path)? {
            Container::Npy => {
                let message = "an .npy file holds one array without a name";
                return Err(nameless(message.into()).help("give it one: NAME=FILE"));
            }
            Container::Npz => npz::read(path, self)?,
            Container::MiniDb => minidb::read_tensors(path, self)?,
            Container::Message => self.read_message(path)?,
        };
        match tensors.iter().position(|(name, _)| name.is_empty()) {
            Some(index) => Err(nameless(format!("tensor #{index} has no name"))),
            None => Ok(tensors),
        }
    }

    /// As [`read_tensor`].
    ///
    /// # Errors
    /// As [`read_tensor`]; when the limits are exceeded.
    pub fn read_tensor(&self, path: impl AsRef<Path>) -> Result<Tensor, FileError> {
        let path = path.as_ref();
        let mut tensors = match Container::of(path)? {
            Container::Npy => return npy::read(path, self),
            Container::Npz => npz::read(path, self)?,
            Container::MiniDb => minidb::read_tensors(path, self)?,
            Container::Message => self.read_message(path)?,
        };
        match (tensors.pop(), tensors.len()) {
            (Some((_, tensor)), 0) => Ok(tensor),
            (last, others) => {
                let count = others + usize::from(last.is_some());
                let message = format!("{count} tensors where one is wanted");
                Err(FileError::new(FileErrorKind::Names, message).in_file(path))
            }
        }
    }
}

impl Limits {
    /// As [`tensor_protos::read`], where the file may have been meant to be of another kind.
    fn read_message(&self, path: &Path) -> Result<NamedTensors, FileError> {
        let bytes = caffe2_proto::read_file(path, self.wire.max_bytes)?;
        tensor_protos::from_bytes(bytes.clone(), self).map_err(|error| match sniff(&bytes) {
            FileKind::Unknown | FileKind::Text(None) => {
                let message = format!("this is no file of tensors (.npz, .npy or TensorProtos); {error}");
                FileError::new(FileErrorKind::WrongContent, message).in_file(path)
            }
            _ => error.in_file(path),
        })
    }
}

fn check_names<S: AsRef<str>>(tensors: &[(S, Tensor)]) -> Result<(), FileError> {
    let mut names = HashSet::new();
    match tensors.iter().map(|(name, _)| name.as_ref()).find(|name| !names.insert(*name)) {
        Some(twice) => {
            Err(FileError::new(FileErrorKind::Names, "two tensors have this name").of_tensor(twice))
        }
        None => Ok(()),
    }
}
