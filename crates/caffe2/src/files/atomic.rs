//! Writing a file whole or not at all.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use super::{FileError, FileErrorKind};

/// Writes a file by way of a temporary one beside it, which takes its place once `content` has been
/// written to it without error; until then, and if that fails, a file that was there stays as it is.
///
/// The file gets the permissions of the one it replaces, or those of any new file. A symbolic link stays,
/// and what it points to is replaced. What is no plain file, such as a pipe, is written to as it is.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let in_file = |error: FileError| error.in_file(path);
    let former = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(in_file(FileError::new(FileErrorKind::Io, "this is a folder, not a file")));
        }
        Ok(metadata) => Some(metadata),
        Err(_) => None,
    };
    match former {
        Some(metadata) if !metadata.is_file() => write_through(path, content),
        former => replace(path, former, content),
    }
    .map_err(in_file)
}

fn not_written(error: io::Error) -> FileError {
    FileError::io(error, "cannot be written")
}

fn replace(
    path: &Path,
    former: Option<Metadata>,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let target = match &former {
        Some(former) => {
            // Renaming needs no right to the file itself; that it may not be written still counts.
            if former.permissions().readonly() {
                let error = io::Error::from(io::ErrorKind::PermissionDenied);
                return Err(not_written(error).help("it is read-only"));
            }
            fs::canonicalize(path).map_err(not_written)?
        }
        None => path.to_owned(),
    };
    let temporary = new_temporary(folder_of(&target), former).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "its folder does not exist",
            _ => "its folder must be writable too: the file is written beside and then renamed",
        };
        not_written(error).help(hint)
    })?;
    let mut writer = BufWriter::new(temporary.as_file().try_clone().map_err(not_written)?);
    content(&mut writer)?;
    let file = writer.into_inner().map_err(|e| not_written(e.into_error()))?;
    file.sync_all().map_err(not_written)?;
    drop(file);
    temporary.persist(&target).map_err(|e| not_written(e.error))?;
    Ok(())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn new_temporary(folder: PathBuf, former: Option<Metadata>) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".caffe2-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder)?;
    if let Some(former) = former {
        temporary.as_file().set_permissions(former.permissions())?;
    }
    Ok(temporary)
}

/// Writes to what is there already and cannot be replaced, once all content is known.
fn write_through(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let mut writer = BufWriter::new(tempfile::tempfile().map_err(not_written)?);
    content(&mut writer)?;
    let mut file = writer.into_inner().map_err(|e| not_written(e.into_error()))?;
    file.rewind().map_err(not_written)?;
    let mut target = File::options().write(true).open(path).map_err(not_written)?;
    io::copy(&mut file, &mut target).map_err(not_written)?;
    target.flush().map_err(not_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), FileError> {
        write(path, |file| file.write_all(text.as_bytes()).map_err(not_written))
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        put(&path, "old").unwrap();
        let error = write(&path, |file| {
            file.write_all(b"half").map_err(not_written)?;
            Err(FileError::malformed("stop"))
        });
        assert_eq!(error.unwrap_err().path(), Some(path.as_path()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        put(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn absent_folders_and_folders_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = put(&folder.path().join("no/a.npz"), "x").unwrap_err();
        assert!(error.to_string().contains("its folder does not exist"), "{error}");
        let error = put(folder.path(), "x").unwrap_err();
        assert!(error.to_string().contains("this is a folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_are_those_of_a_plain_write() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        fs::write(&plain, "x").unwrap();
        put(&ours, "x").unwrap();
        assert_eq!(mode(&plain), mode(&ours));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        symlink("ours", &link).unwrap();
        put(&link, "by the link").unwrap();
        assert_eq!((mode(&ours), fs::read_to_string(&ours).unwrap()), (0o640, "by the link".into()));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o440)).unwrap();
        assert!(put(&ours, "y").unwrap_err().to_string().contains("read-only"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_plain_file_is_not_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        put(Path::new("/dev/null"), "x").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
