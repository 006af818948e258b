//! One request.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use memtap_ledger::BookedRequest;
use memtap_model::Outcome;
use serde::{Deserialize, Serialize, Serializer};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::process::error_name;
use crate::{CallName, Time};

/// A page of requests, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Requests {
    /// The requests.
    pub requests: Vec<Request>,
    /// Cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// One memory request with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
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
    pub call: CallName,
    /// Requested bytes, rounded up to whole pages: the length for mmap and munmap, the new length
    /// for mremap, the distance from the old break for brk.
    pub memory_size: u64,
    /// Address of the memory, for example `0x7f0000000000`; `0x0` for calls without one.
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^0x[0-9a-f]+$"))]
    pub address: Address,
    /// Actual change of the virtual size; 0 if refused.
    pub delta_bytes: i64,
    /// Errno of a refused request; null if granted.
    pub errno: Option<u16>,
    /// Name of the errno, for example `ENOMEM`.
    pub error: Option<Cow<'static, str>>,
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
    /// Names of the fields, in their order: the columns of exports.
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

impl From<&BookedRequest> for Request {
    /// A request of this machine.
    fn from(booked: &BookedRequest) -> Self {
        let request = &booked.request;
        let (protection, flags) = request.words();
        let errno = match request.outcome {
            Outcome::Refused(errno) => Some(errno),
            Outcome::Granted(_) => None,
        };
        Self {
            host: None,
            timestamp: Time(request.time),
            pid: request.tgid.0,
            tid: request.tid.0,
            process_name: request.name.to_text(),
            call: request.call.into(),
            memory_size: request.requested_bytes,
            address: Address(booked.address()),
            delta_bytes: request.delta_bytes,
            errno: errno.map(|errno| errno.0),
            error: errno.map(error_name),
            virtual_bytes: request.virtual_bytes,
            arguments: request.call.describe(protection, flags),
            file: request.file.clone(),
            lost_before: booked.lost_before,
        }
    }
}

/// An address, on the wire in hexadecimal form: `0x7f0000000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub u64);

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        digits.map(Self).ok_or("must be a hexadecimal address such as 0x7f0000000000")
    }
}

impl Display for Address {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{:#x}", self.0))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
