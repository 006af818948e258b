//! Output files and standard output, for commands that write data for other programs.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::bail;
use memtap_store::StoreUrl;

use crate::log;

/// Returns an error if the output file is the history itself.
pub(crate) fn is_not_the_history(path: &Path, store: &StoreUrl) -> anyhow::Result<()> {
    if let Some(database) = store.file()
        && same_file(database, path)
    {
        bail!("{} is the history itself. Choose another file with --output", path.display());
    }
    Ok(())
}

/// Writes a file that appears under its name only when it is complete. Pipes and devices are
/// written directly. For a symbolic link, the link's target is replaced.
pub(crate) fn to_file(path: &Path, write: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = |error: io::Error| cannot_write(path, &error);
    if is_no_file(path) {
        let file = OpenOptions::new().write(true).open(path).map_err(cannot)?;
        return write(&file);
    }
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let part = part_of(&target).map_err(cannot)?;
    write(part.as_file())?;
    part.persist(target).map_err(|error| cannot(error.error))?;
    Ok(())
}

/// Checks that the file can be created, before the time-consuming work for its content starts.
pub(crate) fn can_be_made(path: &Path) -> anyhow::Result<()> {
    if !is_no_file(path) {
        part_of(path).map_err(|error| cannot_write(path, &error))?;
    }
    Ok(())
}

/// Explains why the file cannot be written. The system's error would not say whether the file or
/// its directory is the cause, and might name a temporary file.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let (file, folder) = (path.display(), folder_of(path));
    let (folder, is_there) = (folder.display(), folder.is_dir());
    let why = match error.kind() {
        ErrorKind::NotFound if !is_there => {
            format!("the directory {folder} does not exist. Create it, or choose another file")
        }
        ErrorKind::NotADirectory => format!("{folder} is not a directory. Choose another file"),
        ErrorKind::IsADirectory => "it is a directory. Choose a file".to_owned(),
        ErrorKind::PermissionDenied if path.is_file() => {
            format!("no write permission for the file or its directory {folder}. Choose another file")
        }
        ErrorKind::PermissionDenied => {
            format!("no write permission in the directory {folder}. Choose another file")
        }
        ErrorKind::ReadOnlyFilesystem => {
            format!("the directory {folder} is on a read-only file system. Choose another file")
        }
        ErrorKind::StorageFull => "the disk is full. Free some space, or choose another file".to_owned(),
        kind => error.raw_os_error().map_or_else(|| kind.to_string(), |_| error.to_string()),
    };
    anyhow::anyhow!("cannot write {file}: {why}")
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_no_file(path: &Path) -> bool {
    path.exists() && !path.is_file()
}

/// Creates a temporary file beside `path`. Only its owner can read it, because it contains data
/// about other users' processes.
fn part_of(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".memtap-part-").tempfile_in(folder_of(path))
}

/// Writes a line to standard error. Errors are ignored.
pub(crate) fn tell(what: impl Display) {
    log::line(format!("{what}\n").as_bytes());
}

pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Turns the error of a reader that closed the pipe (`| head`) into success.
pub(crate) fn unless_closed(done: anyhow::Result<()>) -> anyhow::Result<()> {
    match done {
        Err(error) if is_closed(&error) => Ok(()),
        done => done,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_made_names_its_directory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, why) in [
            (folder.path().join("none/run.html"), "the directory "),
            (file.join("run.html"), "file is not a directory"),
        ] {
            let errors = [can_be_made(&path).unwrap_err(), to_file(&path, |_| Ok(())).unwrap_err()];
            for error in errors.map(|error| format!("{error:#}")) {
                assert!(error.starts_with(&format!("cannot write {}: ", path.display())), "{error}");
                assert!(error.contains(why) && error.contains("hoose another file"), "{error}");
                assert!(!error.contains("os error") && !error.contains(".memtap-part"), "{error}");
            }
        }
    }

    #[test]
    fn the_target_of_a_link_is_replaced() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "before")?;
        std::os::unix::fs::symlink("file", &link)?;
        to_file(&link, |mut file| Ok(file.write_all(b"after")?))?;
        assert!(link.symlink_metadata()?.is_symlink());
        assert_eq!(std::fs::read(&file)?, b"after");
        Ok(())
    }
}
