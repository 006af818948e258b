//! Units and identities: numbers that must not be mixed up have types of their own.

use serde::{Deserialize, Serialize};

/// A process: the kernel's thread group id, what users call pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tgid(pub u32);

/// A thread id, what the kernel calls pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tid(pub u32);

/// When a process started: nanoseconds of `CLOCK_BOOTTIME`. With the pid it names one process life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct StartTime(pub u64);

/// One process life: a reused pid is another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid.
    pub tgid: Tgid,
    /// The start, which tells two lives with one pid apart.
    pub start: StartTime,
}

/// An address space (the kernel's `mm_struct`), which processes share after `vfork` until the child's exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SpaceId(pub u64);

/// Wall-clock time: nanoseconds since 1970-01-01 UTC. For display and history; order is the stream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct WallClock(pub i64);

impl WallClock {
    /// The time `boot_ns` (of `CLOCK_BOOTTIME`) on a machine whose boot was at `boot`.
    #[must_use]
    pub fn after_boot(boot: Self, boot_ns: u64) -> Self {
        Self(boot.0.saturating_add_unsigned(boot_ns))
    }

    /// Seconds from `earlier` to this time; negative when the clock was set back in between.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1e9
    }
}

/// The machine's page size in bytes, a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u64);

impl PageSize {
    /// A page size; `None` unless it is a power of two.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        bytes.is_power_of_two().then_some(Self(bytes))
    }

    /// Bytes of one page.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// `pages` in bytes; saturates.
    #[must_use]
    pub fn to_bytes(self, pages: u64) -> u64 {
        pages.saturating_mul(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_power_of_two_and_sums_saturate() {
        let page = PageSize::new(4096).unwrap();
        assert_eq!(page.to_bytes(2), 8192);
        assert_eq!(page.to_bytes(u64::MAX), u64::MAX);
        assert_eq!(PageSize::new(4095), None);
    }
}
