//! Gives the history of earlier runs as root to the user that memtap becomes.
//!
//! memtap changes the owner of a directory only if everything in it belongs to memtap, and if
//! nobody except root and that user could have put it there. It checks and changes files through
//! descriptors and never resolves a path twice, so that nobody can put a link in place of a checked
//! file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use nix::unistd::fchownat;

use super::own_user::FreeNumbers;
use super::{Places, User};

/// System directories. memtap changes the owner neither of these nor of anything below them.
const SYSTEM: [&str; 10] =
    ["/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/usr", "/var/spool/cron"];

/// Suffixes of the files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Expected content of a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Databases, their SQLite files, and spools.
    History,
    /// One spool per database server.
    Spools,
    /// Deliveries (`spool.rs` of memtap-history).
    Spool,
}

/// Classification of a directory entry.
enum Entry {
    Ours,
    OurFolder(Holds),
    /// Created by the file system.
    Ignored,
    Foreign,
}

/// A transfer of the history to one user.
pub(super) struct HandOver<'a> {
    user: &'a User,
    /// User IDs that memtap may have used before: an earlier run may have had another one.
    free: FreeNumbers,
    gives: bool,
}

impl<'a> HandOver<'a> {
    pub(super) fn new(user: &'a User) -> Self {
        Self { user, free: FreeNumbers::find(), gives: false }
    }

    /// Returns why the places cannot be given to the user. Changes nothing.
    pub(super) fn check(&self, places: &Places) -> Result<(), String> {
        // An inner directory is handled with the outer one. Thus a link inside a directory that
        // already belongs to the user is never followed.
        let outermost = |folder: &&PathBuf| !places.is_inside(folder);
        places.folders.iter().filter(outermost).try_for_each(|folder| self.place(folder, Holds::History))?;
        places.spool.iter().filter(outermost).try_for_each(|folder| self.place(folder, Holds::Spool))
    }

    /// Gives the places to the user. Of each missing path, it creates only the outermost directory.
    pub(super) fn make(mut self, places: &Places) -> Result<(), String> {
        self.gives = true;
        self.check(places)?;
        places.written().try_for_each(|folder| self.user.make_folder(folder).map_err(failed(folder)))
    }

    fn place(&self, folder: &Path, holds: Holds) -> Result<(), String> {
        let Ok(path) = folder.canonicalize() else { return Ok(()) };
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        // Root may lack the permission to open a directory that the user already owns.
        let open = match openat(AT_FDCWD, &path, flags | OFlag::O_NOFOLLOW, Mode::empty()) {
            Err(_) if self.is_given(&path) => return Ok(()),
            open => open.map_err(failed(&path))?,
        };
        if !self.has(&stat(&open, &path)?) && is_of_the_system(&path) {
            return Err(format!("{} is a system directory", path.display()));
        }
        self.folder(&open, &path, holds)
    }

    fn is_given(&self, path: &Path) -> bool {
        nix::sys::stat::stat(path).is_ok_and(|metadata| self.has(&metadata))
    }

    fn has(&self, metadata: &FileStat) -> bool {
        metadata.st_uid == self.user.uid.as_raw()
    }

    /// Checks or gives the entries and then the directory: until then nobody else can write to it.
    fn folder(&self, open: &OwnedFd, path: &Path, holds: Holds) -> Result<(), String> {
        let metadata = stat(open, path)?;
        self.is_givable(&metadata, path)?;
        if metadata.st_mode & (Mode::S_IWGRP | Mode::S_IWOTH).bits() != 0 {
            return Err(format!("others can write to {}", path.display()));
        }
        let entries =
            std::fs::read_dir(format!("/proc/self/fd/{}", open.as_raw_fd())).map_err(failed(path))?;
        for entry in entries {
            let name = entry.map_err(failed(path))?.file_name();
            self.entry(open, path, &name, holds, self.has(&metadata))?;
        }
        self.give(open, path)
    }

    fn entry(
        &self,
        folder: &OwnedFd,
        path: &Path,
        name: &OsStr,
        holds: Holds,
        is_users: bool,
    ) -> Result<(), String> {
        let at = path.join(name);
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let open = openat(folder, name, flags, Mode::empty()).map_err(failed(&at))?;
        let metadata = stat(&open, &at)?;
        let kind = SFlag::from_bits_truncate(metadata.st_mode & SFlag::S_IFMT.bits());
        if self.has(&metadata) && kind != SFlag::S_IFDIR {
            return Ok(());
        }
        match entry(folder, name, holds, kind) {
            Entry::Ignored => Ok(()),
            // In the user's own directory, a foreign file keeps its owner.
            Entry::Foreign if is_users => Ok(()),
            Entry::Foreign => Err(format!("{} does not belong to memtap", at.display())),
            Entry::OurFolder(holds) => {
                let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                match openat(folder, name, flags, Mode::empty()) {
                    Err(_) if self.has(&metadata) => Ok(()),
                    open => self.folder(&open.map_err(failed(&at))?, &at, holds),
                }
            }
            Entry::Ours => {
                self.is_givable(&metadata, &at)?;
                if metadata.st_nlink > 1 {
                    return Err(format!("{} has another hard link", at.display()));
                }
                self.give(&open, &at)
            }
        }
    }

