//! Writing a file whole or not at all.

use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, BufWriter, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// A file that could not be written: why, and what helps. What was there before is as it was.
#[derive(Debug)]
pub struct NotWritten {
    /// What the system answered.
    pub error: io::Error,
    /// What to do about it.
    pub help: Option<&'static str>,
}

impl From<io::Error> for NotWritten {
    fn from(error: io::Error) -> NotWritten {
        NotWritten { error, help: None }
    }
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot be written: {}", self.error)?;
        match self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NotWritten {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Writes a file by way of a temporary one beside it, which takes its place once `content` has been
/// written to it without error; until then, and if that fails, a file that was there stays as it is.
///
/// The file gets the permissions of the one it replaces, or those of any new file. A symbolic link stays,
/// and what it points to is replaced. What is no plain file, such as a pipe, is written to as it is.
///
/// ```
/// use std::io::{self, Write as _};
/// use caffe2_db::{NotWritten, write_whole};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("a");
/// write_whole::<NotWritten>(&path, |file| Ok(file.write_all(b"old")?))?;
/// let failed = write_whole::<NotWritten>(&path, |file| {
///     file.write_all(b"half")?;
///     Err(io::Error::other("stop").into())
/// });
/// assert!(failed.is_err());
/// assert_eq!(std::fs::read(&path)?, b"old");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What `content` answers; [`NotWritten`] when a folder is in the way, the file is read-only, its folder does not exist
/// or may not be written, or the disk is full.
pub fn write_whole<E: From<NotWritten>>(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let error = io::Error::new(io::ErrorKind::IsADirectory, "this is a folder, not a file");
            Err(NotWritten::from(error).into())
        }
        Ok(metadata) if !metadata.is_file() => write_through(path, content),
        former => replace(path, former.ok(), content),
    }
}

fn not_written<E: From<NotWritten>>(error: io::Error) -> E {
    NotWritten::from(error).into()
}

fn with_help<E: From<NotWritten>>(error: io::Error, help: &'static str) -> E {
    NotWritten { error, help: Some(help) }.into()
}

fn replace<E: From<NotWritten>>(
    path: &Path,
    former: Option<Metadata>,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let target = match &former {
        Some(former) => {
            // Renaming needs no right to the file itself; that it may not be written still counts.
            if former.permissions().readonly() {
                return Err(with_help(io::ErrorKind::PermissionDenied.into(), "it is read-only"));
            }
            fs::canonicalize(path).map_err(not_written::<E>)?
        }
        None => path.to_owned(),
    };
    let temporary = new_temporary(folder_of(&target), former).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "its folder does not exist",
            _ => "its folder must be writable too: the file is written beside and then renamed",
        };
        with_help::<E>(error, help)
    })?;
    let mut writer = BufWriter::new(temporary.as_file().try_clone().map_err(not_written::<E>)?);
    content(&mut writer)?;
    let file = writer.into_inner().map_err(|e| not_written::<E>(e.into_error()))?;
    file.sync_all().map_err(not_written::<E>)?;
    drop(file);
    temporary.persist(&target).map_err(|e| not_written::<E>(e.error))?;
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
fn write_through<E: From<NotWritten>>(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = BufWriter::new(tempfile::tempfile().map_err(not_written::<E>)?);
    content(&mut writer)?;
    let mut file = writer.into_inner().map_err(|e| not_written::<E>(e.into_error()))?;
    file.rewind().map_err(not_written::<E>)?;
    let mut target = File::options().write(true).open(path).map_err(not_written::<E>)?;
    io::copy(&mut file, &mut target).map_err(not_written::<E>)?;
    target.flush().map_err(not_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), NotWritten> {
        write_whole(path, |file| Ok(file.write_all(text.as_bytes())?))
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        put(&path, "old").unwrap();
        let error = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(NotWritten::from(io::Error::other("stop")))
        });
        assert!(error.unwrap_err().to_string().contains("stop"));
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
