//! The user that root becomes: it is given the directories that are missing, and capabilities are kept.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, lchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, anyhow, bail};
use nix::unistd::{Gid, Uid};

use super::Places;
use super::places::Unusable;
use super::switch::Switch;

/// A user, by name or number.
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
        let found = match named {
            Some(user) => Some(user),
            None => number().and_then(|uid| nix::unistd::User::from_uid(uid).ok().flatten()),
        };
        match (found, number()) {
            (Some(user), _) => Ok(Self { name: user.name, uid: user.uid, gid: user.gid }),
            // As in a container, whose numbers the machine does not name.
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

    /// Makes the first directory that is missing of a path, for that user alone. What is there already stays whose it is. Below one of the
    /// user's nothing is done as root, since links there are the user's, too.
    pub(super) fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        let parts = folder.ancestors().filter(|part| !part.as_os_str().is_empty());
        for part in parts.collect::<Vec<_>>().into_iter().rev() {
            match part.metadata() {
                Ok(found) if found.uid() == self.uid.as_raw() => return Ok(()),
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

/// The name of the user that memtap runs as, else the number.
pub(super) fn present() -> String {
    let uid = nix::unistd::geteuid();
    nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Gives the user those of the directories that are missing, and becomes it. The capabilities stay permitted. On failure the process
/// is root as before.
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
