//! Tensors to and from `TensorProto`, as Caffe2's `TensorSerializer` and `TensorDeserializer` do it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use caffe2_proto::{DeviceOption, TensorProto, tensor_proto};
use half::f16;

use crate::{DataType, Element, MemoryBudget, Shape, Tensor, TensorError};

/// The data type that a number on the wire stands for, such as a `dtype` argument.
///
/// # Errors
/// A number that is no `TensorProto.DataType`, or one that no tensor has (`UNDEFINED`).
pub fn data_type_from_proto(number: i64) -> Result<DataType, TensorError> {
    i32::try_from(number)
        .ok()
        .and_then(|n| tensor_proto::DataType::try_from(n).ok())
        .and_then(DataType::from_proto)
        .ok_or_else(|| TensorError::Proto(format!("data type {number} is not one that tensors have")))
}

impl Tensor {
    /// The message that holds the whole tensor, as Caffe2 writes it: numbers of up to 32 bits as
    /// `int32_data`, `float16` as its 16 bits there.
    ///
    /// # Errors
    /// [`TensorError::Unwritten`].
    pub fn to_proto(&self, name: &str) -> Result<TensorProto, TensorError> {
        self.to_proto_chunk(name, 0..self.numel())
    }

    /// The message that holds the elements `range` of the tensor, for files that keep a large tensor
    /// in several records; the dimensions are those of the whole.
    ///
    /// # Errors
    /// [`TensorError::Unwritten`]; [`TensorError::Proto`] when the range is not within the tensor.
    pub fn to_proto_chunk(&self, name: &str, range: Range<usize>) -> Result<TensorProto, TensorError> {
        let data_type = self.written_type()?;
        if range.start > range.end || range.end > self.numel() {
            let message = format!("elements {range:?} are not within a tensor of {}", self.numel());
            return Err(TensorError::Proto(message));
        }
        let mut proto = TensorProto {
            dims: self.shape().to_i64s().to_vec(),
            data_type: Some(data_type.to_proto() as i32),
            name: Some(name.to_owned()),
            device_detail: Some(DeviceOption { device_type: Some(0), ..DeviceOption::default() }),
            segment: Some(tensor_proto::Segment { begin: range.start as i64, end: range.end as i64 }),
            ..TensorProto::default()
        };
        macro_rules! as_int32 {
            ($rust:ty, $to:expr) => {
                proto.int32_data = self.as_slice::<$rust>()?[range].iter().map($to).collect()
            };
        }
        match data_type {
            DataType::Float => proto.float_data = self.as_slice()?[range].to_vec(),
            DataType::Double => proto.double_data = self.as_slice()?[range].to_vec(),
            DataType::Int32 => proto.int32_data = self.as_slice()?[range].to_vec(),
            DataType::Int64 => proto.int64_data = self.as_slice()?[range].to_vec(),
            DataType::String => proto.string_data = self.as_strings()?[range].to_vec(),
            DataType::Float16 => as_int32!(f16, |&v| i32::from(v.to_bits())),
            DataType::Bool => as_int32!(bool, |&v| i32::from(v)),
            DataType::Int8 => as_int32!(i8, |&v| i32::from(v)),
            DataType::UInt8 => as_int32!(u8, |&v| i32::from(v)),
            DataType::Int16 => as_int32!(i16, |&v| i32::from(v)),
            DataType::UInt16 => as_int32!(u16, |&v| i32::from(v)),
        }
        Ok(proto)
    }

    /// The tensor that a message holds.
    ///
    /// Beside the fields that Caffe2 reads, `raw_data` is read too (little-endian elements).
    ///
    /// # Errors
    /// [`TensorError::Proto`] when the message is no tensor, holds another number of elements than its
    /// dimensions say, or only a part of them; when memory is short. Nothing is allocated before the
    /// dimensions are known to agree with the data.
    pub fn from_proto(proto: &TensorProto) -> Result<Tensor, TensorError> {
        let mut parts = TensorAssembler::new(None);
        let shape = Shape::from_i64s(&proto.dims)?;
        let range = parts.uncovered(proto, &shape)?;
        if range.len() != shape.numel() {
            return Err(incomplete(range.len(), &shape));
        }
        parts.add(proto)?;
        parts.finish()
    }
}

