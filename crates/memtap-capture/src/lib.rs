//! Sources of observations behind the trait [`Source`]: the kernel through eBPF, what /proc shows
//! to an ordinary user, a SystemTap script, or a recording. [`follow`] starts one command and
//! follows it, through eBPF or as its tracer.
//!
//! [`open`] chooses and opens a source. [`spawn`] reads it in one OS thread and passes on
//! [`Batch`]es through a bounded channel. The thread never waits for anything above it: records
//! that it cannot pass on stay in the kernel's ring, and the kernel side counts records that do not
//! fit there. Requests are therefore lost in one place only.
//!
//! Architecture Invariant: nothing here depends on ledger, store or server. Only `bpf/driver.rs`
//! uses aya. `probe.rs` (plans) and `judgement.rs` evaluate facts and are pure. Decoding is in
//! memtap-model.

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
mod poll_interval;
mod probe;
mod procfs;
mod ptrace;
mod reader;
mod recording;
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
