//! One request.

use std::sync::Arc;

use memtap_history::StoredRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// One memory request with its outcome.
#[derive(Debug, Serialize, ToSchema)]
pub struct Request {
    /// Name of the machine; null in the live view, which shows this machine.
    pub host: Option<Arc<str>>,
    /// Time at which the call returned.
    pub timestamp: Time,
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Name of the thread at that time.
    pub process_name: String,
    /// The memory system call.
    #[schema(value_type = CallName)]
    pub call: &'static str,
    /// Requested bytes, rounded up to whole pages: the length for mmap and munmap, the new length
    /// for mremap, the distance from the old break for brk.
    pub memory_size: u64,
    /// Address of the memory, for example `0x7f0000000000`; `0x0` for calls without one.
    #[schema(pattern = "^0x[0-9a-f]+$")]
    pub address: String,
    /// Actual change of the virtual size; 0 if refused.
    pub delta_bytes: i64,
    /// Errno of a refused request; null if granted.
    pub errno: Option<u16>,
    /// Name of the errno, for example `ENOMEM`.
    pub error: Option<String>,
    /// Virtual size after the request.
    pub virtual_bytes: u64,
    /// Protection and flags in text form: `PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS`.
    pub arguments: String,
    /// Name of the mapped file without directories, at most 63 bytes.
    pub file: Option<Arc<str>>,
    /// Number of requests of the process that are missing just before this one.
    pub lost_before: u32,
}

impl Request {
    /// The names of its fields, in their order.
    pub const COLUMNS: [&str; 15] = [
        "host",
        "timestamp",
        "pid",
        "tid",
        "process_name",
        "call",
        "memory_size",
        "address",
        "delta_bytes",
        "errno",
        "error",
        "virtual_bytes",
        "arguments",
        "file",
        "lost_before",
    ];
}

impl From<&StoredRequest> for Request {
    fn from(request: &StoredRequest) -> Self {
        Self {
            host: (!request.host.is_empty()).then(|| Arc::clone(&request.host)),
            timestamp: Time(request.time),
            pid: request.pid.0,
            tid: request.tid.0,
            process_name: request.name.to_text(),
            call: request.call.name(),
            memory_size: request.requested_bytes,
            address: format!("{:#x}", request.address),
            delta_bytes: request.delta_bytes,
            errno: request.errno.map(|errno| errno.0),
            error: request.errno.map(|errno| errno.to_string()),
            virtual_bytes: request.virtual_bytes,
            arguments: request.call.describe(request.protection, request.flags),
            file: request.file.clone(),
            lost_before: request.lost_before,
        }
    }
}