    fn is_givable(&self, metadata: &FileStat, path: &Path) -> Result<(), String> {
        if metadata.st_uid == 0 || self.has(metadata) || self.free.has(metadata.st_uid) {
            return Ok(());
        }
        Err(format!("{} belongs to another user ({})", path.display(), metadata.st_uid))
    }

    fn give(&self, open: &OwnedFd, path: &Path) -> Result<(), String> {
        if !self.gives || self.has(&stat(open, path)?) {
            return Ok(());
        }
        let (uid, gid) = (Some(self.user.uid), Some(self.user.gid));
        fchownat(open, "", uid, gid, AtFlags::AT_EMPTY_PATH).map_err(failed(path))
    }
}

fn failed<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("cannot make memtap's own user the owner of {}: {error}", path.display())
}

fn stat(open: &OwnedFd, path: &Path) -> Result<FileStat, String> {
    fstat(open).map_err(failed(path))
}

fn is_of_the_system(path: &Path) -> bool {
    // The root directory and its children, such as /srv, /mnt and /opt.
    path.components().count() <= 2 || SYSTEM.iter().any(|system| path.starts_with(system))
}

fn is_spool(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b"-spool")
}

/// Classifies an entry by name and type, and a database also by its header.
fn entry(folder: &OwnedFd, name: &OsStr, holds: Holds, kind: SFlag) -> Entry {
    let is_folder = kind == SFlag::S_IFDIR;
    match holds {
        _ if is_folder && name == "lost+found" => Entry::Ignored,
        Holds::History if is_folder && name == "spool" => Entry::OurFolder(Holds::Spools),
        Holds::History if is_folder && is_spool(name) => Entry::OurFolder(Holds::Spool),
        Holds::History if kind == SFlag::S_IFREG && is_history(folder, name) => Entry::Ours,
        Holds::Spools if is_folder => Entry::OurFolder(Holds::Spool),
        Holds::Spool if kind == SFlag::S_IFREG && is_of_a_spool(name) => Entry::Ours,
        _ => Entry::Foreign,
    }
}

fn is_of_a_spool(name: &OsStr) -> bool {
    let number = name.as_bytes().strip_suffix(b".segment");
    name == "lock" || number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
}

