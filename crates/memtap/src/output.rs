//! Files and standard output, as the commands that write something for other programs write it.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use memtap_store::StoreUrl;

/// The file must not be the history itself.
pub(crate) fn is_not_the_history(path: &Path, store: &StoreUrl) -> anyhow::Result<()> {
    if let StoreUrl::Sqlite(database) = store
        && same_file(database, path)
    {
        bail!("{} is the history itself: choose another file with --output", path.display());
    }
    Ok(())
}

/// The file appears under its name when it is whole. What is no file (a pipe, a device) is written as it is.
pub(crate) fn to_file(path: &Path, write: impl FnOnce(&File) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = |path: &Path| format!("cannot write {}", path.display());
    if path.exists() && !path.is_file() {
        let file = OpenOptions::new().write(true).open(path).with_context(|| cannot(path))?;
        return write(&file);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = tempfile::Builder::new().prefix(".memtap-part-").tempfile_in(folder);
    let part = part.with_context(|| cannot(path))?;
    write(part.as_file())?;
    part.persist(path).with_context(|| cannot(path))?;
    Ok(())
}

fn same_file(one: &Path, other: &Path) -> bool {
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
