//! Caffe2's `TensorProtos`: a message file with any number of named tensors of any type.
//!
//! ```
//! use caffe2::{Tensor, files::{Limits, tensor_protos}};
//!
//! let words = Tensor::from_strings([2], ["any bytes", "NULs too\0"])?;
//! let mut file = Vec::new();
//! tensor_protos::write_to(&mut file, &[("words", words.clone())])?;
//! assert_eq!(tensor_protos::from_bytes(file, &Limits::default())?, [("words".to_owned(), words)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{collections::HashMap, io::Write, path::Path};

use bytes::Bytes;
use caffe2_proto::{
    BlobProto, Caffe2Message as _, FileKind, MessageKind, ProtoErrorKind, TensorProto, TensorProtos,
    read_file, sniff,
};
use caffe2_tensor::{MemoryBudget, Tensor, TensorAssembler};

use super::{FileError, FileErrorKind, Limits, NamedTensors, atomic};

/// The largest file that Caffe2 reads.
const MAX_FILE: usize = i32::MAX as usize;

/// Reads a file of `TensorProtos` in binary or text form; a lone `TensorProto` or a `BlobProto` with a tensor
/// is read too. A tensor may come in several chunks of the same name.
///
/// # Errors
/// When the file cannot be read, is of another kind or broken, a tensor is incomplete, or the limits are
/// exceeded.
pub fn read(path: impl AsRef<Path>, limits: &Limits) -> Result<NamedTensors, FileError> {
    let path = path.as_ref();
    let bytes = read_file(path, limits.wire.max_bytes)?;
    from_bytes(bytes, limits).map_err(|error| error.in_file(path))
}

