//! Sources of observations, behind the port [`Source`]: the kernel by eBPF, or what /proc shows to an ordinary user; and of one
//! command that memtap starts ([`follow`]), also as its tracer.
//!
//! [`open`] chooses and opens a source, [`spawn`] reads it in one OS thread and hands over [`Batch`]es through a bounded
//! channel. The thread never waits for anything above it: what cannot be handed on stays in the kernel's ring, and what no
//! longer fits there is counted by the kernel side. So requests are lost in one place only.
//!
//! Architecture Invariant: nothing here knows of ledger, store or server. `bpf/driver.rs` alone touches aya; `probe.rs`
//! (plans) and `judgement.rs` judge facts and are pure; decoding is in memtap-model.

mod bpf;
mod clock;
mod command;
mod details;
mod error;
mod facts;
mod filter;
mod host;
mod judgement;
mod limits;
mod mappings;
mod probe;
mod procfs;
mod ptrace;
mod reader;
mod recording;
mod rest;
mod smaps;
mod source;
mod systemtap;

pub use bpf::{attempt, function_hook, trial};
pub use command::{Ending, Follow, FollowBy, follow};
pub use error::CaptureError;
pub use facts::{ClockFacts, Facts, FolderFacts, GroupVersion, facts, folder_facts};
pub use filter::Filter;
pub use host::read_host;
pub use judgement::{
    Attachment, Check, Group, NICE, Verdict, attempt_check, checks, fix_priority, folder_check, trial_check,
};
pub use limits::{LimitReader, read_limits};
pub use mappings::read_mappings;
pub use probe::{Hook, Plan, hooks_are_quick};
pub use procfs::started_at;
pub use reader::{Batch, ReaderHandle, spawn};
pub use recording::{MARK as RECORDING_MARK, Recorded, Recorder};
pub use smaps::read_proportional;
pub use source::{Machine, Opened, Settings, Source, SourceChoice, SourceKind, open};
pub use systemtap::{Damaged, ScriptLines};
