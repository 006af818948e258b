//! What memtap itself may do: what it needs and no more, and less once the kernel is watched.
//!
//! Capabilities belong to threads, and a thread begins with those of the one that starts it. So all that is never needed goes before
//! there is a second thread ([`begin`]). What only attaching needs, the runtime's threads give up as they start ([`thread`]), and the main
//! thread, which attaches, right after that ([`watching`]), before it starts the one that reads.

mod calls;
mod capabilities;
mod user;

use anyhow::Context as _;

pub(crate) use user::{Places, User};

/// First of all: what memtap was given is in effect.
pub(crate) fn raise() {
    if let Err(error) = capabilities::raise() {
        tracing::debug!("capabilities stay as they are: {error}");
    }
}

/// Before the first thread: becomes `user`, if one is named, who is given the folders that are missing, and gives up what is never needed.
pub(crate) fn begin(user: Option<&User>, places: &Places) -> anyhow::Result<()> {
    nix::sys::prctl::set_no_new_privs().context("cannot rule out new privileges")?;
    let other = user.filter(|user| !user.is_present());
    let kept = capabilities::needed(other.is_none());
    capabilities::bound(&kept).context("cannot bound the capabilities")?;
    if let Some(user) = other {
        user::become_other(user, places)?;
    }
    capabilities::keep(&kept).context("cannot give up capabilities")
}

/// A thread of the runtime: it never attaches anything.
pub(crate) fn thread() {
    if let Err(error) = capabilities::end_of_start() {
        tracing::warn!("a thread keeps capabilities that it does not need: {error}");
    }
}

/// The main thread, when nothing is left to be attached.
pub(crate) fn attached() -> anyhow::Result<()> {
    capabilities::end_of_start().context("cannot give up capabilities")
}

/// All threads, when everything is open: calls that memtap never makes are refused.
pub(crate) fn watching() {
    if let Err(error) = calls::refuse() {
        tracing::warn!("calls that memtap never makes stay possible: {error}");
    }
}

/// As whom, and with which capabilities, the calling thread goes on.
pub(crate) fn runs_as() -> memtap_server::RunsAs {
    memtap_server::RunsAs { user: user::present(), capabilities: capabilities::names() }
}
