//! Reading an array, from whatever can be read.

use std::{io::Read, sync::Arc};

use bytes::Bytes;
use caffe2_tensor::{DataType, Element, MemoryBudget, Shape, Tensor, f16};

use super::MAGIC;
use super::header::{Descr, Endian, Header, MAX_HEADER};
use crate::files::{FileError, FileErrorKind};

/// Bytes that are converted at a time.
const BLOCK: usize = 1 << 16;

/// Reads a whole `.npy` file of `length` bytes; memory is charged to `budget`.
pub(in crate::files) fn read_array(
    reader: &mut impl Read,
    length: u64,
    budget: &Arc<MemoryBudget>,
) -> Result<Tensor, FileError> {
    let mut reader = Counted { inner: reader, count: 0 };
    let header = read_header(&mut reader)?;
    check_size(&header, length.saturating_sub(reader.count))?;
    let tensor = match header.descr {
        Descr::Numbers(data_type, endian) => read_numbers(&mut reader, &header, data_type, endian, budget)?,
        Descr::Bytes(width) => read_strings(&mut reader, &header, width, None, budget)?,
        Descr::Unicode(width, endian) => read_strings(&mut reader, &header, width, Some(endian), budget)?,
    };
    // Also makes the reader of an archive check its checksum.
    match reader.read(&mut [0]).map_err(not_readable)? {
        0 => Ok(tensor.within(None)),
        _ => Err(FileError::malformed("there are bytes behind the array").help("save one array per file")),
    }
}

/// A reader that knows how much was read.
struct Counted<'a, R> {
    inner: &'a mut R,
    count: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

fn not_readable(error: std::io::Error) -> FileError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => FileError::malformed("the array ends too early"),
        // What decompressors and checksums report.
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput | std::io::ErrorKind::Other => {
            FileError::malformed(format!("the array is damaged: {error}"))
        }
        _ => FileError::io(error, "cannot be read"),
    }
}

fn read_header(reader: &mut impl Read) -> Result<Header, FileError> {
    let mut start = Vec::new();
    reader.take(MAGIC.len() as u64 + 2).read_to_end(&mut start).map_err(not_readable)?;
    let Some([version, _]) = start.strip_prefix(MAGIC) else {
        return Err(match start.as_slice() {
            [] => FileError::new(FileErrorKind::WrongContent, "the array file is empty"),
            start if MAGIC.starts_with(start) || start.starts_with(MAGIC) => {
                FileError::malformed("the array ends too early")
            }
            _ => FileError::new(FileErrorKind::WrongContent, "this is no array in NumPy's .npy format"),
        });
    };
    let length = match version {
        1 => u32::from(u16::from_le_bytes(read_bytes(reader)?)),
        2 | 3 => u32::from_le_bytes(read_bytes(reader)?),
        other => {
            let message = format!("version {other} of the .npy format is not known; versions 1 to 3 are");
            return Err(FileError::new(FileErrorKind::Unsupported, message));
        }
    };
    let length = length as usize;
    if length > MAX_HEADER {
        let message = format!("a header of {length} bytes; at most {MAX_HEADER} are read");
        return Err(FileError::new(FileErrorKind::LimitExceeded, message));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(not_readable)?;
    Header::parse(&text)
}

fn read_bytes<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], FileError> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(not_readable)?;
    Ok(bytes)
}

/// Refuses a header that promises another number of bytes than follow.
fn check_size(header: &Header, available: u64) -> Result<(), FileError> {
    let size = header.descr.item_size().and_then(|item| item.checked_mul(header.shape.numel()));
    match size {
        Some(size) if size as u64 == available => Ok(()),
        _ => Err(FileError::malformed(format!(
            "an array of shape {} with {} bytes per element takes {} bytes, but {available} follow the header",
            header.shape,
            header.descr.item_size().map_or("too many".into(), |i| i.to_string()),
            size.map_or("too many".into(), |s| s.to_string()),
        ))),
    }
}

fn read_numbers(
    reader: &mut impl Read,
    header: &Header,
    data_type: DataType,
    endian: Endian,
    budget: &Arc<MemoryBudget>,
) -> Result<Tensor, FileError> {
    macro_rules! numbers {
        ($($data_type:ident: $rust:ty),*) => {
            match data_type {
                $(DataType::$data_type => read_elements::<$rust, _>(reader, header, budget, match endian {
                    Endian::Little => <$rust>::from_le_bytes,
                    Endian::Big => <$rust>::from_be_bytes,
                }),)*
                DataType::Bool => read_elements(reader, header, budget, |[byte]| byte != 0),
                DataType::String => Err(FileError::malformed("strings are no numbers")),
            }
        };
    }
    numbers!(Float: f32, Double: f64, Float16: f16, Int8: i8, Int16: i16, Int32: i32, Int64: i64,
             UInt8: u8, UInt16: u16)
}

