//! Files of tensors: against NumPy, round trips, and hostile content.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;
use std::path::PathBuf;

use caffe2::files::{
    FileErrorKind, Limits, npy, npz, read_net, read_tensor, read_tensors, tensor_protos, write_tensors,
};
use caffe2::proto::bytes::Bytes;
use caffe2::{DataType, Tensor, f16};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What `make_fixtures.py` calls `values(kind)`, by name of the array.
fn numbers(kind: &str) -> Tensor {
    macro_rules! numbers {
        ($first:literal, $of:expr) => {
            Tensor::from_slice([2, 3, 4], &($first..$first + 24).map($of).collect::<Vec<_>>())
        };
    }
    match kind {
        "f4" => numbers!(-5i8, f32::from),
        "f8" => numbers!(-5i8, f64::from),
        "f2" => numbers!(-5i8, |v| f16::from_f32(v.into())),
        "i1" => numbers!(-5i8, |v| v),
        "i2" => numbers!(-5i16, |v| v),
        "i4" => numbers!(-5i32, |v| v),
        "i8" => numbers!(-5i64, |v| v),
        "u1" => numbers!(0u8, |v| v),
        "u2" => numbers!(0u16, |v| v),
        "b1" => numbers!(0, |v: i32| v % 3 == 0),
        _ => unreachable!("{kind}"),
    }
    .unwrap()
}

fn words() -> Tensor {
    Tensor::from_strings([2, 3], ["", "a", "zwölf", "NUL\0inside", "\u{1f600}", "long enough"]).unwrap()
}

#[test]
fn arrays_of_numpy_are_read_in_every_form() {
    for file in ["stored.npz", "deflated.npz"] {
        let arrays = read_tensors(fixture(file)).unwrap();
        assert_eq!(arrays.len(), 40 + 6 + 4, "{file}");
        for (name, array) in arrays {
            let want = match name.split('/').next().unwrap() {
                "scalar" => Tensor::scalar(2.5f64).unwrap(),
                "empty" => Tensor::zeros::<i32>([2, 0, 3]).unwrap(),
                "S" | "U" => words(),
                kind => numbers(kind),
            };
            assert_eq!(array, want, "{file}: {name}");
        }
    }
}

#[test]
fn pickled_objects_are_refused_with_a_remedy() {
    let error = read_tensor(fixture("object.npy")).unwrap_err();
    assert_eq!(error.kind(), FileErrorKind::Unsupported);
    assert!(
        error.to_string().contains("object.npy: ") && error.to_string().contains("a.astype('S')"),
        "{error}"
    );
}

/// A tensor of each type, with the values that are hard to keep.
fn one_of_each() -> Vec<(String, Tensor)> {
    let nan = f32::from_bits(0x7fc0_1234);
    let tensors = [
        Tensor::from_slice([2, 2], &[1.5f32, nan, -0.0, f32::MIN_POSITIVE / 2.0]),
        Tensor::from_slice([3], &[f64::MAX, f64::NEG_INFINITY, 0.1]),
        Tensor::from_slice([1, 2], &[f16::from_bits(0x7e01), f16::from_bits(1)]),
        Tensor::from_slice([2], &[i8::MIN, i8::MAX]),
        Tensor::from_slice([2], &[i16::MIN, i16::MAX]),
        Tensor::from_slice([2], &[i32::MIN, i32::MAX]),
        Tensor::from_slice([2, 1, 1], &[i64::MIN, i64::MAX]),
        Tensor::from_slice([0, 5], &[0u8; 0]),
        Tensor::from_slice([2], &[0u16, u16::MAX]),
        Tensor::scalar(true),
        Tensor::from_strings([2, 2], [&b"\x00\xff"[..], b"", b"a b", "ü".as_bytes()]),
    ];
    let tensors: Vec<_> = tensors
        .into_iter()
        .map(Result::unwrap)
        .map(|t| (format!("layer/{}", t.data_type().unwrap()), t))
        .collect();
    assert_eq!(tensors.len(), DataType::ALL.len());
    tensors
}

#[test]
fn every_type_goes_through_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = one_of_each();
    for name in ["all.npz", "all.pb"] {
        let path = folder.path().join(name);
        write_tensors(&path, &tensors).unwrap();
        assert_eq!(read_tensors(&path).unwrap(), tensors, "{name}");
    }
    for (name, tensor) in &tensors {
        let path = folder.path().join("one.npy");
        npy::write(&path, tensor).unwrap();
        assert_eq!(read_tensor(&path).unwrap(), *tensor, "{name}");
    }
}

#[test]
fn strange_names_survive() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a/b", "/a", "../a", "a\\b", "a.npy", "ä ß", "C:x", "a//b", "."];
    let tensors: Vec<_> = names.iter().map(|n| (n.to_string(), Tensor::scalar(1u8).unwrap())).collect();
    for file in ["names.npz", "names.pb"] {
        let path = folder.path().join(file);
        write_tensors(&path, &tensors).unwrap();
        assert_eq!(read_tensors(&path).unwrap(), tensors, "{file}");
    }
}

