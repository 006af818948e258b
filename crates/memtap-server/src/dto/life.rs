//! Processes of a range of the history.

use std::sync::Arc;

use memtap_history::Life as Stored;
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use super::process::Resident;

/// The processes that existed in a time range, largest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lives {
    lives: Vec<Life>,
    /// Number of processes beyond those in the list.
    more: u64,
}

/// One process, restricted to the range.
#[derive(Debug, Serialize, ToSchema)]
struct Life {
    host: Arc<str>,
    pid: u32,
    start_time: Time,
    end_time: Option<Time>,
    /// Time of the last record of the process.
    seen_time: Time,
    name: String,
    command: String,
    user: String,
    parent_pid: Option<u32>,
    container: Option<String>,
    pod: Option<String>,
    unit: Option<String>,
    /// Sizes at the start of the range.
    before: Before,
    /// Virtual size in bytes at the end of the range, or at the end of the process if that came
    /// first. For a process that ended within its first step: the highest size.
    virtual_bytes: u64,
    /// Resident set in bytes, at the same time.
    resident_bytes: u64,
    /// Resident set by kind; all 0 if only the highest size is known.
    resident: Resident,
    swap_bytes: u64,
    /// Highest virtual size within the range.
    peak_virtual_bytes: u64,
    peak_virtual_time: Time,
    peak_resident_bytes: u64,
    peak_resident_time: Time,
    /// Requests within the range; the counters that follow also count within the range.
    requests: u64,
    refused: u64,
    requested_bytes: u64,
    granted_bytes: u64,
    released_bytes: u64,
    minor_faults: u64,
    major_faults: u64,
}

/// Sizes at the start of a range; 0 for a process that started later.
#[derive(Debug, Serialize, ToSchema)]
struct Before {
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl From<memtap_history::Lives> for Lives {
    fn from(found: memtap_history::Lives) -> Self {
        Self { lives: found.lives.into_iter().map(Life::from).collect(), more: found.more }
    }
}

impl From<Stored> for Life {
    fn from(life: Stored) -> Self {
        let (virtual_bytes, resident_bytes) = (life.virtual_bytes(), life.resident_bytes());
        let within = &life.within;
        let resident = memtap_model::Resident {
            anonymous_bytes: within.anonymous_bytes,
            file_bytes: within.file_bytes,
            shmem_bytes: within.shmem_bytes,
            swap_bytes: within.swap_bytes,
        };
        Self {
            host: life.host,
            pid: life.pid.0,
            start_time: Time(life.started_at),
            end_time: life.ended_at.map(Time),
            seen_time: Time(life.seen),
            name: life.name,
            command: life.command,
            user: life.user,
            parent_pid: life.parent.map(|parent| parent.0),
            container: life.container,
            pod: life.pod,
            unit: life.unit,
            before: Before {
                virtual_bytes: life.before_virtual_bytes,
                resident_bytes: life.before_resident_bytes,
            },
            virtual_bytes,
            resident_bytes,
            resident: resident.into(),
            swap_bytes: within.swap_bytes,
            peak_virtual_bytes: within.peak_virtual_bytes,
            peak_virtual_time: Time(life.peak_virtual_at),
            peak_resident_bytes: within.peak_resident_bytes,
            peak_resident_time: Time(life.peak_resident_at),
            requests: within.requests,
            refused: within.refused,
            requested_bytes: within.requested_bytes,
            granted_bytes: within.granted_bytes,
            released_bytes: within.released_bytes,
            minor_faults: within.minor_faults,
            major_faults: within.major_faults,
        }
    }
}
