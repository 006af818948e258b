//! A request as read from the store.

use std::sync::Arc;

use memtap_api::{Address, Request, Time, error_name};
use memtap_model::{Call, Comm, Errno, Tgid, Tid, WallClock};

/// A row of the table of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRequest {
    /// Name of the machine; empty for a row of the original system, which had no such column.
    pub host: Arc<str>,
    /// Time at which the call returned.
    pub time: WallClock,
    /// The process.
    pub pid: Tgid,
    /// The thread.
    pub tid: Tid,
    /// Name of the thread at that time.
    pub name: Comm,
    /// The call.
    pub call: Call,
    /// The argument with the protection, if the call has one.
    pub protection: Option<u64>,
    /// The argument with the flags, if the call has one.
    pub flags: Option<u64>,
    /// Name of the mapped file without directories.
    pub file: Option<Arc<str>>,
    /// Requested bytes, in whole pages.
    pub requested_bytes: u64,
    /// Address of the memory; 0 for calls without one.
    pub address: u64,
    /// Actual change of the virtual size in bytes.
    pub delta_bytes: i64,
    /// Errno of a refused request.
    pub errno: Option<Errno>,
    /// Virtual size after the request in bytes.
    pub virtual_bytes: u64,
    /// Number of requests of the process that are missing just before this one.
    pub lost_before: u32,
}

impl From<StoredRequest> for Request {
    fn from(stored: StoredRequest) -> Self {
        Self {
            host: (!stored.host.is_empty()).then_some(stored.host),
            timestamp: Time(stored.time),
            pid: stored.pid.0,
            tid: stored.tid.0,
            process_name: stored.name.to_text(),
            call: stored.call.into(),
            memory_size: stored.requested_bytes,
            address: Address(stored.address),
            delta_bytes: stored.delta_bytes,
            errno: stored.errno.map(|errno| errno.0),
            error: stored.errno.map(error_name),
            virtual_bytes: stored.virtual_bytes,
            arguments: stored.call.describe(stored.protection, stored.flags),
            file: stored.file,
            lost_before: stored.lost_before,
        }
    }
}
