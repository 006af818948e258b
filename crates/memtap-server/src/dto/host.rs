//! The machine and its memory.

use memtap_model::HostReading;
use serde::Serialize;
use utoipa::ToSchema;

use crate::HostFacts;

/// The machine at one moment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Host {
    hostname: String,
    kernel: String,
    /// Bytes of a page.
    page_size: u64,
    /// Processors.
    cpus: usize,
    memory: Memory,
    swap: Swap,
    pressure: Option<Pressure>,
}

/// The machine's memory: `programs + cached + kernel + free = total`.
#[derive(Debug, Serialize, ToSchema)]
struct Memory {
    total_bytes: u64,
    /// What programs could still have without swapping, by the kernel's estimate.
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

/// Time lost by waiting for memory (the kernel's PSI), percent of the last ten seconds.
#[derive(Debug, Serialize, ToSchema)]
struct Pressure {
    /// In which some waited.
    some_avg10: f64,
    /// In which all waited.
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
            pressure: reading.pressure.map(|pressure| Pressure {
                some_avg10: pressure.some_avg10,
                full_avg10: pressure.full_avg10,
            }),
        }
    }
}
