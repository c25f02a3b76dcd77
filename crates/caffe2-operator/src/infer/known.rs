//! What is known of blobs before a net runs.

use std::ops::Deref;

use caffe2_tensor::Tensor;
use hashbrown::HashMap;

use super::TensorInfo;

/// The most elements of a tensor whose values are kept: enough for shapes, axes, scales, lengths and ids.
const MAX_VALUES: usize = 1 << 16;

/// What is known of blobs, by name: shapes and types and, of small tensors, the elements, from which the shapes of
/// other blobs may follow.
///
/// ```
/// use caffe2_operator::{BlobInfos, DataType, Shape, Tensor, TensorInfo};
///
/// let mut known = BlobInfos::new();
/// known.insert("data", TensorInfo::new(DataType::Float, Shape::new(&[1, 3, 8, 8])?));
/// known.insert_tensor("shape", &Tensor::from_slice([2], &[3i64, -1])?);
/// assert_eq!(known["shape"].to_string(), "int64 [2]");
/// assert!(known.value("shape").is_some() && known.value("data").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct BlobInfos {
    infos: HashMap<String, TensorInfo>,
    values: HashMap<String, Tensor>,
}

impl BlobInfos {
    /// Nothing is known.
    pub fn new() -> BlobInfos {
        BlobInfos::default()
    }

    /// Sets what is known of a blob, in place of all that was.
    pub fn insert(&mut self, name: impl Into<String>, info: TensorInfo) {
        let name = name.into();
        self.values.remove(&name);
        self.infos.insert(name, info);
    }

    /// Sets shape and type of a blob to those of the tensor that it will hold and, where that is small, its elements.
    pub fn insert_tensor(&mut self, name: impl Into<String>, tensor: &Tensor) {
        let name = name.into();
        self.insert(name.clone(), tensor.into());
        if tensor.numel() <= MAX_VALUES && tensor.data_type().is_some() {
            self.values.insert(name, tensor.clone());
        }
    }

    /// Forgets a blob.
    pub fn remove(&mut self, name: &str) -> Option<TensorInfo> {
        self.values.remove(name);
        self.infos.remove(name)
    }

    /// The tensor that a blob will hold, if its elements are known.
    pub fn value(&self, name: &str) -> Option<&Tensor> {
        self.values.get(name)
    }
}

impl Deref for BlobInfos {
    type Target = HashMap<String, TensorInfo>;

    fn deref(&self) -> &HashMap<String, TensorInfo> {
        &self.infos
    }
}

impl<N: Into<String>> Extend<(N, TensorInfo)> for BlobInfos {
    fn extend<I: IntoIterator<Item = (N, TensorInfo)>>(&mut self, infos: I) {
        infos.into_iter().for_each(|(name, info)| self.insert(name, info));
    }
}

impl<N: Into<String>> FromIterator<(N, TensorInfo)> for BlobInfos {
    fn from_iter<I: IntoIterator<Item = (N, TensorInfo)>>(infos: I) -> BlobInfos {
        let mut known = BlobInfos::new();
        known.extend(infos);
        known
    }
}

impl<'a> FromIterator<(&'a String, &'a Tensor)> for BlobInfos {
    fn from_iter<I: IntoIterator<Item = (&'a String, &'a Tensor)>>(tensors: I) -> BlobInfos {
        let mut known = BlobInfos::new();
        tensors.into_iter().for_each(|(name, tensor)| known.insert_tensor(name, tensor));
        known
    }
}

impl IntoIterator for BlobInfos {
    type Item = (String, TensorInfo);
    type IntoIter = hashbrown::hash_map::IntoIter<String, TensorInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.infos.into_iter()
    }
}
