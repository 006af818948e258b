//! One request.

use std::sync::Arc;

use memtap_store::StoredRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::{CallName, Time};

/// One request with its outcome.
#[derive(Debug, Serialize, ToSchema)]
pub struct Request {
    /// The machine's name; null where it is the live view's, this one's.
    pub host: Option<Arc<str>>,
    /// When it came back.
    pub timestamp: Time,
    /// Whose it is.
    pub pid: u32,
    /// Of which thread.
    pub tid: u32,
    /// Name of the process then.
    pub process_name: String,
    /// Which call.
    #[schema(value_type = CallName)]
    pub call: &'static str,
    /// What the arguments asked for, in whole pages: mmap and munmap the length, mremap the new length, brk the distance from the
    /// break as it was.
    pub memory_size: u64,
    /// Where the memory is, `0x7f0000000000`; `0x0` where a call is about none.
    #[schema(pattern = "^0x[0-9a-f]+$")]
    pub address: String,
    /// What the virtual size truly changed by; 0 when refused.
    pub delta_bytes: i64,
    /// Why it was refused; null when it was granted.
    pub errno: Option<u16>,
    /// The errno's name, `ENOMEM`.
    pub error: Option<String>,
    /// The virtual size afterwards.
    pub virtual_bytes: u64,
    /// Protection and flags, decoded: `PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS`.
    pub arguments: String,
    /// The own name of a mapped file, without folders, at most 63 bytes.
    pub file: Option<Arc<str>>,
    /// So many requests of its process are missing just before this one.
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