#[test]
fn strings_that_numpy_would_shorten_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = [("s", Tensor::from_strings([2], ["kept", "lost\0"]).unwrap())];
    let path = folder.path().join("s.npz");
    let error = write_tensors(&path, &tensors).unwrap_err();
    assert_eq!((error.kind(), error.tensor()), (FileErrorKind::Unsupported, Some("s")));
    assert!(error.to_string().contains("string #1") && error.to_string().contains("TensorProtos"), "{error}");
    assert!(!path.exists());
    write_tensors(path.with_extension("pb"), &tensors).unwrap();
    assert_eq!(read_tensors(path.with_extension("pb")).unwrap()[0].1, tensors[0].1);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let array = {
        let mut content = Vec::new();
        npy::write_to(&mut content, &numbers("f4")).unwrap();
        content
    };
    let with_tail = [&array[..], b"x"].concat();
    for (path, words) in [
        (folder.path().join("absent.npz"), "cannot be read"),
        (at("empty.npz", b""), "the file is empty"),
        (at("pointer.npz", pointer), "git lfs pull"),
        (at("text.npz", b"hello, world\n"), "no file of tensors (.npz, .npy or TensorProtos)"),
        (at("zip.npz", b"PK\x03\x04 and no more"), "the archive is broken"),
        (at("short.npy", &array[..array.len() - 1]), "takes 96 bytes, but 95 follow"),
        (at("long.npy", &with_tail), "takes 96 bytes, but 97 follow"),
        (at("header.npy", &array[..30]), "ends too early"),
        (at("version.npy", b"\x93NUMPY\x04\x00"), "version 4"),
    ] {
        for error in [read_tensor(&path).unwrap_err(), read_net(&path).unwrap_err()] {
            assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
            assert_eq!(error.path(), Some(path.as_path()));
        }
        let error = read_tensor(&path).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let good = at("good.npy", &array);
    assert_eq!(read_tensors(&good).unwrap_err().kind(), FileErrorKind::Names);
    let two = folder.path().join("two.npz");
    write_tensors(&two, &[("a", numbers("f4")), ("b", numbers("u1"))]).unwrap();
    assert!(read_tensor(&two).unwrap_err().to_string().contains("2 tensors where one is wanted"));
    for name in ["a.txt", "a.npy", "a"] {
        let error = write_tensors(folder.path().join(name), &[("a", numbers("f4"))]).unwrap_err();
        assert!(error.to_string().contains("use .npz (NumPy), .pb (TensorProtos) or .minidb"), "{error}");
    }
    let error = write_tensors(&two, &[("a", numbers("f4")), ("a", numbers("u1"))]).unwrap_err();
    assert_eq!(error.kind(), FileErrorKind::Names);
    let error = write_tensors(&two, &[("a", Tensor::new())]).unwrap_err();
    assert_eq!((error.kind(), error.tensor()), (FileErrorKind::Unwritten, Some("a")));
    assert_eq!(read_tensors(&two).unwrap().len(), 2, "the old file stays");
}

fn archive(tensors: &[(String, Tensor)]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    npz::write_to(&mut file, tensors).unwrap();
    file.into_inner()
}

#[test]
fn archives_are_bounded() {
    // A megabyte of zeros in a kilobyte.
    let mut bomb = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let deflated =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    bomb.start_file("w.npy", deflated).unwrap();
    npy::write_to(&mut bomb, &Tensor::zeros::<u8>([1 << 20]).unwrap()).unwrap();
    let bomb = bomb.finish().unwrap().into_inner();
    assert!(bomb.len() < 4096);
    let read = |max_tensor_bytes| {
        npz::read_from(Cursor::new(bomb.clone()), &Limits { max_tensor_bytes, ..Limits::default() })
    };
    assert_eq!(read(1 << 20).unwrap()[0].1.numel(), 1 << 20);
    let error = read((1 << 20) - 1).unwrap_err();
    assert_eq!((error.kind(), error.tensor()), (FileErrorKind::LimitExceeded, Some("w")));
    // All arrays count together.
    let two: Vec<_> = ["a", "b"].map(|n| (n.to_owned(), Tensor::zeros::<u8>([600]).unwrap())).into();
    let limits = Limits { max_tensor_bytes: 1000, ..Limits::default() };
    let error = npz::read_from(Cursor::new(archive(&two)), &limits).unwrap_err();
    assert_eq!((error.kind(), error.tensor()), (FileErrorKind::LimitExceeded, Some("b")));
}