fn read_elements<T: Element, const N: usize>(
    reader: &mut impl Read,
    header: &Header,
    budget: &Arc<MemoryBudget>,
    decode: fn([u8; N]) -> T,
) -> Result<Tensor, FileError> {
    let mut tensor = Tensor::new().within(Some(budget.clone()));
    let mut block = vec![0; BLOCK];
    for part in tensor.overwrite::<T, _>(&header.shape)?.chunks_mut(BLOCK / N) {
        let bytes = &mut block[..part.len() * N];
        reader.read_exact(bytes).map_err(not_readable)?;
        for (element, bytes) in part.iter_mut().zip(bytes.as_chunks::<N>().0) {
            *element = decode(*bytes);
        }
    }
    if !header.fortran_order || header.shape.rank() < 2 {
        return Ok(tensor);
    }
    let mut turned = Tensor::new().within(Some(budget.clone()));
    from_fortran(tensor.as_slice()?, &header.shape, turned.overwrite::<T, _>(&header.shape)?);
    Ok(turned)
}

/// Reads strings of `width` bytes, or of `width` code points of four bytes where there is an order of these.
fn read_strings(
    reader: &mut impl Read,
    header: &Header,
    width: usize,
    unicode: Option<Endian>,
    budget: &Arc<MemoryBudget>,
) -> Result<Tensor, FileError> {
    let numel = header.shape.numel();
    if width == 0 && numel > 0 {
        // Such a file could ask for any number of strings.
        return Err(
            FileError::new(FileErrorKind::Unsupported, "strings of width 0").help("save them as `S1`")
        );
    }
    let mut tensor = Tensor::new().within(Some(budget.clone()));
    let strings = tensor.overwrite_strings(&header.shape)?;
    // The strings are slices of one block; its size was compared with that of the file.
    let size = numel * header.descr.item_size().unwrap_or(0);
    let _charge = budget.charge(size)?;
    let mut block = Vec::new();
    reader.take(size as u64).read_to_end(&mut block).map_err(not_readable)?;
    if block.len() != size {
        return Err(FileError::malformed("the array ends too early"));
    }
    match unicode {
        None => split(strings, block.into(), width),
        Some(endian) => transcode(strings, &block, width, endian)?,
    }
    if !header.fortran_order || header.shape.rank() < 2 {
        return Ok(tensor);
    }
    let mut turned = Tensor::new().within(Some(budget.clone()));
    from_fortran(tensor.as_strings()?, &header.shape, turned.overwrite_strings(&header.shape)?);
    Ok(turned)
}

/// Cuts a block into strings of `width` bytes, without the NULs at their ends.
fn split(strings: &mut [Bytes], block: Bytes, width: usize) {
    for (index, string) in strings.iter_mut().enumerate() {
        let field = &block[index * width..(index + 1) * width];
        let length = field.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        *string = block.slice(index * width..index * width + length);
    }
}

/// Makes UTF-8 of code points.
fn transcode(strings: &mut [Bytes], block: &[u8], width: usize, endian: Endian) -> Result<(), FileError> {
    let decode = match endian {
        Endian::Little => u32::from_le_bytes,
        Endian::Big => u32::from_be_bytes,
    };
    let mut text = String::new();
    for (string, field) in strings.iter_mut().zip(block.chunks_exact(width * 4)) {
        text.clear();
        for point in field.as_chunks::<4>().0.iter().map(|b| decode(*b)) {
            let char = char::from_u32(point)
                .ok_or_else(|| FileError::malformed(format!("{point:#x} is no Unicode character")))?;
            text.push(char);
        }
        *string = Bytes::copy_from_slice(text.trim_end_matches('\0').as_bytes());
    }
    Ok(())
}

/// Puts elements whose first index runs fastest into row-major order.
fn from_fortran<T: Clone>(from: &[T], shape: &Shape, to: &mut [T]) {
    let dims = shape.dims();
    // How far apart neighbours of each axis are in the file.
    let strides: Vec<usize> = (0..dims.len()).map(|axis| shape.size_to(axis)).collect();
    let mut index = vec![0; dims.len()];
    let mut at = 0;
    for element in to {
        *element = from[at].clone();
        for axis in (0..dims.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < dims[axis] {
                break;
            }
            at -= strides[axis] * dims[axis];
            index[axis] = 0;
        }
    }
}
