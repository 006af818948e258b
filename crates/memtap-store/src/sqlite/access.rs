//! Opens existing history files. Reports which permission is missing, and reads what is possible
//! without it.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, eaccess};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use memtap_history::StoreError;

use super::error::Done;

/// Characters to encode in SQLite's `file:` URIs.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Opens a read-only connection. SQLite creates two files beside the database for that, unless the
/// database is declared immutable. If the directory is not writable and there is no log, nobody has
/// the history open.
pub(super) fn to_read(path: &Path) -> Done<Connection> {
    check(path, "read", AccessFlags::R_OK)?;
    let directory = directory_of(path);
    if may_write(directory) {
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
            "its newest part is in {}. To read it, this user needs read permission for that file and its -shm file, or write permission in {}",
            log.display(),
            directory.display()
        );
        return Err(StoreError::Denied { action: "read", path: path.into(), reason }.into());
    }
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// Opens a connection that may rewrite the whole file.
pub(super) fn to_rewrite(path: &Path) -> Done<Connection> {
    check(path, "rewrite", AccessFlags::R_OK | AccessFlags::W_OK)?;
    let directory = directory_of(path);
    if !may_write(directory) {
        let reason = format!("no write permission in its directory {}", directory.display());
        return Err(StoreError::Denied { action: "rewrite", path: path.into(), reason }.into());
    }
    Ok(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

/// Checks the permissions: SQLite's own error would not name the missing one. The file is not
/// opened for this, because closing a file releases all locks that the process has on it.
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

fn may_write(directory: &Path) -> bool {
    eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, ending: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
