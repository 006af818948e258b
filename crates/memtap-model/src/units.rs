//! Units and identities. Each has its own type, so that they cannot be mixed up.

use serde::{Deserialize, Serialize};

/// A process: the kernel's thread group id (tgid), which users call pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tgid(pub u32);

/// A thread id, which the kernel calls pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tid(pub u32);

/// Start time of a process in nanoseconds of `CLOCK_BOOTTIME`. Together with the pid it identifies
/// a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct StartTime(pub u64);

/// Identity of a process. A process that reuses a pid has another identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid.
    pub tgid: Tgid,
    /// The start time, which distinguishes processes that use the same pid one after the other.
    pub start: StartTime,
}

/// An address space (the kernel's `mm_struct`). After `vfork`, parent and child share one until the
/// child calls exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SpaceId(pub u64);

/// Wall-clock time: nanoseconds since 1970-01-01 UTC. It is for display and history; the order of
/// events is the order of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct WallClock(pub i64);

impl WallClock {
    /// Converts `boot_ns` (`CLOCK_BOOTTIME`) on a machine that booted at `boot`.
    #[must_use]
    pub fn after_boot(boot: Self, boot_ns: u64) -> Self {
        Self(boot.0.saturating_add_unsigned(boot_ns))
    }

    /// Returns the seconds from `earlier` to this time. The result is negative if the clock was set
    /// back in between.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1e9
    }
}

/// The machine's page size in bytes, a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u64);

impl PageSize {
    /// Returns `None` unless `bytes` is a power of two.
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        bytes.is_power_of_two().then_some(Self(bytes))
    }

    /// Returns the bytes of one page.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Converts a number of pages to bytes; saturates.
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
