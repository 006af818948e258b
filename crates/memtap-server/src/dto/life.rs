//! Processes of a range of the history.

use std::sync::Arc;

use memtap_store::Life as Stored;
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use super::process::Resident;

/// The processes that lived within a range, the largest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lives {
    lives: Vec<Life>,
    /// How many more there are.
    more: u64,
}

/// One process, as far as its life lies within the range.
#[derive(Debug, Serialize, ToSchema)]
struct Life {
    host: Arc<str>,
    pid: u32,
    start_time: Time,
    end_time: Option<Time>,
    /// The last time that was told of it.
    seen_time: Time,
    name: String,
    command: String,
    user: String,
    parent_pid: Option<u32>,
    container: Option<String>,
    pod: Option<String>,
    unit: Option<String>,
    /// What it had where the range begins.
    before: Before,
    /// At the range's end, or at its own; bytes. Of a process that ended within the first step that tells of it, the highest.
    virtual_bytes: u64,
    /// The same.
    resident_bytes: u64,
    /// By kind; all 0 where only the highest is known.
    resident: Resident,
    swap_bytes: u64,
    /// The highest within the range.
    peak_virtual_bytes: u64,
    peak_virtual_time: Time,
    peak_resident_bytes: u64,
    peak_resident_time: Time,
    /// What was done within the range.
    requests: u64,
    refused: u64,
    requested_bytes: u64,
    granted_bytes: u64,
    released_bytes: u64,
    minor_faults: u64,
    major_faults: u64,
}

/// Sizes where a range begins; 0 of a process that began later.
#[derive(Debug, Serialize, ToSchema)]
struct Before {
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl From<memtap_store::Lives> for Lives {
    fn from(found: memtap_store::Lives) -> Self {
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
