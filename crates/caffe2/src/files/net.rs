//! Nets, as files.

use std::io::Write as _;
use std::path::Path;

use caffe2_proto::{Caffe2Message as _, NetDef};

use super::{FileError, FileErrorKind, atomic};

/// The forms that [`write_net`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetFormat {
    /// `.pb`.
    Binary,
    /// `.pbtxt`, or `.prototxt`.
    Text,
}

impl NetFormat {
    /// The form that the extension of a file means.
    ///
    /// # Errors
    /// When it means none.
    pub fn of(path: &Path) -> Result<NetFormat, FileError> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("pb") => Ok(NetFormat::Binary),
            Some("pbtxt" | "prototxt") => Ok(NetFormat::Text),
            found => {
                let found = found.map_or("no extension".into(), |e| format!("the extension .{e}"));
                let message = format!("{found} tells no form that nets are written in");
                Err(FileError::new(FileErrorKind::Unsupported, message)
                    .help("use .pb (binary) or .pbtxt (text)")
                    .in_file(path))
            }
        }
    }
}

/// Writes a net in the form that the extension says, whole or not at all: `.pb` for the binary form, `.pbtxt` for text.
///
/// ```
/// use caffe2::{NetDef, OperatorDef, files};
///
/// let folder = tempfile::tempdir()?;
/// let net = NetDef::new("n").op(OperatorDef::new("Relu").input("x").output("y"));
/// for name in ["net.pb", "net.pbtxt"] {
///     files::write_net(folder.path().join(name), &net)?;
///     assert_eq!(files::read_net(folder.path().join(name))?, net);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the extension is another, or the file cannot be written.
pub fn write_net(path: impl AsRef<Path>, net: &NetDef) -> Result<(), FileError> {
    let path = path.as_ref();
    let content = match NetFormat::of(path)? {
        NetFormat::Binary => net.to_binary(),
        NetFormat::Text => net.to_text().into_bytes(),
    };
    atomic::write(path, |file| file.write_all(&content).map_err(|e| FileError::io(e, "cannot be written")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let net = NetDef::new("n");
        write_net(folder.path().join("a.PBTXT"), &net).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("a.PBTXT")).unwrap(), "name: \"n\"\n");
        for name in ["a.npz", "a", "a.txt"] {
            let error = write_net(folder.path().join(name), &net).unwrap_err();
            assert_eq!(error.kind(), FileErrorKind::Unsupported);
            assert!(error.to_string().contains("use .pb (binary) or .pbtxt (text)"), "{error}");
            assert!(!folder.path().join(name).exists());
        }
    }
}
