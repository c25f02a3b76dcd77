use super::*;
use proptest::prelude::*;

fn file(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    records.iter().for_each(|(key, value)| writer.put(key, value).unwrap());
    writer.finish().unwrap()
}

fn read_all<R: Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<(String, Bytes)>, DbError> {
    let mut records = Vec::new();
    while let Some(key) = reader.next_key()? {
        let key = key.to_owned();
        records.push((key, reader.value()?));
    }
    Ok(records)
}

#[test]
fn the_layout_is_that_of_caffe2() {
    assert_eq!(file(&[("ab#%0", b"xyz")]), b"\x05\0\0\0\x03\0\0\0ab#%0xyz");
}

#[test]
fn values_can_be_skipped_and_read_twice() {
    let content = file(&[("a", b"one"), ("b", b"two"), ("a", b"three")]);
    let mut reader = Reader::from_bytes(content);
    assert_eq!((reader.key(), reader.value_len()), (None, 0));
    assert_eq!(reader.value().unwrap(), "");
    assert_eq!(reader.next_key().unwrap(), Some("a"));
    assert_eq!((reader.offset(), reader.value_len()), (0, 3));
    assert_eq!(reader.next_key().unwrap(), Some("b"));
    assert_eq!(reader.value().unwrap(), "two");
    assert_eq!(reader.value().unwrap(), "two");
    assert_eq!(reader.next_key().unwrap(), Some("a"));
    assert_eq!((reader.value().unwrap(), reader.offset()), ("three".into(), 24));
    assert_eq!(reader.next_key().unwrap(), None);
    assert_eq!(reader.next_key().unwrap(), None);
    assert_eq!(reader.key(), None);
    reader.rewind();
    assert_eq!(reader.next_key().unwrap(), Some("a"));
    assert_eq!(reader.value().unwrap(), "one");
}

#[test]
fn an_empty_file_has_no_records() {
    assert!(read_all(&mut Reader::from_bytes(Bytes::new())).unwrap().is_empty());
}

#[test]
fn damage_is_told_with_its_place() {
    let good = file(&[("first", b"value"), ("w#%0", b"1234567890")]);
    for (cut, words) in [
        (good.len() - 3, "byte 18, record 1 `w#%0`: the value takes 10 bytes, but 7 follow"),
        (18 + 8 + 2, "byte 18, record 1: the key takes 4 bytes, but 2 follow"),
        (18 + 5, "byte 18, record 1: a record begins with 8 bytes, but 5 follow"),
    ] {
        let error = read_all(&mut Reader::from_bytes(good[..cut].to_vec())).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset(), error.record()),
            (DbErrorKind::Malformed, Some(18), Some(1))
        );
        assert!(error.to_string().starts_with(words) && error.to_string().contains("cut off"), "{error}");
    }
    let patched = |at: usize, with: &[u8]| {
        let mut content = good.clone();
        content[at..at + with.len()].copy_from_slice(with);
        read_all(&mut Reader::from_bytes(content)).unwrap_err().to_string()
    };
    assert!(patched(18, &(-4i32).to_le_bytes()).contains("the length of the key is -4"), "negative");
    assert!(patched(22, &[0; 4]).contains("byte 18, record 1 `w#%0`: the length of the value is 0"), "zero");
    assert!(patched(4, &i32::MAX.to_le_bytes()).contains("takes 2147483647 bytes, but"), "huge");
    assert!(patched(8, b"\xff").contains("byte 0, record 0: the key is no text"), "not UTF-8");
}

#[test]
fn what_a_record_cannot_hold_is_not_written() {
    let mut writer = Writer::new(Vec::new());
    writer.put("a", b"b").unwrap();
    for (key, value, words) in
        [("", &b"x"[..], "a key of 0 bytes"), ("k", b"", "record 1 `k`: a value of 0 bytes")]
    {
        let error = writer.put(key, value).unwrap_err();
        assert!(error.kind() == DbErrorKind::Unsupported && error.to_string().contains(words), "{error}");
    }
    assert_eq!(writer.finish().unwrap(), file(&[("a", b"b")]));
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.minidb");
    let error = Reader::open(&absent).unwrap_err();
    assert_eq!((error.kind(), error.path()), (DbErrorKind::Io, Some(absent.as_path())));
    std::fs::write(&absent, file(&[("a", b"b")])).unwrap();
    assert_eq!(read_all(&mut Reader::open(&absent).unwrap()).unwrap(), [("a".to_owned(), Bytes::from("b"))]);
}

#[test]
fn only_minidb_is_served() {
    assert!(crate::check_type("minidb").is_ok() && crate::check_type("MiniDB").is_ok());
    assert!(crate::check_type("lmdb").unwrap_err().to_string().contains("`lmdb`"));
}

fn records() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let value = proptest::collection::vec(any::<u8>(), 1..40);
    proptest::collection::vec(("[a-z/#%0-9]{1,12}", value), 0..6)
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in records()) {
        let borrowed: Vec<_> = records.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
        let read = read_all(&mut Reader::from_bytes(file(&borrowed))).unwrap();
        prop_assert_eq!(read, records.into_iter().map(|(k, v)| (k, v.into())).collect::<Vec<_>>());
    }

    /// However a file is cut or changed, reading ends, with records or an error, and takes no more than it has.
    #[test]
    fn damage_never_panics(records in records(), cut in 0usize..200, changes in proptest::collection::vec((0usize..200, any::<u8>()), 0..4)) {
        let borrowed: Vec<_> = records.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect();
        let mut content = file(&borrowed);
        content.truncate(cut);
        for (at, byte) in changes {
            if let Some(place) = content.get_mut(at) {
                *place = byte;
            }
        }
        let length = content.len();
        if let Ok(records) = read_all(&mut Reader::from_bytes(content)) {
            prop_assert_eq!(records.iter().map(|(k, v)| 8 + k.len() + v.len()).sum::<usize>(), length);
        }
    }
}

#[test]
fn a_key_that_is_no_name_is_refused_before_it_is_read() {
    let mut file = Vec::new();
    file.extend_from_slice(&((LONGEST_KEY + 1) as i32).to_le_bytes());
    file.extend_from_slice(&1i32.to_le_bytes());
    file.resize(8 + LONGEST_KEY + 2, b'k');
    let error = Reader::new(std::io::Cursor::new(file)).unwrap().next_key().unwrap_err();
    assert!(error.to_string().contains("the key takes 1048577 bytes"), "{error}");
}
