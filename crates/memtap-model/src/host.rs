//! The machine's memory at one moment.

use serde::{Deserialize, Serialize};

/// What /proc/meminfo and /proc/pressure/memory say, in bytes and percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReading {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`.
    pub available_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// Memory that holds copies of files and can be given back: `Cached + Buffers + SReclaimable - Shmem - Mapped`.
    pub cached_bytes: u64,
    /// What the kernel uses for itself: the rest of the total.
    pub kernel_bytes: u64,
    /// What programs have: `AnonPages + Mapped + Shmem`, shared memory once.
    pub programs_bytes: u64,
    /// Swap space.
    pub swap: SwapReading,
    /// Memory pressure; `None` where the kernel has no PSI.
    pub pressure: Option<Pressure>,
}

/// Swap space in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SwapReading {
    /// `SwapTotal`.
    pub total_bytes: u64,
    /// `SwapFree`.
    pub free_bytes: u64,
}

/// Share of the last ten seconds in which tasks waited for memory, in percent (`/proc/pressure/memory`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one task waited.
    pub some_avg10: f64,
    /// All tasks waited.
    pub full_avg10: f64,
}
