//! `--user`: root gives that user the folders and becomes it, keeping its capabilities.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, lchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use nix::unistd::{AccessFlags, Gid, Uid};

/// What memtap writes to.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// They are made where they are missing.
    pub(crate) folders: Vec<PathBuf>,
    /// In them.
    pub(crate) files: Vec<PathBuf>,
}

/// A user, by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = nix::unistd::User::from_name(text).map_err(|error| error.to_string())?;
        let number = || text.parse().ok().map(Uid::from_raw);
        let found = match named {
            Some(user) => Some(user),
            None => number().and_then(|uid| nix::unistd::User::from_uid(uid).ok().flatten()),
        };
        match (found, number()) {
            (Some(user), _) => Ok(Self { name: user.name, uid: user.uid, gid: user.gid }),
            // As in a container, whose numbers the machine does not name.
            (None, Some(uid)) => Ok(Self { name: text.to_owned(), uid, gid: Gid::from_raw(uid.as_raw()) }),
            (None, None) => Err(format!(
                "there is no user '{text}'; name another, or make it: useradd --system --shell /usr/sbin/nologin {text}"
            )),
        }
    }
}

impl User {
    /// Whether memtap runs as this user already.
    pub(super) fn is_present(&self) -> bool {
        self.uid == nix::unistd::geteuid()
    }

    /// Gives the user something, where that is root's to do.
    pub(crate) fn take(&self, path: &Path) -> std::io::Result<()> {
        match nix::unistd::geteuid().is_root() {
            true => lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw())),
            false => Ok(()),
        }
    }
}

/// The name of the user that memtap runs as, else the number.
pub(super) fn present() -> String {
    let uid = nix::unistd::geteuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Gives the user those of the folders that are missing, and becomes it. The capabilities stay permitted.
pub(super) fn become_other(user: &User, places: &Places) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "only root can become another user: start memtap as {} without --user, or with sudo",
            user.name
        );
    }
    for folder in &places.folders {
        give(folder, user).with_context(|| format!("cannot give {} to {}", folder.display(), user.name))?;
    }
    let cannot = || format!("cannot become user {}", user.name);
    nix::sys::prctl::set_keepcaps(true).with_context(cannot)?;
    nix::unistd::setgroups(&[user.gid]).with_context(cannot)?;
    nix::unistd::setresgid(user.gid, user.gid, user.gid).with_context(cannot)?;
    nix::unistd::setresuid(user.uid, user.uid, user.uid).with_context(cannot)?;
    nix::sys::prctl::set_keepcaps(false).with_context(cannot)?;
    can_write(places, user)
}

/// Makes what is missing of a path, for that user alone. What is there already stays whose it is.
fn give(folder: &Path, user: &User) -> std::io::Result<()> {
    let parents = folder.ancestors().filter(|part| !part.as_os_str().is_empty());
    for part in parents.collect::<Vec<_>>().into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(part) {
            Ok(()) => user.take(part)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Asked as that user: its folders, and files that are there already.
fn can_write(places: &Places, user: &User) -> anyhow::Result<()> {
    let folders = places.folders.iter().map(|path| (path, AccessFlags::W_OK | AccessFlags::X_OK));
    let files = places.files.iter().filter(|path| path.exists()).map(|path| (path, AccessFlags::W_OK));
    for (path, flags) in folders.chain(files) {
        if nix::unistd::access(path, flags).is_err() {
            let (name, path) = (&user.name, path.display());
            bail!(
                "{name} cannot write {path}; to mend it, choose another place with --store and --spool, or, when it is memtap's alone, run: sudo chown -R {name}: {path}"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_and_numbers() {
        let nobody: User = "nobody".parse().unwrap();
        assert_eq!("65534".parse(), Ok(nobody));
        let unnamed: User = "3999999999".parse().unwrap();
        assert_eq!((unnamed.uid.as_raw(), unnamed.gid.as_raw()), (3_999_999_999, 3_999_999_999));
        let error = "no-such-user".parse::<User>().unwrap_err();
        assert!(error.contains("useradd"), "{error}");
    }
}
