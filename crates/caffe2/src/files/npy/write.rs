//! Writing an array.

use std::io::{self, Write};

use caffe2_tensor::{DataType, Element, Tensor, f16};

use super::header::descr_of;
use super::{MAGIC, not_for_numpy};
use crate::files::FileError;

/// Bytes that are converted at a time.
const BLOCK: usize = 1 << 16;

/// Most bytes that a file may need for strings filled up to the length of the longest.
const MAX_PADDED: usize = 1 << 33;

/// Writes the content of a `.npy` file.
///
/// # Errors
/// When the tensor was never written, has a string that ends with NUL, or writing fails.
pub fn write_to(mut writer: impl Write, tensor: &Tensor) -> Result<(), FileError> {
    let data_type = tensor.written_type()?;
    let width = string_width(tensor)?;
    let io = |e| FileError::io(e, "cannot be written");
    writer.write_all(&header(&descr_of(data_type, width), tensor.dims())?).map_err(io)?;
    macro_rules! numbers {
        ($($data_type:ident: $rust:ty),*) => {
            match data_type {
                $(DataType::$data_type => write_elements(writer, tensor.as_slice()?, <$rust>::to_le_bytes),)*
                DataType::Bool => write_elements(writer, tensor.as_slice()?, |b: bool| [u8::from(b)]),
                DataType::String => write_strings(writer, tensor, width),
            }
        };
    }
    let written = numbers!(Float: f32, Double: f64, Float16: f16, Int8: i8, Int16: i16, Int32: i32, Int64: i64,
                           UInt8: u8, UInt16: u16);
    written.map_err(io)
}

/// Bytes that [`write_to`] will write, about.
pub(in crate::files) fn size_of(tensor: &Tensor) -> u64 {
    let elements = match tensor.as_strings() {
        Ok(strings) => {
            let longest = strings.iter().map(|s| s.len()).max().unwrap_or(0);
            (longest as u64).saturating_mul(strings.len() as u64)
        }
        Err(_) => tensor.byte_len() as u64,
    };
    elements.saturating_add(1 << 16)
}

/// The width of NumPy's strings that holds all of the tensor's, at least 1; 0 for numbers.
fn string_width(tensor: &Tensor) -> Result<usize, FileError> {
    let Ok(strings) = tensor.as_strings() else { return Ok(0) };
    if let Some(index) = strings.iter().position(|s| s.ends_with(b"\0")) {
        let message = format!("string #{index} ends with NUL, which NumPy's strings lose");
        return Err(not_for_numpy(message));
    }
    let width = strings.iter().map(|s| s.len()).max().unwrap_or(0).max(1);
    match width.checked_mul(strings.len()) {
        Some(size) if size <= MAX_PADDED => Ok(width),
        _ => Err(not_for_numpy(format!(
            "{} strings, filled up to the {width} bytes of the longest as in NumPy, are too much",
            strings.len()
        ))),
    }
}

/// The bytes before the elements, in version 1 of the format.
fn header(descr: &str, dims: &[usize]) -> Result<Vec<u8>, FileError> {
    let shape = match dims {
        [one] => format!("({one},)"),
        dims => format!("({})", dims.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Elements begin at a multiple of 64 bytes, after a newline.
    let end = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', end - MAGIC.len() - 4 - text.len() - 1));
    text.push('\n');
    let length = u16::try_from(text.len())
        .map_err(|_| not_for_numpy(format!("{} dimensions are too many for .npy", dims.len())))?;
    Ok([MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat())
}

fn write_elements<T: Element, const N: usize>(
    mut writer: impl Write,
    elements: &[T],
    encode: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    let mut block = Vec::with_capacity(BLOCK);
    for part in elements.chunks(BLOCK / N) {
        block.clear();
        part.iter().for_each(|&element| block.extend_from_slice(&encode(element)));
        writer.write_all(&block)?;
    }
    Ok(())
}

fn write_strings(mut writer: impl Write, tensor: &Tensor, width: usize) -> io::Result<()> {
    let padding = vec![0; width];
    for string in tensor.as_strings().unwrap_or_default() {
        writer.write_all(string)?;
        writer.write_all(&padding[string.len()..])?;
    }
    Ok(())
}
