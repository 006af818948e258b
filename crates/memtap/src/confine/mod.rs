//! What memtap itself may do: what it needs and no more, and less once the kernel is watched.
//!
//! Capabilities belong to threads, and a thread begins with those of the one that starts it. So all that is never needed goes before
//! there is a second thread ([`begin`]). What only attaching needs, the runtime's threads give up as they start ([`thread`]), and the main
//! thread, which attaches, right after that ([`attached`]), before it starts the one that reads; then calls go ([`watching`]). So it is with
//! `serve`. `trace`, `top` and `record` have no threads before their source, so that for them it is one step ([`open`]). `run` gives nothing
//! up: what it gave up its command would not have either, and would behave otherwise than by itself.

#[cfg(test)]
mod attempts;
mod calls;
mod capabilities;
mod handover;
mod own_user;
mod places;
mod priority;
mod switch;
mod user;

use anyhow::Context as _;
use memtap_api::RunsAs;
use memtap_capture::{Opened, Settings, SourceChoice};
use memtap_model::Notice;

pub(crate) use own_user::choose as own_user;
pub(crate) use places::Places;
pub(crate) use user::User;

/// First of all: what memtap was given is in effect.
pub(crate) fn raise() {
    if let Err(error) = capabilities::raise() {
        tracing::debug!("cannot raise capabilities: {error}");
    }
}

/// Before the first thread: becomes `user`, if one is named, who is given the folders that are missing, and gives up what is never needed.
pub(crate) fn begin(user: Option<&User>, places: &Places) -> anyhow::Result<()> {
    nix::sys::prctl::set_no_new_privs().context("cannot set no_new_privs")?;
    let other = user.filter(|user| !user.is_present());
    let kept = capabilities::needed(other.is_none());
    capabilities::bound(&kept).context("cannot limit the bounding set of capabilities")?;
    if let Some(user) = other {
        user::become_other(user, places)?;
    }
    capabilities::keep(&kept).context("cannot drop capabilities")
}

/// As [`begin`]; root becomes memtap's own user where no other is named. Where that is not possible it stays root, with a notice.
pub(crate) fn begin_as_own_user(named: Option<&User>, places: &Places) -> anyhow::Result<Option<Notice>> {
    if named.is_some() || !nix::unistd::geteuid().is_root() {
        return begin(named, places).map(|()| None);
    }
    let done = own_user::prepare(places).and_then(|user| match begin(Some(&user), places) {
        Ok(()) => Ok(user),
        Err(error) => Err(own_user::stays(&format!("{error:#}"), own_user::STAY)),
    });
    match done {
        Ok(user) => {
            tracing::info!("started by root, continues as {user}, which owns the history");
            Ok(None)
        }
        Err(notice) => begin(None, places).map(|()| Some(notice)),
    }
}

/// A thread of the runtime: it never attaches anything.
pub(crate) fn thread() {
    if let Err(error) = capabilities::end_of_start() {
        tracing::warn!("cannot drop the capabilities of a thread: {error}");
    }
}

/// The main thread, when nothing is left to be attached.
pub(crate) fn attached() -> anyhow::Result<()> {
    capabilities::end_of_start().context("cannot drop capabilities")
}

/// Before the first thread, and before capabilities are given up: the priority that capturing from the kernel needs. Another source
/// waits for its reader, so it needs none.
pub(crate) fn prioritise(choice: &SourceChoice, nice: Option<i32>) {
    if attaches(choice) {
        priority::set(nice);
    }
}

/// Opens a source for a command that does nothing but watch, while there is no second thread, with what opening needs. It goes on with what
/// reading needs: all that it writes to is open before.
pub(crate) fn open(choice: &SourceChoice, settings: &Settings, nice: Option<i32>) -> anyhow::Result<Opened> {
    prioritise(choice, nice);
    begin(None, &Places::default())?;
    if !attaches(choice) {
        // It may have a thread of its own, which begins with what there is now.
        attached()?;
    }
    let opened = memtap_capture::open(choice, settings)?;
    capabilities::keep_for_reading().context("cannot drop capabilities")?;
    watching();
    Ok(opened)
}

/// Goes on with nothing, while there is no second thread: all figures come from another memtap.
pub(crate) fn only_listen() -> anyhow::Result<()> {
    begin(None, &Places::default())?;
    capabilities::keep_none().context("cannot drop capabilities")?;
    watching();
    Ok(())
}

/// Whether something may have to be attached to the kernel.
pub(crate) fn attaches(choice: &SourceChoice) -> bool {
    matches!(choice, SourceChoice::Auto | SourceChoice::Bpf)
}

/// All threads, when everything is open: calls that memtap never makes are refused.
pub(crate) fn watching() {
    if let Err(error) = calls::refuse() {
        tracing::warn!("cannot install the seccomp filter: {error}");
    }
}

/// As whom, with which capabilities and at which priority the calling thread goes on.
pub(crate) fn runs_as() -> RunsAs {
    RunsAs { user: user::present(), capabilities: capabilities::names(), nice: priority::present() }
}
