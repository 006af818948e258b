//! The machine and its memory.

use memtap_api::Host;
use memtap_model::HostReading;

use crate::HostFacts;

pub(crate) fn host(facts: &HostFacts, reading: &HostReading) -> Host {
    Host {
        hostname: facts.hostname.clone(),
        kernel: facts.kernel.clone(),
        page_size: facts.page_size,
        cpus: facts.cpus,
        memory: reading.into(),
        swap: reading.swap.into(),
        pressure: reading.pressure.map(Into::into),
    }
}
