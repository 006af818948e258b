//! OOM kills.

use std::sync::Arc;

use memtap_ledger::{Moment, OomReport, ProcessSummary};
use memtap_model::Container;
use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::Time;

/// OOM kills, latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct OomKills {
    /// The kills.
    pub oom_kills: Vec<OomKill>,
}

/// An OOM kill: the victim, the process that triggered it, and the largest processes in the seconds
/// before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct OomKill {
    /// Time of the kill.
    pub timestamp: Time,
    /// Process id of the victim.
    pub pid: u32,
    /// Name of the victim. Untrusted text.
    pub process_name: String,
    /// Command line of the victim; empty if unknown. Untrusted text.
    pub command: Arc<str>,
    /// `runtime:id`.
    pub container: Option<String>,
    /// Virtual size of the victim.
    pub virtual_bytes: u64,
    /// Resident set of the victim.
    pub resident_bytes: u64,
    /// Swapped memory of the victim.
    pub swap_bytes: u64,
    /// Process id of the process whose page request triggered the kill.
    pub asker_pid: u32,
    /// Name of that process. Untrusted text.
    pub asker_name: String,
    /// The last seconds before the kill, earliest first.
    pub before: Vec<OomMoment>,
}

/// One of the seconds before the kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct OomMoment {
    /// Time of the reading.
    pub timestamp: Time,
    /// Available memory of the machine.
    pub available_bytes: u64,
    /// The processes with the largest resident sets, largest first.
    pub largest: Vec<Large>,
}

/// A process with a large resident set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Large {
    /// Process id.
    pub pid: u32,
    /// Name of the process. Untrusted text.
    pub name: String,
    /// Virtual size in bytes.
    pub virtual_bytes: u64,
    /// Resident set in bytes.
    pub resident_bytes: u64,
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
            container: container.map(Container::label),
            virtual_bytes: kill.virtual_bytes,
            resident_bytes: kill.resident.set_bytes(),
            swap_bytes: kill.resident.swap_bytes,
            asker_pid: kill.asker.0,
            asker_name: kill.asker_name.to_text(),
            before: report.before.iter().map(|moment| OomMoment::from(&**moment)).collect(),
        }
    }
}

impl From<&Moment> for OomMoment {
    fn from(moment: &Moment) -> Self {
        let large = |summary: &Arc<ProcessSummary>| Large {
            pid: summary.process.tgid.0,
            name: summary.name.to_text(),
            virtual_bytes: summary.virtual_bytes,
            resident_bytes: summary.resident.set_bytes(),
        };
        Self {
            timestamp: Time(moment.at),
            available_bytes: moment.host.available_bytes,
            largest: moment.largest.iter().map(large).collect(),
        }
    }
}
