//! The machine and its memory.

use memtap_model::HostReading;
use serde::Serialize;

use crate::HostFacts;

/// The machine at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Host {
    hostname: String,
    kernel: String,
    page_size: u64,
    cpus: usize,
    memory: Memory,
    swap: Swap,
    pressure: Option<Pressure>,
}

#[derive(Debug, Serialize)]
struct Memory {
    total_bytes: u64,
    available_bytes: u64,
    free_bytes: u64,
    cached_bytes: u64,
    kernel_bytes: u64,
    programs_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Swap {
    total_bytes: u64,
    free_bytes: u64,
}

/// Share of the last ten seconds in which tasks waited for memory, percent.
#[derive(Debug, Serialize)]
pub(crate) struct Pressure {
    some_avg10: f64,
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
