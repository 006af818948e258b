//! The JSON of the interface: `docs/api.md` describes these shapes. Sizes in bytes, times RFC 3339 UTC.

mod finding;
mod health;
mod host;
mod live;
mod oom;
mod process;
mod request;
mod share;
mod update;
mod usage;

pub(crate) use finding::Findings;
pub(crate) use health::Health;
pub(crate) use host::Host;
pub(crate) use live::{Snapshot, Tick};
pub(crate) use oom::OomKill;
pub(crate) use process::Process;
pub use request::Request;
pub(crate) use share::Share;
pub(crate) use update::Update;
pub(crate) use usage::Usage;

use memtap_model::WallClock;

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn time(at: WallClock) -> String {
    let at = jiff::Timestamp::from_nanosecond(at.0.into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_z() {
        assert_eq!(time(WallClock(1_795_428_000_000_000_000)), "2026-11-23T10:00:00.000Z");
        assert_eq!(time(WallClock(1_795_428_000_123_999_999)), "2026-11-23T10:00:00.123Z");
    }
}
