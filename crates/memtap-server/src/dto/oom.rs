//! One OOM kill.

use memtap_history::{StoredMoment, StoredOomKill};
use memtap_ledger::{Moment, OomReport, ProcessSummary};
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// An OOM kill: the victim, the process that triggered it, and the largest processes in the seconds
/// before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OomKill {
    timestamp: Time,
    /// Process id of the victim.
    pid: u32,
    process_name: String,
    command: std::sync::Arc<str>,
    /// `runtime:id`.
    container: Option<String>,
    virtual_bytes: u64,
    resident_bytes: u64,
    swap_bytes: u64,
    /// Process id of the process whose page request triggered the kill.
    asker_pid: u32,
    asker_name: String,
    /// The last seconds before the kill, earliest first.
    before: Vec<OomMoment>,
}

/// One of the seconds before the kill.
#[derive(Debug, Serialize, ToSchema)]
struct OomMoment {
    timestamp: Time,
    available_bytes: u64,
    /// The processes with the largest resident sets, largest first.
    largest: Vec<Large>,
}

/// A process with a large resident set.
#[derive(Debug, Serialize, ToSchema)]
struct Large {
    pid: u32,
    name: String,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl From<&OomReport> for OomKill {
    fn from(report: &OomReport) -> Self {
        let kill = &report.kill;
        let victim = report.victim.as_deref();
        let container = victim.and_then(|victim| victim.runs_in.container.as_ref());
        Self {
            timestamp: Time(kill.time),
            pid: kill.victim.0,
            process_name: kill.victim_name.to_text(),
            command: victim.map(|victim| victim.command.clone()).unwrap_or_default(),
            container: container.map(memtap_model::Container::label),
            virtual_bytes: kill.virtual_bytes,
            resident_bytes: kill.resident.set_bytes(),
            swap_bytes: kill.resident.swap_bytes,
            asker_pid: kill.asker.0,
            asker_name: kill.asker_name.to_text(),
            before: report.before.iter().map(|moment| before(moment)).collect(),
        }
    }
}

impl From<StoredOomKill> for OomKill {
    fn from(kill: StoredOomKill) -> Self {
        Self {
            timestamp: Time(kill.time),
            pid: kill.victim.0,
            process_name: kill.victim_name,
            command: kill.command.into(),
            container: kill.container,
            virtual_bytes: kill.virtual_bytes,
            resident_bytes: kill.resident.set_bytes(),
            swap_bytes: kill.resident.swap_bytes,
            asker_pid: kill.asker.0,
            asker_name: kill.asker_name,
            before: kill.before.into_iter().map(OomMoment::from).collect(),
        }
    }
}

impl From<StoredMoment> for OomMoment {
    fn from(moment: StoredMoment) -> Self {
        let large = |(pid, name, virtual_bytes, resident_bytes): (memtap_model::Tgid, String, u64, u64)| {
            Large { pid: pid.0, name, virtual_bytes, resident_bytes }
        };
        Self {
            timestamp: Time(moment.time),
            available_bytes: moment.available_bytes,
            largest: moment.largest.into_iter().map(large).collect(),
        }
    }
}

fn before(moment: &Moment) -> OomMoment {
    let large = |summary: &std::sync::Arc<ProcessSummary>| Large {
        pid: summary.process.tgid.0,
        name: summary.name.to_text(),
        virtual_bytes: summary.virtual_bytes,
        resident_bytes: summary.resident.set_bytes(),
    };
    OomMoment {
        timestamp: Time(moment.at),
        available_bytes: moment.host.available_bytes,
        largest: moment.largest.iter().map(large).collect(),
    }
}
