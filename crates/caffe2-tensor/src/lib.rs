//! Tensors as Caffe2 has them: contiguous, row-major, of one [`DataType`], with storage that is
//! reused between runs and shared until somebody writes.
//!
//! ```
//! use caffe2_tensor::{DataType, Tensor, TensorError};
//!
//! let mut x = Tensor::from_slice([2, 3], &[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! assert_eq!(x.dims(), [2, 3]);
//! assert_eq!(x.data_type(), Some(DataType::Float));
//!
//! // A clone shares the elements; the first write through either of the two separates them.
//! let y = x.clone();
//! x.as_mut_slice::<f32>()?[0] = -1.0;
//! assert_eq!(y.as_slice::<f32>()?[0], 1.0);
//!
//! // Reading as another type is an error that names both.
//! assert!(matches!(x.as_slice::<i64>(), Err(TensorError::Type { wanted: DataType::Int64, .. })));
//!
//! // A tensor keeps its buffer when it shrinks, so a net that runs again allocates nothing.
//! let row: &mut [f32] = x.overwrite([3])?;
//! row.copy_from_slice(&[7.0, 8.0, 9.0]);
//!
//! // The wire form of Caffe2 and back.
//! let proto = x.to_proto("x")?;
//! assert_eq!(Tensor::from_proto(&proto)?, x);
//! # Ok::<(), TensorError>(())
//! ```

mod budget;
mod buffer;
mod coded;
mod data_type;
mod error;
mod huge_pages;
mod int8;
mod proto;
mod shape;
mod storage;
mod tensor;

pub use budget::{Charge, MemoryBudget};
pub use coded::CodedElements;
pub use data_type::{DataType, Element};
pub use error::TensorError;
pub use half::f16;
pub use int8::Int8Tensor;
pub use proto::{TensorAssembler, data_type_from_proto};
pub use shape::{IntoShape, Shape, ShapeError};
pub use tensor::Tensor;
