//! The element types of Caffe2 tensors.

use caffe2_proto::tensor_proto;
use half::f16;

/// The type of a tensor's elements.
///
/// These are Caffe2's (`TensorProto.DataType`): there are no 32- or 64-bit unsigned and no complex
/// numbers. `BYTE` of old files is read as [`DataType::UInt8`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataType {
    /// 32-bit IEEE float.
    Float,
    /// 64-bit IEEE float.
    Double,
    /// 16-bit IEEE float.
    Float16,
    /// Signed 8-bit integer.
    Int8,
    /// Signed 16-bit integer.
    Int16,
    /// Signed 32-bit integer.
    Int32,
    /// Signed 64-bit integer.
    Int64,
    /// Unsigned 8-bit integer; also what byte weights are stored as.
    UInt8,
    /// Unsigned 16-bit integer.
    UInt16,
    /// Truth value, one byte each.
    Bool,
    /// A string of arbitrary bytes per element; no encoding is implied.
    String,
}

impl DataType {
    /// Every data type, in the order of the enum.
    pub const ALL: [DataType; 11] = [
        DataType::Float,
        DataType::Double,
        DataType::Float16,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::Bool,
        DataType::String,
    ];

    /// Bytes that one element takes in memory; `None` for strings, whose elements vary.
    pub const fn item_size(self) -> Option<usize> {
        match self {
            DataType::Int8 | DataType::UInt8 | DataType::Bool => Some(1),
            DataType::Float16 | DataType::Int16 | DataType::UInt16 => Some(2),
            DataType::Float | DataType::Int32 => Some(4),
            DataType::Double | DataType::Int64 => Some(8),
            DataType::String => None,
        }
    }

    /// The name in messages and tables: `float`, `uint8`, `string` and so on.
    pub const fn name(self) -> &'static str {
        match self {
            DataType::Float => "float",
            DataType::Double => "double",
            DataType::Float16 => "float16",
            DataType::Int8 => "int8",
            DataType::Int16 => "int16",
            DataType::Int32 => "int32",
            DataType::Int64 => "int64",
            DataType::UInt8 => "uint8",
            DataType::UInt16 => "uint16",
            DataType::Bool => "bool",
            DataType::String => "string",
        }
    }

    /// The number on the wire (`TensorProto.DataType`), also what `dtype` arguments hold.
    pub const fn to_proto(self) -> tensor_proto::DataType {
        use tensor_proto::DataType as P;
        match self {
            DataType::Float => P::Float,
            DataType::Double => P::Double,
            DataType::Float16 => P::Float16,
            DataType::Int8 => P::Int8,
            DataType::Int16 => P::Int16,
            DataType::Int32 => P::Int32,
            DataType::Int64 => P::Int64,
            DataType::UInt8 => P::Uint8,
            DataType::UInt16 => P::Uint16,
            DataType::Bool => P::Bool,
            DataType::String => P::String,
        }
    }

    /// The type that a wire value stands for; `None` for those that no tensor has
    /// (`UNDEFINED`, `ZERO_COLLISION_HASH`, `REBATCHING_BUFFER`).
    pub const fn from_proto(value: tensor_proto::DataType) -> Option<DataType> {
        use tensor_proto::DataType as P;
        Some(match value {
            P::Float => DataType::Float,
            P::Double => DataType::Double,
            P::Float16 => DataType::Float16,
            P::Int8 => DataType::Int8,
            P::Int16 => DataType::Int16,
            P::Int32 => DataType::Int32,
            P::Int64 => DataType::Int64,
            P::Uint8 | P::Byte => DataType::UInt8,
            P::Uint16 => DataType::UInt16,
            P::Bool => DataType::Bool,
            P::String => DataType::String,
            _ => return None,
        })
    }
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that tensor elements can be viewed as: all data types but strings.
///
/// Sealed: the storage relies on every implementor being plain data without padding, and on
/// `bool` being the only one with invalid bit patterns.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static
{
    /// The data type whose elements are `Self`.
    const DATA_TYPE: DataType;
}

macro_rules! elements {
    ($($rust:ty => $data_type:ident),* $(,)?) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const DATA_TYPE: DataType = DataType::$data_type;
        }
    )*};
}

elements! {
    f32 => Float, f64 => Double, f16 => Float16,
    i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => UInt8, u16 => UInt16, bool => Bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_wire() {
        for t in DataType::ALL {
            assert_eq!(DataType::from_proto(t.to_proto()), Some(t));
        }
        assert_eq!(DataType::from_proto(tensor_proto::DataType::Byte), Some(DataType::UInt8));
        assert_eq!(DataType::from_proto(tensor_proto::DataType::Undefined), None);
    }

    #[test]
    fn item_sizes_are_those_of_the_rust_types() {
        fn same<T: Element>() {
            assert_eq!(T::DATA_TYPE.item_size(), Some(size_of::<T>()), "{}", T::DATA_TYPE);
        }
        same::<f32>();
        same::<f64>();
        same::<f16>();
        same::<i8>();
        same::<i16>();
        same::<i32>();
        same::<i64>();
        same::<u8>();
        same::<u16>();
        same::<bool>();
    }
}
