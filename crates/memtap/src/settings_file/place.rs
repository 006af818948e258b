//! Trust in a default settings file. The file decides where memtap writes, so memtap uses it only
//! if nobody could have written it who could not give memtap orders anyway. All checks use open
//! descriptors, so that nothing can be exchanged in between.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, User};

/// Write permission for the group and for everybody.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// Reason why a file is ignored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NoFile,
    /// The file belongs to this untrusted user.
    Owner(Uid),
    /// Others can write to the file, according to its mode.
    Mode(u32),
    /// The directory belongs to this untrusted user.
    FolderOwner(PathBuf, Uid),
    /// Others can write to the directory, according to its mode.
    FolderMode(PathBuf, u32),
}

/// Opens the file, if it exists, for a memtap that runs as `user`.
///
///  # Errors
///  If the file exists but cannot be read.
pub(super) fn open(path: &Path, user: Uid) -> io::Result<Option<Result<File, Reason>>> {
    // For a symbolic link, both the link's directory and the target's directory matter.
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(_) => return Ok(None),
    };
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else { return Ok(None) };
    if user.is_root()
        && let Some(reason) = folder_reason(folder_of(path))?
    {
        return Ok(Some(Err(reason)));
    }
    let opened = open_folder(folder)?;
    if user.is_root()
        && let Some(reason) = reason_of_folder(folder, &opened.metadata()?)
    {
        return Ok(Some(Err(reason)));
    }
    let Some(file) = open_in(&opened, name)? else { return Ok(None) };
    Ok(Some(match reason_of_file(&file.metadata()?, user) {
        Some(reason) => Err(reason),
        None => Ok(file),
    }))
}

/// Directory in which a path is looked up.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn folder_reason(folder: &Path) -> io::Result<Option<Reason>> {
    Ok(reason_of_folder(folder, &open_folder(folder)?.metadata()?))
}

fn open_folder(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits()).open(folder)
}

/// Opens a file in the directory; `None` if it no longer exists. Opening a pipe does not block.
fn open_in(folder: &File, name: &OsStr) -> io::Result<Option<File>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match openat(folder, name, flags, Mode::empty()).map_err(io::Error::from) {
        Ok(file) => Ok(Some(file.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns why the file is not trusted. Root trusts only root; other users trust themselves and
/// root.
fn reason_of_file(file: &Metadata, user: Uid) -> Option<Reason> {
    let owner = Uid::from_raw(file.uid());
    if !file.is_file() {
        Some(Reason::NoFile)
    } else if !owner.is_root() && owner != user {
        Some(Reason::Owner(owner))
    } else if user.is_root() && is_written_by_others(file) {
        Some(Reason::Mode(file.mode()))
    } else {
        None
    }
}

fn reason_of_folder(path: &Path, folder: &Metadata) -> Option<Reason> {
    let owner = Uid::from_raw(folder.uid());
    let path = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !owner.is_root() {
        Some(Reason::FolderOwner(path(), owner))
    } else if is_written_by_others(folder) {
        Some(Reason::FolderMode(path(), folder.mode()))
    } else {
        None
    }
}

/// Returns whether the mode allows users other than the owner to write.
pub(super) fn is_written_by_others(file: &Metadata) -> bool {
    file.mode() & WRITTEN_BY_OTHERS != 0
}

impl Reason {
    /// Advice on using the file anyway.
    pub(super) fn fix(&self, path: &Path) -> String {
        let path = path.display();
        let name = format!("If you trust the file, name it: --env-file {path}");
        match self {
            Self::NoFile => "Move it, or name another one with --env-file".to_owned(),
            Self::Owner(_) | Self::Mode(_) => {
                format!("{name}. Or give it to root: chown root {path} && chmod go-w {path}")
            }
            Self::FolderOwner(..) | Self::FolderMode(..) => name,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("it is not a file"),
            Self::Owner(owner) => write!(f, "it belongs to {}", name(*owner)),
            Self::Mode(mode) => write!(f, "other users can write to it (mode {:04o})", mode & 0o7777),
            Self::FolderOwner(folder, owner) => {
                write!(f, "its directory {} belongs to {}", folder.display(), name(*owner))
            }
            Self::FolderMode(folder, mode) => {
                write!(
                    f,
                    "other users can write to its directory {} (mode {:04o})",
                    folder.display(),
                    mode & 0o7777
                )
            }
        }
    }
}

/// Name of a user, or its number if it has no name.
fn name(user: Uid) -> String {
    let known = User::from_uid(user).ok().flatten();
    known.map_or_else(|| format!("user {user}"), |known| format!("user {}", known.name))
}
