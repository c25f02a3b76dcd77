//! 8-bit tensors with scale and zero point.

use caffe2_proto::{QTensorProto, tensor_proto};

use crate::{DataType, Shape, Tensor, TensorError};

/// Caffe2's `Int8TensorCPU`: quantized values and what they stand for,
/// `real = (q - zero_point) * scale`.
///
/// The values are `uint8`, `int32` for biases, or `uint16` where an engine works with 16 bits. It is a kind of blob of its
/// own, not a tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Tensor {
    /// The step between neighbouring values.
    pub scale: f32,
    /// The value that stands for 0.
    pub zero_point: i32,
    /// The values.
    pub values: Tensor,
}

impl Default for Int8Tensor {
    fn default() -> Int8Tensor {
        Int8Tensor { scale: 1.0, zero_point: 0, values: Tensor::new() }
    }
}

impl Int8Tensor {
    /// The message that holds the tensor, as Caffe2 writes it.
    ///
    /// # Errors
    /// When the values are neither `uint8` nor `int32`, of which alone there are messages, or unwritten.
    pub fn to_proto(&self, name: &str) -> Result<QTensorProto, TensorError> {
        let data_type = self.values.written_type()?;
        let data = match data_type {
            DataType::UInt8 => self.values.as_slice::<u8>()?.iter().map(|&v| v.into()).collect(),
            _ => self.values.as_slice::<i32>()?.to_vec(),
        };
        Ok(QTensorProto {
            dims: self.values.shape().to_i64s().to_vec(),
            precision: 8,
            scale: self.scale.into(),
            bias: self.zero_point.into(),
            is_signed: false,
            data,
            name: Some(name.to_owned()),
            data_type: Some(data_type.to_proto() as i32),
            ..QTensorProto::default()
        })
    }

    /// The tensor that a message holds.
    ///
    /// # Errors
    /// [`TensorError::Proto`] for other data types, a count that is not that of the dimensions, values
    /// outside `uint8`, or a zero point that is no 32-bit integer.
    pub fn from_proto(proto: &QTensorProto) -> Result<Int8Tensor, TensorError> {
        let shape = Shape::from_i64s(&proto.dims)?;
        let values = match proto.data_type() {
            tensor_proto::DataType::Uint8 => {
                let narrow = |&v: &i32| {
                    u8::try_from(v).map_err(|_| TensorError::Proto(format!("value {v} is no uint8")))
                };
                Tensor::from_slice(shape, &proto.data.iter().map(narrow).collect::<Result<Vec<u8>, _>>()?)?
            }
            tensor_proto::DataType::Int32 => Tensor::from_slice(shape, &proto.data)?,
            other => {
                return Err(TensorError::Proto(format!("an 8-bit tensor of {}", other.as_str_name())));
            }
        };
        let zero_point = proto.bias as i32;
        if f64::from(zero_point) != proto.bias {
            return Err(TensorError::Proto(format!("zero point {} is no 32-bit integer", proto.bias)));
        }
        Ok(Int8Tensor { scale: proto.scale as f32, zero_point, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_value_types_make_the_round_trip() {
        for values in [Tensor::from_slice([2], &[0u8, 255]), Tensor::from_slice([1], &[-70_000i32])] {
            let t = Int8Tensor { scale: 0.25, zero_point: 3, values: values.unwrap() };
            assert_eq!(Int8Tensor::from_proto(&t.to_proto("q").unwrap()).unwrap(), t);
        }
        let floats = Int8Tensor { values: Tensor::scalar(1.0f32).unwrap(), ..Default::default() };
        assert!(floats.to_proto("q").is_err());
    }

    #[test]
    fn malformed_messages_are_refused() {
        let good = Int8Tensor { values: Tensor::scalar(1u8).unwrap(), ..Default::default() };
        let good = good.to_proto("q").unwrap();
        assert!(Int8Tensor::from_proto(&QTensorProto { data: vec![256], ..good.clone() }).is_err());
        assert!(Int8Tensor::from_proto(&QTensorProto { data: vec![], ..good.clone() }).is_err());
        assert!(Int8Tensor::from_proto(&QTensorProto { bias: 0.5, ..good.clone() }).is_err());
        assert!(Int8Tensor::from_proto(&QTensorProto { bias: f64::NAN, ..good.clone() }).is_err());
        assert!(Int8Tensor::from_proto(&QTensorProto { data_type: Some(1), ..good }).is_err());
    }
}
