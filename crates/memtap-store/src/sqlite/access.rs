//! A history that is there already, opened by whoever may: which permission is missing, and what can be read without it.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// What stands for itself in SQLite's `file:` URIs.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// A connection that only reads. SQLite makes two files beside the database for that, unless it is told that nobody writes: where
/// the directory cannot be written and no log is there, nobody has the history open.
pub(super) fn to_read(path: &Path) -> Result<Connection, StoreError> {
    check(path, "read", AccessFlags::R_OK)?;
    let folder = folder_of(path);
    if may_write(folder) {
        return Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?);
    }
    let (log, index) = (beside(path, "-wal"), beside(path, "-shm"));
    if !log.exists() {
        let uri = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_bytes(), ENCODED));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        return Ok(Connection::open_with_flags(uri, flags)?);
    }
    if [&log, &index].into_iter().any(|file| eaccess(file, AccessFlags::R_OK).is_err()) {
        let reason = format!(
            "its newest part is in {}, which can be read only with write permission in {}",
            log.display(),
            folder.display()
        );
        return Err(StoreError::Denied { action: "read", path: path.into(), reason });
    }
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// A connection that may change all of it.
pub(super) fn to_rewrite(path: &Path) -> Result<Connection, StoreError> {
    check(path, "rewrite", AccessFlags::R_OK | AccessFlags::W_OK)?;
    let folder = folder_of(path);
    if !may_write(folder) {
        let reason = format!("no write permission in its directory {}", folder.display());
        return Err(StoreError::Denied { action: "rewrite", path: path.into(), reason });
    }
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

/// SQLite's own error would not say which permission is missing. The file is not opened for that: whoever closes a file loses the locks
/// that the same process has on it.
fn check(path: &Path, action: &'static str, how: AccessFlags) -> Result<(), StoreError> {
    let missing = || StoreError::Missing { path: path.into() };
    let found = match path.metadata() {
        Ok(found) if !found.is_file() => return Err(missing()),
        Ok(_) => eaccess(path, how).map_err(io::Error::from),
        Err(error) => Err(error),
    };
    found.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => missing(),
        ErrorKind::PermissionDenied => {
            StoreError::Denied { action, path: path.into(), reason: "permission denied".to_owned() }
        }
        _ => StoreError::Denied { action, path: path.into(), reason: error.to_string() },
    })
}

fn may_write(folder: &Path) -> bool {
    eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, ending: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
