//! Panics in any thread: the first is logged, kept for `health`, and ends `memtap serve` in order.

use memtap_model::visible;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use memtap_model::Notice;
use tokio::sync::Notify;

use crate::{deadline, log};

static FIRST: OnceLock<String> = OnceLock::new();
static HAPPENED: Notify = Notify::const_new();

/// Installs the panic hook. The hook neither waits nor fails: a second panic inside it would abort
/// the process.
pub(crate) fn watch() {
    std::panic::set_hook(Box::new(|panic| {
        deadline::begin();
        let what = describe(panic);
        let backtrace = Backtrace::capture();
        let more = match backtrace.status() {
            BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        log::line(format!("memtap: {what}{more}\n").as_bytes());
        let _ = FIRST.set(what);
        HAPPENED.notify_one();
    }));
}

/// The first panic since the start, if there was one.
pub(crate) fn first() -> Option<&'static str> {
    FIRST.get().map(String::as_str)
}

/// Waits for the first panic. Only one task at a time may wait.
pub(crate) async fn happens() -> &'static str {
    loop {
        match first() {
            Some(panic) => return panic,
            None => HAPPENED.notified().await,
        }
    }
}

/// Notice for `health` about the first panic.
pub(crate) fn notice() -> Option<Notice> {
    first().map(|panic| Notice {
        what: format!("memtap is ending because of a bug: {panic}"),
        fix: "restart memtap, and report this message".to_owned(),
    })
}

/// Thread, source location and message of a panic, in one line.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    // A message may quote text of strangers, which must not begin a line of the log.
    let message = visible(panic.payload_as_str().unwrap_or("no message"));
    format!("thread '{}' panicked{place}: {message}", thread.name().unwrap_or("unnamed"))
}
