//! Changing from root to another user: creates the missing directories for that user and keeps
//! capabilities.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use nix::unistd::{Gid, Uid};

use super::Places;
use super::places::Unusable;
use super::switch::Switch;

/// A user, chosen by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = nix::unistd::User::from_name(text).map_err(|error| error.to_string())?;
        let number = || text.parse().ok().map(Uid::from_raw);
        let existing = match named {
            Some(user) => Some(user),
            None => number().and_then(|uid| nix::unistd::User::from_uid(uid).ok().flatten()),
        };
        match (existing, number()) {
            (Some(user), _) => Ok(Self { name: user.name, uid: user.uid, gid: user.gid }),
            // A container may run with user IDs that the host does not name.
            (None, Some(uid)) => Ok(Self { name: text.to_owned(), uid, gid: Gid::from_raw(uid.as_raw()) }),
            (None, None) => Err(format!(
                "there is no user '{text}'. Choose another, or create it: useradd --system --shell /usr/sbin/nologin {text}"
            )),
        }
    }
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl User {
    /// Returns whether memtap already runs as this user.
    pub(super) fn is_present(&self) -> bool {
        self.uid == nix::unistd::geteuid()
    }

    /// Makes the user the owner of a path, if memtap runs as root.
    pub(crate) fn take(&self, path: &Path) -> std::io::Result<()> {
        match nix::unistd::geteuid().is_root() {
            true => lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw())),
            false => Ok(()),
        }
    }

    /// Creates the first missing directory of a path, accessible only by the user. Existing
    /// directories keep their owners. Below a directory of the user, it does nothing as root,
    /// because links there may be the user's.
    pub(super) fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        let parts = folder.ancestors().filter(|part| !part.as_os_str().is_empty());
        for part in parts.collect::<Vec<_>>().into_iter().rev() {
            match part.metadata() {
                Ok(metadata) if metadata.uid() == self.uid.as_raw() => return Ok(()),
                Ok(_) => {}
                Err(_) => {
                    new_folder().create(part)?;
                    return self.take(part);
                }
            }
        }
        Ok(())
    }
}

fn new_folder() -> DirBuilder {
    let mut new = DirBuilder::new();
    new.mode(0o700);
    new
}

/// Name of the user that memtap runs as, or its number if it has no name.
pub(super) fn present() -> String {
    let uid = nix::unistd::geteuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Creates missing directories for the user, and becomes that user. The capabilities stay
/// permitted. On failure the process stays root.
pub(super) fn become_other(user: &User, places: &Places) -> anyhow::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("only root can become another user. Start memtap as {} without --user, or use sudo", user.name);
    }
    let given = |folder: &PathBuf| format!("cannot make {} the owner of {}", user.name, folder.display());
    for folder in places.written() {
        user.make_folder(folder).with_context(|| given(folder))?;
    }
    let cannot = || format!("cannot become {}", user.name);
    let switch = Switch::to(user).with_context(cannot)?;
    for folder in places.written() {
        new_folder().recursive(true).create(folder).with_context(|| given(folder))?;
    }
    places.are_usable().map_err(|unusable| explain(&unusable, user))?;
    switch.make_final().with_context(cannot)
}

fn explain(unusable: &Unusable, User { name, uid, .. }: &User) -> anyhow::Error {
    match unusable {
        Unusable::Unreachable(path) | Unusable::Unwritable(path) => anyhow!(
            "{name} cannot write to {path}. Choose another place with --store and --spool. If only memtap uses that directory, run: sudo chown -R {owner}: {path}",
            path = path.display(),
            owner = nix::unistd::User::from_uid(*uid)
                .ok()
                .flatten()
                .map_or_else(|| uid.to_string(), |user| user.name),
        ),
        Unusable::Unreadable(path) => anyhow!(
            "{name} cannot read {path}. Put a copy where that user can read it, and run: sudo chown {uid} FILE",
            path = path.display()
        ),
    }
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
