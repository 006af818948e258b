//! Paths that memtap reads and writes, and whether a user can access them.

use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;

/// Paths that memtap uses while it watches.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Directories of the history, outer ones first: those around the database and around a spool
    /// in memtap's data directory. Missing ones are created.
    pub(crate) folders: Vec<PathBuf>,
    /// Spool directory. Created if it is missing.
    pub(crate) spool: Option<PathBuf>,
    /// Database files, including those that SQLite keeps beside them.
    pub(crate) files: Vec<PathBuf>,
    /// Files that are opened later, possibly more than once.
    pub(crate) read_later: Vec<PathBuf>,
}

/// Reason why a user cannot use the places.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The user cannot traverse this parent of a directory that memtap writes to.
    Unreachable(PathBuf),
    Unwritable(PathBuf),
    Unreadable(PathBuf),
}

impl Places {
    /// All directories that memtap writes to.
    pub(super) fn written(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.iter().chain(&self.spool)
    }

    /// Returns whether another directory contains this one.
    pub(super) fn is_inside(&self, folder: &Path) -> bool {
        self.written().any(|outer| folder != outer && folder.starts_with(outer))
    }

    /// Parents that a user must traverse to reach the directories that memtap writes to.
    pub(super) fn ways(&self) -> std::io::Result<Vec<PathBuf>> {
        self.written().filter(|folder| !self.is_inside(folder)).map(|folder| way(folder)).collect()
    }

    /// Checks access as the current effective user, before that user owns anything: it must be
    /// able to traverse `ways`.
    pub(super) fn are_reached(&self, ways: &[PathBuf]) -> Result<(), Unusable> {
        let blocked = ways.iter().find(|way| !may(way, AccessFlags::X_OK));
        blocked.map_or(Ok(()), |way| Err(Unusable::Unreachable(way.clone())))?;
        self.are_readable()
    }

    /// Checks access as the current effective user: directories and databases must be writable.
    pub(super) fn are_usable(&self) -> Result<(), Unusable> {
        let folders = self.written().map(|path| (path, AccessFlags::W_OK | AccessFlags::X_OK));
        let files = self.files.iter().filter(|path| path.exists()).map(|path| (path, AccessFlags::W_OK));
        let blocked = folders.chain(files).find(|(path, flags)| !may(path, *flags));
        blocked.map_or(Ok(()), |(path, _)| Err(Unusable::Unwritable(path.clone())))?;
        self.are_readable()
    }

    fn are_readable(&self) -> Result<(), Unusable> {
        let blocked = self.read_later.iter().find(|path| !may(path, AccessFlags::R_OK));
        blocked.map_or(Ok(()), |path| Err(Unusable::Unreadable(path.clone())))
    }
}

fn may(path: &Path, flags: AccessFlags) -> bool {
    nix::unistd::access(path, flags).is_ok()
}

/// Parent of `folder`, or the nearest existing ancestor if `folder` is missing. The result is
/// absolute, because SQLite uses absolute paths.
fn way(folder: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(folder)?;
    match absolute.canonicalize() {
        Ok(folder) => Ok(folder.parent().map_or(folder.clone(), Path::to_path_buf)),
        Err(error) => {
            let mut outer = absolute.ancestors().skip(1);
            outer.find_map(|outer| outer.canonicalize().ok()).ok_or(error)
        }
    }
}
