//! Privileges of memtap: only those that it needs, and fewer once the kernel is watched.
//!
//! Capabilities belong to threads, and a new thread inherits those of the thread that starts it. So
//! memtap drops the capabilities that it never needs before there is a second thread ([`begin`]).
//! Capabilities that only attaching needs are dropped by the runtime's threads when they start
//! ([`thread`]), and by the main thread, which attaches, right after attaching ([`attached`]) and
//! before it starts the reader thread. Then the seccomp filter is installed ([`watching`]). This is
//! the order for `serve`. `trace`, `top` and `record` have no other threads before their source, so
//! one step is enough for them ([`open`]). `run` drops nothing: its command would inherit the
//! restriction and behave differently than without memtap.

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

/// Makes the granted capabilities effective. Called first.
pub(crate) fn raise() {
    if let Err(error) = capabilities::raise() {
        tracing::debug!("cannot raise capabilities: {error}");
    }
}

/// Becomes `user`, if given, creates the missing directories for that user, and drops the
/// capabilities that are never needed. Must be called before the first thread starts.
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

/// Like [`begin`], but root becomes memtap's own user if no user is named. If that is not possible,
/// memtap stays root and returns a notice.
pub(crate) fn begin_as_own_user(named: Option<&User>, places: &Places) -> anyhow::Result<Option<Notice>> {
    if named.is_some() || !nix::unistd::geteuid().is_root() {
        return begin(named, places).map(|()| None);
    }
    let done = own_user::prepare(places).and_then(|user| match begin(Some(&user), places) {
        Ok(()) => Ok(user),
        Err(error) => Err(own_user::stays_root(&format!("{error:#}"), own_user::STAY)),
    });
    match done {
        Ok(user) => {
            tracing::info!("started by root, continues as {user}, which owns the history");
            Ok(None)
        }
        Err(notice) => begin(None, places).map(|()| Some(notice)),
    }
}

/// Drops the start's capabilities in a thread of the runtime, which never attaches anything.
pub(crate) fn thread() {
    if let Err(error) = capabilities::end_of_start() {
        tracing::warn!("cannot drop the capabilities of a thread: {error}");
    }
}

/// Drops the start's capabilities in the main thread, once nothing remains to be attached.
pub(crate) fn attached() -> anyhow::Result<()> {
    capabilities::end_of_start().context("cannot drop capabilities")
}

/// Sets the priority that capturing from the kernel needs. Must be called before the first thread
/// starts and before capabilities are dropped. Other sources wait for their reader, so they need no
/// priority.
pub(crate) fn prioritise(choice: &SourceChoice, nice: Option<i32>) {
    if attaches(choice) {
        priority::set(nice);
    }
}

/// Opens a source for a command that only watches, with the capabilities that opening needs.
/// Afterwards only those for reading remain, because all output files are already open. There must
/// be no second thread yet.
pub(crate) fn open(choice: &SourceChoice, settings: &Settings, nice: Option<i32>) -> anyhow::Result<Opened> {
    prioritise(choice, nice);
    begin(None, &Places::default())?;
    if !attaches(choice) {
        // The source may have its own thread, which inherits the current capabilities.
        attached()?;
    }
    let opened = memtap_capture::open(choice, settings)?;
    capabilities::keep_for_reading().context("cannot drop capabilities")?;
    watching();
    Ok(opened)
}

/// Drops all capabilities, because all data comes from another memtap. There must be no second
/// thread yet.
pub(crate) fn only_listen() -> anyhow::Result<()> {
    begin(None, &Places::default())?;
    capabilities::keep_none().context("cannot drop capabilities")?;
    watching();
    Ok(())
}

/// Returns whether the source may attach programs to the kernel.
pub(crate) fn attaches(choice: &SourceChoice) -> bool {
    matches!(choice, SourceChoice::Auto | SourceChoice::Bpf)
}

/// Installs the seccomp filter in all threads, once everything is open. Calls that memtap never
/// makes then fail.
pub(crate) fn watching() {
    if let Err(error) = calls::refuse() {
        tracing::warn!("cannot install the seccomp filter: {error}");
    }
}

/// User, capabilities and priority of the calling thread.
pub(crate) fn runs_as() -> RunsAs {
    RunsAs { user: user::present(), capabilities: capabilities::names(), nice: priority::present() }
}