/// Puts a tensor together from the chunks of a file, in any order.
///
/// ```
/// use caffe2_tensor::{Tensor, TensorAssembler, TensorError};
///
/// let whole = Tensor::from_slice([5], &[1.0f32, 2.0, 3.0, 4.0, 5.0])?;
/// let mut parts = TensorAssembler::new(None);
/// parts.add(&whole.to_proto_chunk("w", 3..5)?)?;
/// assert!(parts.add(&whole.to_proto_chunk("w", 2..4)?).is_err()); // element 3 came already
/// parts.add(&whole.to_proto_chunk("w", 0..3)?)?;
/// assert_eq!(parts.finish()?, whole);
/// # Ok::<(), TensorError>(())
/// ```
#[derive(Debug, Default)]
pub struct TensorAssembler {
    tensor: Tensor,
    started: bool,
    /// Begin and end of what has come.
    covered: BTreeMap<usize, usize>,
}

impl TensorAssembler {
    /// An assembler that has nothing yet; memory for the tensor is charged to `budget`.
    pub fn new(budget: Option<Arc<MemoryBudget>>) -> TensorAssembler {
        TensorAssembler { tensor: Tensor::new().within(budget), ..Default::default() }
    }

    /// Takes a chunk: the elements that its `segment` names, or all.
    ///
    /// # Errors
    /// [`TensorError::Proto`] when the chunk is malformed, differs from the first in type or
    /// dimensions, or has an element that came before; when memory is short.
    pub fn add(&mut self, proto: &TensorProto) -> Result<(), TensorError> {
        let shape = Shape::from_i64s(&proto.dims)?;
        if proto.data_type() == tensor_proto::DataType::Undefined && shape.numel() == 0 {
            self.started = true;
            return self.tensor.overwrite::<f32, _>([0]).map(drop);
        }
        let number = proto.data_type.unwrap_or(tensor_proto::DataType::Float as i32);
        let data_type = data_type_from_proto(number.into())?;
        let range = self.uncovered(proto, &shape)?;
        let supplied = supplied_elements(proto, data_type)?;
        if supplied != range.len() {
            return Err(TensorError::Proto(format!(
                "{} elements of a {data_type} tensor of shape {shape} expected, {supplied} found",
                range.len()
            )));
        }
        if let Some(bytes) = whole_bytes(proto, data_type)
            && range.len() == shape.numel()
        {
            self.tensor = Tensor::from_bytes(&shape, bytes)?;
        } else {
            self.copy(proto, data_type, &shape, range.clone())?;
        }
        self.started = true;
        if !range.is_empty() {
            self.covered.insert(range.start, range.end);
        }
        Ok(())
    }

    /// Whether all elements came.
    pub fn is_complete(&self) -> bool {
        self.started && self.have() == self.tensor.numel()
    }

    fn have(&self) -> usize {
        self.covered.iter().map(|(begin, end)| end - begin).sum()
    }

    /// The tensor.
    ///
    /// # Errors
    /// [`TensorError::Proto`] when elements are missing or no chunk came at all.
    pub fn finish(self) -> Result<Tensor, TensorError> {
        if !self.is_complete() {
            return Err(incomplete(self.have(), self.tensor.shape()));
        }
        Ok(self.tensor)
    }

    /// The range that a chunk holds, when it lies within the tensor and none of it came before.
    fn uncovered(&self, proto: &TensorProto, shape: &Shape) -> Result<Range<usize>, TensorError> {
        let range = match &proto.segment {
            None => 0..shape.numel(),
            Some(s) => match (usize::try_from(s.begin), usize::try_from(s.end)) {
                (Ok(begin), Ok(end)) if begin <= end && end <= shape.numel() => begin..end,
                _ => {
                    return Err(TensorError::Proto(format!(
                        "segment {}..{} is not within a tensor of {} elements",
                        s.begin,
                        s.end,
                        shape.numel()
                    )));
                }
            },
        };
        let before = self.covered.range(..range.end).next_back();
        if !range.is_empty() && before.is_some_and(|(_, &end)| end > range.start) {
            return Err(TensorError::Proto(format!("elements of {range:?} were given before")));
        }
        Ok(range)
    }

