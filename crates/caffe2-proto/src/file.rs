//! Reading a file into memory, within a limit.

use std::{fs::File, io::Read as _, path::Path};

use bytes::Bytes;

use crate::{ProtoError, wire};

/// Reads the whole of a file of at most `max_bytes` bytes.
///
/// # Errors
/// If the file cannot be opened or read, or is longer; the error names the file.
pub fn read_file(path: impl AsRef<Path>, max_bytes: usize) -> Result<Bytes, ProtoError> {
    let path = path.as_ref();
    let too_long = |found: usize| Err(wire::over_limit("bytes", max_bytes, found).in_file(path));
    let io = |error| ProtoError::from_io(error, path);
    let file = File::open(path).map_err(io)?;
    let length = usize::try_from(file.metadata().map_err(io)?.len()).unwrap_or(usize::MAX);
    if length > max_bytes {
        return too_long(length);
    }
    let mut content = Vec::with_capacity(length);
    // The length may be 0 for what is no plain file, and may change while it is read.
    file.take((max_bytes as u64).saturating_add(1)).read_to_end(&mut content).map_err(io)?;
    if content.len() > max_bytes {
        return too_long(content.len());
    }
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProtoErrorKind;

    #[test]
    fn reads_within_the_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"12345").unwrap();
        assert_eq!(read_file(file.path(), 5).unwrap(), "12345");
        let error = read_file(file.path(), 4).unwrap_err();
        assert_eq!(error.kind(), ProtoErrorKind::LimitExceeded);
        assert_eq!(error.file(), Some(file.path()));
    }

    #[test]
    fn an_absent_file_is_named() {
        let error = read_file("no/such/net.pb", 10).unwrap_err();
        assert_eq!(error.kind(), ProtoErrorKind::Io);
        assert!(error.to_string().starts_with("no/such/net.pb: "), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