/// Returns whether the file is a memtap database, or a file that SQLite keeps beside one.
fn is_history(folder: &OwnedFd, name: &OsStr) -> bool {
    let beside = BESIDE.iter().find_map(|ending| name.as_bytes().strip_suffix(ending.as_bytes()));
    let database = PathBuf::from(OsStr::from_bytes(beside.unwrap_or(name.as_bytes())));
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let Ok(open) = openat(folder, &database, flags, Mode::empty()) else { return false };
    let mut header = Vec::new();
    let read = File::from(open).take(memtap_store::HEADER_BYTES as u64).read_to_end(&mut header);
    // memtap creates the file before SQLite writes to it.
    let is_new = header.is_empty() && database.extension().is_some_and(|ending| ending == "db");
    read.is_ok() && (is_new || memtap_store::is_history(&header))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    use nix::unistd::{Gid, Uid};

    use super::*;

    const UID: u32 = 61_300;

    /// Creates a history with every kind of file that an earlier run may leave, in its own
    /// directory.
    fn history() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("history");
        for spool in ["memtap.db-spool", "spool/db-3306-memory-0f"] {
            let spool = folder.join(spool);
            std::fs::create_dir_all(&spool).unwrap();
            for name in ["lock", "0000000001.segment"] {
                std::fs::write(spool.join(name), "").unwrap();
            }
        }
        for name in ["memtap.db", "memtap.db-wal", "memtap.db-shm"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        (place, folder)
    }

    fn hand_over(folder: &Path) -> Result<(), String> {
        hand_over_with(folder, &folder.join("memtap.db-spool"))
    }

    fn hand_over_with(folder: &Path, spool: &Path) -> Result<(), String> {
        let user = User { name: "a".to_owned(), uid: Uid::from_raw(UID), gid: Gid::from_raw(UID) };
        let places = Places { folders: vec![folder.into()], spool: Some(spool.into()), ..Places::default() };
        HandOver::new(&user).check(&places)?;
        HandOver::new(&user).make(&places)
    }

    fn owners(path: &Path) -> Vec<u32> {
        let inner = path.read_dir().into_iter().flatten().flat_map(|entry| owners(&entry.unwrap().path()));
        let mut owners: Vec<u32> = inner.chain([path.symlink_metadata().unwrap().uid()]).collect();
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    #[test]
    fn a_history_is_given_with_all_its_files() {
        let (_place, folder) = history();
        std::fs::create_dir(folder.join("lost+found")).unwrap();
        hand_over(&folder).unwrap();
        assert_eq!(owners(&folder.join("lost+found")), [0]);
        std::fs::remove_dir(folder.join("lost+found")).unwrap();
        assert_eq!(owners(&folder), [UID]);
        // Files that root's commands create there later, even beside the user's own files.
        std::fs::write(folder.join("memtap.db-journal"), "").unwrap();
        std::fs::write(folder.join("notes"), "").unwrap();
        hand_over(&folder).unwrap();
        assert_eq!(folder.join("memtap.db-journal").metadata().unwrap().uid(), UID);
        assert_eq!(folder.join("notes").metadata().unwrap().uid(), 0);
    }

    #[test]
    fn missing_directories_are_created_and_an_earlier_users_files_change_owner() {
        let (place, folder) = history();
        chown(folder.join("memtap.db"), Some(UID + 1), None).unwrap();
        hand_over(&folder).unwrap();
        assert_eq!(owners(&folder), [UID]);
        hand_over(&place.path().join("a/b")).unwrap();
        assert_eq!(owners(&place.path().join("a")), [UID]);
    }

    #[test]
    fn a_spool_elsewhere_is_given_too() {
        let (place, folder) = history();
        let spool = place.path().join("queue");
        std::fs::rename(folder.join("memtap.db-spool"), &spool).unwrap();
        hand_over_with(&folder, &spool).unwrap();
        assert_eq!((owners(&folder), owners(&spool)), (vec![UID], vec![UID]));
    }

    /// A process of that user may have put links into its directory.
    #[test]
    fn links_in_the_users_directory_are_not_followed() {
        let (place, folder) = history();
        let other = place.path().join("other");
        std::fs::create_dir(&other).unwrap();
        hand_over(&folder).unwrap();
        for name in ["spool", "memtap.db-spool"] {
            std::fs::remove_dir_all(folder.join(name)).unwrap();
            symlink(&other, folder.join(name)).unwrap();
        }
        symlink(other.join("missing"), folder.join("more-spool")).unwrap();
        for spool in ["memtap.db-spool", "spool/new", "more-spool"] {
            hand_over_with(&folder, &folder.join(spool)).unwrap();
        }
        assert_eq!(owners(&other), [0]);
        assert_eq!(other.read_dir().unwrap().count(), 0);
    }

    /// Asserts that the handover fails for this reason and changes no owner.
    fn is_refused(spoil: impl FnOnce(&Path), reason: &str) {
        let (_place, folder) = history();
        spoil(&folder);
        let before = owners(&folder);
        let error = hand_over(&folder).unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert_eq!(owners(&folder), before, "{reason}");
    }

    #[test]
    fn a_directory_with_foreign_files_or_owners_is_not_given() {
        is_refused(
            |folder| std::fs::write(folder.join("notes"), "").unwrap(),
            "notes does not belong to memtap",
        );
        is_refused(
            |folder| std::fs::create_dir(folder.join("more")).unwrap(),
            "more does not belong to memtap",
        );
        is_refused(
            |folder| std::fs::write(folder.join("memtap.db"), "text").unwrap(),
            " does not belong to memtap",
        );
        is_refused(
            |folder| symlink("/etc/passwd", folder.join("a.db")).unwrap(),
            "a.db does not belong to memtap",
        );
        is_refused(
            |folder| std::fs::hard_link(folder.join("memtap.db"), folder.join("memtap.db-journal")).unwrap(),
            "has another hard link",
        );
        is_refused(|folder| chown(folder.join("memtap.db"), Some(1), None).unwrap(), "another user (1)");
        is_refused(|folder| chown(folder, Some(1), None).unwrap(), "another user (1)");
        let writable = std::fs::Permissions::from_mode(0o775);
        is_refused(|folder| std::fs::set_permissions(folder, writable).unwrap(), "others can write");
        let other = |folder: &Path| {
            let other = rusqlite::Connection::open(folder.join("memtap.db")).unwrap();
            other.execute_batch("CREATE TABLE a (b)").unwrap();
        };
        is_refused(other, " does not belong to memtap");
    }

    #[test]
    fn system_directories_are_never_given() {
        for path in ["/", "/srv", "/etc", "/etc/cron.d", "/usr/local/bin"] {
            assert!(is_of_the_system(Path::new(path)), "{path}");
        }
        for path in ["/var/lib/memtap", "/srv/memtap", "/data/memtap", "/var/spool/memtap"] {
            assert!(!is_of_the_system(Path::new(path)), "{path}");
        }
    }
}
