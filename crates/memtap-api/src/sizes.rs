//! Requested sizes, and refused requests.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
#[cfg(feature = "openapi")]
use utoipa::ToSchema;

use crate::{CallName, Time};

/// Requests by call and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Sizes {
    /// Histogram, sorted by call and then by size.
    pub buckets: Vec<SizeBucket>,
    /// Most frequent sizes, most frequent first.
    pub frequent: Vec<FrequentSize>,
    /// Number of requests that were counted.
    pub rows: u64,
    /// Time of the oldest request that was counted.
    pub since: Option<Time>,
    /// True if the range has more requests than were counted.
    pub cut: bool,
}

/// Requests of at least `from_bytes` and less than twice that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct SizeBucket {
    /// The memory system call.
    pub call: CallName,
    /// Smallest size of the bucket; 0 for requests of zero bytes.
    pub from_bytes: u64,
    /// All requests, refused ones included.
    pub count: u64,
    /// Refused requests.
    pub refused: u64,
    /// Sum of the requested bytes.
    pub bytes: u64,
}

/// Requests of one call and one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct FrequentSize {
    /// The memory system call.
    pub call: CallName,
    /// Requested bytes.
    pub size: u64,
    /// Number of requests.
    pub count: u64,
}

/// Refused requests, latest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct RefusalList {
    /// The refused requests by process, call and errno.
    pub refusals: Vec<Refused>,
}

/// Refused requests with the same process, call and errno.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(ToSchema))]
pub struct Refused {
    /// Name of the machine.
    pub host: Arc<str>,
    /// Process id.
    pub pid: u32,
    /// Start time of the process.
    pub start_time: Time,
    /// Name of the thread that made the latest of these requests.
    pub name: String,
    /// The memory system call.
    pub call: CallName,
    /// Number of the errno.
    pub errno: u16,
    /// Name of the errno, for example `ENOMEM`.
    pub error: Cow<'static, str>,
    /// Meaning of the errno for this call, as text.
    pub meaning: String,
    /// How to fix it; null for refusals that programs expect or that do no harm.
    pub fix: Option<String>,
    /// The same text as `fix`, under its former name.
    #[cfg_attr(feature = "openapi", schema(deprecated))]
    pub mend: Option<String>,
    /// Number of requests.
    pub count: u64,
    /// Largest requested size.
    pub largest_bytes: u64,
    /// Time of the first request.
    pub first_time: Time,
    /// Time of the latest request.
    pub last_time: Time,
}
