//! One request.

use std::sync::Arc;

use memtap_store::StoredRequest;
use serde::Serialize;

use super::time;

/// One request with its outcome: `docs/api.md` says what the fields are.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "docs/api.md has them")]
pub struct Request {
    pub host: Option<Arc<str>>,
    pub timestamp: String,
    pub pid: u32,
    pub tid: u32,
    pub process_name: String,
    pub call: &'static str,
    pub memory_size: u64,
    pub address: String,
    pub delta_bytes: i64,
    pub errno: Option<u16>,
    pub error: Option<String>,
    pub virtual_bytes: u64,
    pub arguments: String,
    pub file: Option<Arc<str>>,
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
            timestamp: time(request.time),
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