#[test]
fn a_changed_element_fails_the_checksum() {
    let mut content = archive(&[("w".to_owned(), Tensor::from_slice([4], &[7u8; 4]).unwrap())]);
    let at = content.windows(4).position(|w| w == [7; 4]).unwrap();
    content[at] = 8;
    let error = npz::read_from(Cursor::new(content), &Limits::default()).unwrap_err();
    assert!(error.kind() == FileErrorKind::Malformed && error.to_string().contains("hecksum"), "{error}");
}

#[test]
fn names_given_twice_are_refused() {
    let mut file = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["w", "w.npy"] {
        file.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        npy::write_to(&mut file, &numbers("u1")).unwrap();
    }
    let error = npz::read_from(file.finish().unwrap(), &Limits::default()).unwrap_err();
    assert_eq!((error.kind(), error.tensor()), (FileErrorKind::Names, Some("w")));
}

fn any_tensor() -> impl Strategy<Value = Tensor> {
    let dims = prop::collection::vec(0usize..4, 0..4);
    (dims, 0usize..DataType::ALL.len(), any::<u64>()).prop_map(|(dims, kind, seed)| {
        let count: usize = dims.iter().product();
        let bits = (0..count as u64).map(|i| (seed ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23));
        macro_rules! from {
            ($of:expr) => {
                Tensor::from_slice(dims.as_slice(), &bits.map($of).collect::<Vec<_>>())
            };
        }
        match DataType::ALL[kind] {
            DataType::Float => from!(|b| f32::from_bits(b as u32)),
            DataType::Double => from!(f64::from_bits),
            DataType::Float16 => from!(|b| f16::from_bits(b as u16)),
            DataType::Int8 => from!(|b| b as i8),
            DataType::Int16 => from!(|b| b as i16),
            DataType::Int32 => from!(|b| b as i32),
            DataType::Int64 => from!(|b| b as i64),
            DataType::UInt8 => from!(|b| b as u8),
            DataType::UInt16 => from!(|b| b as u16),
            DataType::Bool => from!(|b| b & 1 == 1),
            DataType::String => {
                let text = |b: u64| Bytes::from(format!("{b:x}").into_bytes()).slice(..(b % 7) as usize);
                Tensor::from_strings(dims.as_slice(), bits.map(text))
            }
        }
        .unwrap()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(tensors in prop::collection::vec(any_tensor(), 0..4)) {
        let tensors: Vec<_> = tensors.into_iter().enumerate().map(|(i, t)| (format!("t{i}"), t)).collect();
        let limits = Limits::default();
        prop_assert_eq!(&npz::read_from(Cursor::new(archive(&tensors)), &limits).unwrap(), &tensors);
        for (_, tensor) in &tensors {
            let mut content = Vec::new();
            npy::write_to(&mut content, tensor).unwrap();
            prop_assert_eq!(&npy::from_bytes(&content, &limits).unwrap(), tensor);
        }
        if !tensors.is_empty() {
            let mut content = Vec::new();
            tensor_protos::write_to(&mut content, &tensors).unwrap();
            prop_assert_eq!(&tensor_protos::from_bytes(content, &limits).unwrap(), &tensors);
        }
    }

    /// No content makes a reader panic or take memory that is not there.
    #[test]
    fn damaged_files_give_errors(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let limits = Limits { max_tensor_bytes: 1 << 20, ..Limits::default() };
        let damage = |mut content: Vec<u8>| {
            for (at, value) in &changes {
                let at = at.index(content.len());
                content[at] = *value;
            }
            content
        };
        let tensors = one_of_each();
        for content in [archive(&tensors), std::fs::read(fixture("deflated.npz")).unwrap()] {
            let mut content = damage(content);
            let _ = npz::read_from(Cursor::new(content.clone()), &limits);
            content.truncate(cut.index(content.len()));
            let _ = npz::read_from(Cursor::new(content), &limits);
        }
        for (_, tensor) in &tensors {
            let mut content = Vec::new();
            npy::write_to(&mut content, tensor).unwrap();
            prop_assert!(npy::from_bytes(&content[..cut.index(content.len())], &limits).is_err());
            let _ = npy::from_bytes(&damage(content), &limits);
        }
        let mut content = Vec::new();
        tensor_protos::write_to(&mut content, &tensors).unwrap();
        let _ = tensor_protos::from_bytes(damage(content), &limits);
    }

    #[test]
    fn any_bytes_are_survived(content in prop::collection::vec(any::<u8>(), 0..300)) {
        let limits = Limits::default();
        let _ = npz::read_from(Cursor::new(content.clone()), &limits);
        let _ = tensor_protos::from_bytes(content.clone(), &limits);
        let with_magic = [b"\x93NUMPY\x01\x00\x60\x00", content.as_slice()].concat();
        let _ = npy::from_bytes(&content, &limits);
        let _ = npy::from_bytes(&with_magic, &limits);
    }
}
