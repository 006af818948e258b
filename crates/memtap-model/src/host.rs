//! Memory of the machine at one moment.

use serde::{Deserialize, Serialize};

/// Values from /proc/meminfo in bytes, and from /proc/pressure/memory in percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReading {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`.
    pub available_bytes: u64,
    /// `MemFree`.
    pub free_bytes: u64,
    /// Copies of files that the kernel can drop: `Cached + Buffers + SReclaimable - Shmem -
    /// Mapped`.
    pub cached_bytes: u64,
    /// Memory that the kernel itself uses: the total less all other kinds.
    pub kernel_bytes: u64,
    /// Memory of programs: `AnonPages + Mapped + Shmem`, which counts shared memory once.
    pub programs_bytes: u64,
    /// Swap space.
    pub swap: SwapReading,
    /// Memory pressure; `None` on a kernel without PSI.
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

/// Percentage of the last ten seconds in which tasks waited for memory (`/proc/pressure/memory`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Time in which at least one task waited.
    pub some_avg10: f64,
    /// Time in which all tasks waited.
    pub full_avg10: f64,
}
