//! What blobs hold in tests.

use caffe2_operator::{Blob, BlobInfos, Int8Tensor, Tensor, TensorInfo, Workspace};

use crate::compare::{Tolerance, compare, same_bits};

/// A tensor, or an 8-bit tensor.
#[derive(Debug, Clone)]
pub enum Content {
    /// A tensor.
    Tensor(Tensor),
    /// An 8-bit tensor.
    Int8(Int8Tensor),
}

impl From<Content> for Blob {
    fn from(content: Content) -> Blob {
        match content {
            Content::Tensor(tensor) => tensor.into(),
            Content::Int8(int8) => int8.into(),
        }
    }
}

impl Content {
    /// What the blob of that name holds.
    ///
    /// # Errors
    /// When there is no such blob, or it holds something else.
    pub fn fetch(workspace: &Workspace, name: &str) -> Result<Content, String> {
        match workspace.blob(name).map(|blob| blob.as_int8().is_some()) {
            Some(true) => workspace.fetch_int8(name).map(Content::Int8),
            _ => workspace.fetch(name).map(Content::Tensor),
        }
        .map_err(|e| e.to_string())
    }

    /// The tensor, or that of the values.
    pub fn values(&self) -> &Tensor {
        match self {
            Content::Tensor(tensor) => tensor,
            Content::Int8(int8) => &int8.values,
        }
    }

    /// Type and shape.
    pub fn info(&self) -> TensorInfo {
        self.values().into()
    }

    /// Adds to what inference knows: type and shape and, of a tensor, the elements.
    pub fn tell(&self, known: &mut BlobInfos, name: &str) {
        match self {
            Content::Tensor(tensor) => known.insert_tensor(name, tensor),
            Content::Int8(_) => known.insert(name, self.info()),
        }
    }

    /// Holds this against what is wanted: the same kind, scale and zero point, and values as [`compare`] has it.
    ///
    /// # Errors
    /// What differs.
    pub fn compare(&self, want: &Content, tolerance: Tolerance) -> Result<(), String> {
        self.same_kind(want)?;
        compare(self.values(), want.values(), tolerance)
    }

    /// Holds this against another to the bit.
    ///
    /// # Errors
    /// What differs.
    pub fn same_bits(&self, want: &Content) -> Result<(), String> {
        self.same_kind(want)?;
        same_bits(self.values(), want.values())
    }

    fn same_kind(&self, want: &Content) -> Result<(), String> {
        match (self, want) {
            (Content::Tensor(_), Content::Tensor(_)) => Ok(()),
            (Content::Int8(got), Content::Int8(want)) => {
                if (got.scale.to_bits(), got.zero_point) == (want.scale.to_bits(), want.zero_point) {
                    return Ok(());
                }
                Err(format!(
                    "found scale {} and zero point {}, expected {} and {}",
                    got.scale, got.zero_point, want.scale, want.zero_point
                ))
            }
            _ => Err(format!("found {self:?}, expected {want:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_scales_and_values_are_compared() {
        let values = || Tensor::from_slice([1], &[3u8]).unwrap();
        let int8 = |scale, zero_point| Content::Int8(Int8Tensor { scale, zero_point, values: values() });
        let exact = Tolerance::Exact;
        assert_eq!(int8(0.5, 1).compare(&int8(0.5, 1), exact), Ok(()));
        assert!(int8(0.5, 1).compare(&int8(0.25, 1), exact).unwrap_err().contains("scale 0.5"));
        assert!(int8(0.5, 1).same_bits(&int8(0.5, 2)).is_err());
        assert!(Content::Tensor(values()).compare(&int8(1.0, 0), exact).is_err());
        let other = Content::Tensor(Tensor::from_slice([1], &[4u8]).unwrap());
        assert!(Content::Tensor(values()).same_bits(&other).is_err());
        assert_eq!(int8(1.0, 0).info(), other.info());
    }

    #[test]
    fn blobs_of_both_kinds_go_in_and_come_out() {
        let mut workspace = Workspace::new();
        let tensor = Content::Tensor(Tensor::from_slice([1], &[0.5f32]).unwrap());
        let int8 = Content::Int8(Int8Tensor { scale: 0.5, ..Int8Tensor::default() });
        workspace.feed("t", tensor.clone());
        workspace.feed("q", int8.clone());
        assert_eq!(Content::fetch(&workspace, "t").unwrap().same_bits(&tensor), Ok(()));
        assert_eq!(Content::fetch(&workspace, "q").unwrap().same_bits(&int8), Ok(()));
        assert!(Content::fetch(&workspace, "x").unwrap_err().contains("no blob `x`"));
    }
}
