//! Files and standard output, as the commands that write something for other programs write it.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use memtap_store::StoreUrl;

use crate::log;

/// The file must not be the history itself.
pub(crate) fn is_not_the_history(path: &Path, store: &StoreUrl) -> anyhow::Result<()> {
    if let Some(database) = store.file()
        && same_file(database, path)
    {
        bail!("{} is the history itself. Choose another file with --output", path.display());
    }
    Ok(())
}

/// The file appears under its name when it is whole. What is no file (a pipe, a device) is written as it is; of a link, what it leads to is
/// replaced.
pub(crate) fn to_file(path: &Path, write: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if is_no_file(path) {
        let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
        return write(&file);
    }
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let part = part_of(&target).with_context(cannot)?;
    write(part.as_file())?;
    part.persist(target).with_context(cannot)?;
    Ok(())
}

/// Whether a file can be made there: before that takes long which shall be in it.
pub(crate) fn can_be_made(path: &Path) -> anyhow::Result<()> {
    if !is_no_file(path) {
        part_of(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn is_no_file(path: &Path) -> bool {
    path.exists() && !path.is_file()
}

/// It is its owner's alone, for it tells what others do.
fn part_of(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".memtap-part-").tempfile_in(folder)
}

/// Writes a line to standard error, if anybody listens there.
pub(crate) fn tell(what: impl Display) {
    log::line(format!("{what}\n").as_bytes());
}

pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// A reader that wants no more (`| head`) is no failure.
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
    fn of_a_link_what_it_leads_to_is_replaced() -> anyhow::Result<()> {
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