/// Reads the content of such a file. Tensors of `uint8` that are stored as bytes share its memory.
///
/// # Errors
/// As [`read`], without a file's name.
pub fn from_bytes(bytes: impl Into<Bytes>, limits: &Limits) -> Result<NamedTensors, FileError> {
    let bytes = bytes.into();
    let protos = match TensorProtos::from_bytes(bytes.clone(), &limits.wire) {
        Ok(protos) => protos.protos,
        Err(error) if error.kind() == ProtoErrorKind::WrongContent => match sniff(&bytes) {
            FileKind::Binary(MessageKind::Tensor) | FileKind::Text(Some(MessageKind::Tensor)) => {
                vec![TensorProto::from_bytes(bytes, &limits.wire)?]
            }
            FileKind::Binary(MessageKind::Blob) | FileKind::Text(Some(MessageKind::Blob)) => {
                vec![tensor_of(BlobProto::from_bytes(bytes, &limits.wire)?)?]
            }
            _ => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    assemble(&protos, limits)
}

fn tensor_of(blob: BlobProto) -> Result<TensorProto, FileError> {
    let BlobProto { name, tensor, r#type, .. } = blob;
    let Some(mut tensor) = tensor else {
        let message = format!("the blob holds no tensor, but a `{}`", r#type.unwrap_or_default());
        return Err(FileError::new(FileErrorKind::Unsupported, message));
    };
    tensor.name = name.or(tensor.name);
    Ok(tensor)
}

/// Puts chunks of the same name together.
fn assemble(protos: &[TensorProto], limits: &Limits) -> Result<NamedTensors, FileError> {
    let budget = MemoryBudget::new(limits.max_tensor_bytes);
    let mut parts: Vec<(&str, TensorAssembler)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for proto in protos {
        let name = proto.name();
        let place = *places.entry(name).or_insert(parts.len());
        if place < parts.len() && proto.segment.is_none() {
            return Err(
                FileError::new(FileErrorKind::Names, "there are two tensors of this name").of_tensor(name)
            );
        }
        if place == parts.len() {
            parts.push((name, TensorAssembler::new(Some(budget.clone()))));
        }
        parts[place].1.add(proto).map_err(|e| FileError::from(e).of_tensor(name))?;
    }
    let finish = |(name, part): (&str, TensorAssembler)| {
        let tensor = part.finish().map_err(|e| FileError::from(e).of_tensor(name))?;
        Ok((name.to_owned(), tensor.within(None)))
    };
    parts.into_iter().map(finish).collect()
}

/// Writes a `TensorProtos` file in binary form, whole or not at all.
///
/// # Errors
/// When a tensor was never written, two have the same name, all take more than the 2 GiB that Caffe2
/// reads, or the file cannot be written.
pub fn write<S: AsRef<str>>(path: impl AsRef<Path>, tensors: &[(S, Tensor)]) -> Result<(), FileError> {
    atomic::write(path.as_ref(), |file| write_to(file, tensors))
}

/// Writes the content of such a file.
///
/// # Errors
/// As [`write()`].
pub fn write_to<S: AsRef<str>>(mut writer: impl Write, tensors: &[(S, Tensor)]) -> Result<(), FileError> {
    super::check_names(tensors)?;
    let mut total = 0usize;
    for (name, tensor) in tensors {
        let name = name.as_ref();
        let proto = tensor.to_proto(name).map_err(|e| FileError::from(e).of_tensor(name))?;
        // Messages with one tensor each, one after another, are the message with all of them.
        let part = TensorProtos { protos: vec![proto] }.to_binary();
        total = total.saturating_add(part.len());
        if total > MAX_FILE {
            let message = "more than 2 GiB of tensors, which no reader of TensorProtos takes";
            return Err(
                FileError::new(FileErrorKind::Unsupported, message).help("write an .npz file instead")
            );
        }
        writer.write_all(&part).map_err(|e| FileError::io(e, "cannot be written"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protos(list: Vec<TensorProto>) -> Vec<u8> {
        TensorProtos { protos: list }.to_binary()
    }

    #[test]
    fn single_tensors_and_blobs_are_read_too() {
        let x = Tensor::from_slice([3], &[1.0f32, 2.0, 3.0]).unwrap();
        let proto = x.to_proto("x").unwrap();
        let limits = Limits::default();
        for content in [proto.to_binary(), proto.to_text().into_bytes()] {
            assert_eq!(from_bytes(content, &limits).unwrap(), [("x".to_owned(), x.clone())]);
        }
        let blob = BlobProto {
            name: Some("y".into()),
            r#type: Some("Tensor".into()),
            tensor: Some(proto),
            ..BlobProto::default()
        };
        assert_eq!(from_bytes(blob.to_binary(), &limits).unwrap(), [("y".to_owned(), x)]);
        let other = BlobProto { tensor: None, r#type: Some("std::string".into()), ..blob };
        assert!(from_bytes(other.to_binary(), &limits).unwrap_err().to_string().contains("`std::string`"));
    }

    #[test]
    fn chunks_are_put_together_and_doubles_refused() {
        let x = Tensor::from_slice([5], &[1i64, 2, 3, 4, 5]).unwrap();
        let (a, b) = (x.to_proto_chunk("x", 3..5).unwrap(), x.to_proto_chunk("x", 0..3).unwrap());
        let limits = Limits::default();
        assert_eq!(
            from_bytes(protos(vec![a.clone(), b.clone()]), &limits).unwrap(),
            [("x".to_owned(), x.clone())]
        );
        let error = from_bytes(protos(vec![a.clone()]), &limits).unwrap_err();
        assert!(error.tensor() == Some("x") && error.to_string().contains("2 of the 5"), "{error}");
        assert!(from_bytes(protos(vec![a.clone(), b.clone(), a]), &limits).is_err());
        let whole = TensorProto { segment: None, ..x.to_proto("x").unwrap() };
        let error = from_bytes(protos(vec![whole.clone(), whole]), &limits).unwrap_err();
        assert_eq!(error.kind(), FileErrorKind::Names);
    }

    #[test]
    fn a_net_is_no_tensors() {
        let net =
            caffe2_proto::NetDef::new("n").op(caffe2_proto::OperatorDef::new("Relu").input("x").output("y"));
        let error = from_bytes(net.to_binary(), &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), FileErrorKind::WrongContent);
        assert!(error.to_string().contains("NetDef"), "{error}");
    }

    #[test]
    fn limits_hold() {
        let x = Tensor::zeros::<f32>([1000]).unwrap().to_proto("x").unwrap();
        let limits = Limits { max_tensor_bytes: 100, ..Limits::default() };
        let error = from_bytes(protos(vec![x]), &limits).unwrap_err();
        assert_eq!((error.kind(), error.tensor()), (FileErrorKind::LimitExceeded, Some("x")));
    }
}
