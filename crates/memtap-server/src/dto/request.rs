//! One request.

use std::sync::Arc;

use memtap_store::StoredRequest;
use serde::Serialize;

use super::time;

/// One request with its outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Request {
    host: Option<Arc<str>>,
    timestamp: String,
    pid: u32,
    tid: u32,
    process_name: String,
    call: &'static str,
    memory_size: u64,
    address: String,
    delta_bytes: i64,
    errno: Option<u16>,
    error: Option<String>,
    virtual_bytes: u64,
    arguments: String,
    file: Option<Arc<str>>,
    lost_before: u32,
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
