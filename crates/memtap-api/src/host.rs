//! The machine and its memory.

use memtap_model::{HostReading, SwapReading};
use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

/// The machine and its memory at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Host {
    /// Name of the machine.
    pub hostname: String,
    /// Kernel release.
    pub kernel: String,
    /// Page size in bytes.
    pub page_size: u64,
    /// Number of processors.
    pub cpus: usize,
    /// Memory of the machine.
    pub memory: Memory,
    /// Swap space of the machine.
    pub swap: Swap,
    /// Memory pressure; null if the kernel has no PSI.
    pub pressure: Option<Pressure>,
}

/// The machine's memory: `programs + cached + kernel + free = total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Memory {
    /// All memory in bytes (`MemTotal`).
    pub total_bytes: u64,
    /// The kernel's estimate of what programs can still get without swapping.
    pub available_bytes: u64,
    /// Unused memory in bytes (`MemFree`).
    pub free_bytes: u64,
    /// Copies of files that the kernel can drop, in bytes.
    pub cached_bytes: u64,
    /// Memory that the kernel uses for itself, in bytes.
    pub kernel_bytes: u64,
    /// Memory that programs use, in bytes. Shared memory counts once.
    pub programs_bytes: u64,
}

/// The machine's swap space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Swap {
    /// All swap space in bytes (`SwapTotal`).
    pub total_bytes: u64,
    /// Unused swap space in bytes (`SwapFree`).
    pub free_bytes: u64,
}

/// Memory pressure (PSI): percentage of the last ten seconds in which tasks waited for memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Pressure {
    /// Percentage of the time in which at least one task waited.
    pub some_avg10: f64,
    /// Percentage of the time in which all tasks waited.
    pub full_avg10: f64,
}

impl From<&HostReading> for Memory {
    fn from(reading: &HostReading) -> Self {
        Self {
            total_bytes: reading.total_bytes,
            available_bytes: reading.available_bytes,
            free_bytes: reading.free_bytes,
            cached_bytes: reading.cached_bytes,
            kernel_bytes: reading.kernel_bytes,
            programs_bytes: reading.programs_bytes,
        }
    }
}

impl From<SwapReading> for Swap {
    fn from(swap: SwapReading) -> Self {
        Self { total_bytes: swap.total_bytes, free_bytes: swap.free_bytes }
    }
}

impl From<memtap_model::Pressure> for Pressure {
    fn from(pressure: memtap_model::Pressure) -> Self {
        Self { some_avg10: pressure.some_avg10, full_avg10: pressure.full_avg10 }
    }
}

impl From<&Host> for HostReading {
    fn from(host: &Host) -> Self {
        let pressure = |pressure: Pressure| memtap_model::Pressure {
            some_avg10: pressure.some_avg10,
            full_avg10: pressure.full_avg10,
        };
        Self {
            total_bytes: host.memory.total_bytes,
            available_bytes: host.memory.available_bytes,
            free_bytes: host.memory.free_bytes,
            cached_bytes: host.memory.cached_bytes,
            kernel_bytes: host.memory.kernel_bytes,
            programs_bytes: host.memory.programs_bytes,
            swap: SwapReading { total_bytes: host.swap.total_bytes, free_bytes: host.swap.free_bytes },
            pressure: host.pressure.map(pressure),
        }
    }
}
