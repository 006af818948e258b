//! A change of user that is undone unless it is made final.

use nix::unistd::{Gid, ResGid, ResUid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

use super::User;

/// Temporary change to another user. The saved user ID stays root's, so that dropping this value
/// switches back to root.
pub(super) struct Switch {
    uid: nix::unistd::Uid,
    gid: Gid,
    before: Option<Before>,
}

struct Before {
    uids: ResUid,
    gids: ResGid,
    groups: Vec<Gid>,
}

impl Switch {
    /// Switches to `user`: without effective capabilities and without root's groups.
    pub(super) fn to(user: &User) -> nix::Result<Self> {
        let before = Before { uids: getresuid()?, gids: getresgid()?, groups: getgroups()? };
        let (root, group) = (before.uids.effective, before.gids.effective);
        // In a user namespace, setgroups() may be forbidden, even for restoring the same groups. So
        // it is called before anything else changes.
        setgroups(&[user.gid])?;
        let switch = Self { uid: user.uid, gid: user.gid, before: Some(before) };
        setresgid(user.gid, user.gid, group)?;
        setresuid(user.uid, user.uid, root)?;
        Ok(switch)
    }

    /// Makes the change permanent. The capabilities stay permitted.
    pub(super) fn make_final(mut self) -> nix::Result<()> {
        setresgid(self.gid, self.gid, self.gid)?;
        nix::sys::prctl::set_keepcaps(true)?;
        setresuid(self.uid, self.uid, self.uid)?;
        self.before = None;
        nix::sys::prctl::set_keepcaps(false)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let Some(Before { uids, gids, groups }) = self.before.take() else { return };
        // The user first: this restores the capabilities that the other calls need.
        let done = setresuid(uids.real, uids.effective, uids.saved)
            .and_then(|()| setresgid(gids.real, gids.effective, gids.saved))
            .and_then(|()| setgroups(&groups));
        if let Err(error) = done {
            tracing::error!(
                "cannot switch back to root: {error}. Restart memtap, with --user root if this happens again"
            );
        }
    }
}
