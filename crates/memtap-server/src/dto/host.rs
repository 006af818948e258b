//! The machine and its memory.

use memtap_model::HostReading;
use serde::Serialize;
use utoipa::ToSchema;

use crate::HostFacts;

/// The machine and its memory at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Host {
    hostname: String,
    kernel: String,
    /// Page size in bytes.
    page_size: u64,
    /// Number of processors.
    cpus: usize,
    memory: Memory,
    swap: Swap,
    pressure: Option<Pressure>,
}

/// The machine's memory: `programs + cached + kernel + free = total`.
#[derive(Debug, Serialize, ToSchema)]
struct Memory {
    total_bytes: u64,
    /// The kernel's estimate of what programs can still get without swapping.
    available_bytes: u64,
    free_bytes: u64,
    cached_bytes: u64,
    kernel_bytes: u64,
    programs_bytes: u64,
}

/// The machine's swap space.
#[derive(Debug, Serialize, ToSchema)]
struct Swap {
    total_bytes: u64,
    free_bytes: u64,
}

/// Memory pressure (PSI): percentage of the last ten seconds in which tasks waited for memory.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pressure {
    /// Percentage of the time in which at least one task waited.
    some_avg10: f64,
    /// Percentage of the time in which all tasks waited.
    full_avg10: f64,
}

impl Host {
    pub(crate) fn of(facts: &HostFacts, reading: &HostReading) -> Self {
        Self {
            hostname: facts.hostname.clone(),
            kernel: facts.kernel.clone(),
            page_size: facts.page_size,
            cpus: facts.cpus,
            memory: Memory {
                total_bytes: reading.total_bytes,
                available_bytes: reading.available_bytes,
                free_bytes: reading.free_bytes,
                cached_bytes: reading.cached_bytes,
                kernel_bytes: reading.kernel_bytes,
                programs_bytes: reading.programs_bytes,
            },
            swap: Swap { total_bytes: reading.swap.total_bytes, free_bytes: reading.swap.free_bytes },
            pressure: reading.pressure.map(Into::into),
        }
    }
}

impl From<memtap_model::Pressure> for Pressure {
    fn from(pressure: memtap_model::Pressure) -> Self {
        Self { some_avg10: pressure.some_avg10, full_avg10: pressure.full_avg10 }
    }
}