    fn copy(
        &mut self,
        proto: &TensorProto,
        data_type: DataType,
        shape: &Shape,
        range: Range<usize>,
    ) -> Result<(), TensorError> {
        if self.started && (self.tensor.data_type() != Some(data_type) || self.tensor.shape() != shape) {
            return Err(TensorError::Proto(format!(
                "a chunk of a {data_type} tensor of shape {shape} among chunks of {:?}",
                self.tensor
            )));
        }
        macro_rules! elements {
            ($rust:ty) => {{
                if !self.started {
                    self.tensor.overwrite::<$rust, _>(shape)?;
                }
                &mut self.tensor.as_mut_slice::<$rust>()?[range]
            }};
        }
        match data_type {
            DataType::Float => copy_wide(elements!(f32), &proto.float_data, proto, f32::from_le_bytes),
            DataType::Double => copy_wide(elements!(f64), &proto.double_data, proto, f64::from_le_bytes),
            DataType::Int32 => copy_wide(elements!(i32), &proto.int32_data, proto, i32::from_le_bytes),
            DataType::Int64 => copy_wide(elements!(i64), &proto.int64_data, proto, i64::from_le_bytes),
            DataType::Int8 => {
                return copy_narrow(elements!(i8), proto, i8::from_le_bytes, |v| v.try_into().ok());
            }
            DataType::UInt8 => {
                return copy_narrow(elements!(u8), proto, u8::from_le_bytes, |v| v.try_into().ok());
            }
            DataType::Int16 => {
                return copy_narrow(elements!(i16), proto, i16::from_le_bytes, |v| v.try_into().ok());
            }
            DataType::UInt16 => {
                return copy_narrow(elements!(u16), proto, u16::from_le_bytes, |v| v.try_into().ok());
            }
            DataType::Bool => return copy_narrow(elements!(bool), proto, |[b]| b != 0, |v| Some(v != 0)),
            DataType::Float16 => {
                // The bits are the low 16; some writers extended their sign.
                let bits = |v: i32| Some(f16::from_bits(v as u16));
                return copy_narrow(elements!(f16), proto, f16::from_le_bytes, bits);
            }
            DataType::String => {
                if !self.started {
                    self.tensor.overwrite_strings(shape)?;
                }
                self.tensor.strings_mut()?[range].clone_from_slice(&proto.string_data);
            }
        }
        Ok(())
    }
}

fn incomplete(have: usize, shape: &Shape) -> TensorError {
    let message = format!("incomplete: {have} of the {} elements of shape {shape} are there", shape.numel());
    TensorError::Proto(message)
}

/// The elements that a message brings, for its type.
fn supplied_elements(proto: &TensorProto, data_type: DataType) -> Result<usize, TensorError> {
    let listed = match data_type {
        DataType::Float => proto.float_data.len(),
        DataType::Double => proto.double_data.len(),
        DataType::Int64 => proto.int64_data.len(),
        DataType::String => return Ok(proto.string_data.len()),
        _ => proto.int32_data.len(),
    };
    let Some(item) = data_type.item_size() else { return Ok(listed) };
    match packed_bytes(proto, data_type) {
        None => Ok(listed),
        Some(bytes) if bytes.len().is_multiple_of(item) => Ok(bytes.len() / item),
        Some(bytes) => Err(TensorError::Proto(format!(
            "{} bytes are no whole number of {data_type} elements of {item} bytes",
            bytes.len()
        ))),
    }
}

/// The field with packed little-endian elements, where the message has one: `byte_data` for the types
/// that Caffe2 may write so, `raw_data` for all.
fn packed_bytes(proto: &TensorProto, data_type: DataType) -> Option<&Bytes> {
    let wide = matches!(data_type, DataType::Float | DataType::Double | DataType::Int32 | DataType::Int64);
    proto.byte_data.as_ref().filter(|_| !wide).or(proto.raw_data.as_ref())
}

/// The bytes that can serve as the elements of a `uint8` tensor without a copy.
fn whole_bytes(proto: &TensorProto, data_type: DataType) -> Option<Bytes> {
    packed_bytes(proto, data_type).filter(|_| data_type == DataType::UInt8).cloned()
}

fn copy_wide<T: Element, const N: usize>(
    to: &mut [T],
    listed: &[T],
    proto: &TensorProto,
    decode: fn([u8; N]) -> T,
) {
    match &proto.raw_data {
        Some(raw) => copy_packed(to, raw, decode),
        None => to.copy_from_slice(listed),
    }
}

fn copy_packed<T: Element, const N: usize>(to: &mut [T], packed: &[u8], decode: fn([u8; N]) -> T) {
    for (t, bytes) in to.iter_mut().zip(packed.as_chunks::<N>().0) {
        *t = decode(*bytes);
    }
}

fn copy_narrow<T: Element, const N: usize>(
    to: &mut [T],
    proto: &TensorProto,
    decode: fn([u8; N]) -> T,
    narrow: impl Fn(i32) -> Option<T>,
) -> Result<(), TensorError> {
    if let Some(packed) = packed_bytes(proto, T::DATA_TYPE) {
        copy_packed(to, packed, decode);
        return Ok(());
    }
    for (index, (t, &value)) in to.iter_mut().zip(&proto.int32_data).enumerate() {
        *t = narrow(value).ok_or_else(|| {
            TensorError::Proto(format!("value {value} of element {index} is no {}", T::DATA_TYPE))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
