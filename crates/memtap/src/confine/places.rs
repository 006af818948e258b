//! What memtap reads and writes by path, and whether a user can.

use std::path::{Path, PathBuf};

use nix::unistd::AccessFlags;

/// Paths that memtap uses while it watches.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Directories of the history, the outer one first: around a spool of its own, or of the database. They are made where they are missing.
    pub(crate) folders: Vec<PathBuf>,
    /// Where deliveries wait; it is made where it is missing.
    pub(crate) spool: Option<PathBuf>,
    /// Databases, with what SQLite keeps beside them.
    pub(crate) files: Vec<PathBuf>,
    /// Files that are opened later, maybe again and again.
    pub(crate) read_later: Vec<PathBuf>,
}

/// Why a user cannot use the places.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The way to a directory that memtap writes to.
    Unreachable(PathBuf),
    Unwritable(PathBuf),
    Unreadable(PathBuf),
}

impl Places {
    /// All directories that memtap writes to.
    pub(super) fn written(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.iter().chain(&self.spool)
    }

    /// Whether another of the directories is around this one.
    pub(super) fn is_inside(&self, folder: &Path) -> bool {
        self.written().any(|outer| folder != outer && folder.starts_with(outer))
    }

    /// Directories that must be passed on the way to those that memtap writes to.
    pub(super) fn ways(&self) -> std::io::Result<Vec<PathBuf>> {
        self.written().filter(|folder| !self.is_inside(folder)).map(|folder| way(folder)).collect()
    }

    /// Asks the kernel as the user that the process acts as, before it is given anything.
    pub(super) fn are_reached(&self, ways: &[PathBuf]) -> Result<(), Unusable> {
        let blocked = ways.iter().find(|way| !may(way, AccessFlags::X_OK));
        blocked.map_or(Ok(()), |way| Err(Unusable::Unreachable(way.clone())))?;
        self.are_readable()
    }

    /// Asks the kernel as the user that the process acts as.
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

/// The directory around `folder`; where that is missing, the nearest that exists. SQLite uses absolute paths, so this is one.
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
