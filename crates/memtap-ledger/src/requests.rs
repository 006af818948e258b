//! A request of the stream with the identity of its process.

use memtap_model::{MemoryRequest, Outcome, Place, ProcessId, SizeRule};
use serde::{Deserialize, Serialize};

/// A booked request, as the stream, the store and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedRequest {
    /// The process that made the request.
    pub process: ProcessId,
    /// The request.
    pub request: MemoryRequest,
    /// Number of this process's requests lost since its previous one: the gap in the stream.
    pub lost_before: u32,
}

impl BookedRequest {
    /// Returns whether the kernel refused the request.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self.request.outcome, Outcome::Refused(_))
    }

    /// Returns the address of the memory that the request is about, or 0 if there is none.
    #[must_use]
    pub fn address(&self) -> u64 {
        let arguments = &self.request.arguments;
        match (self.request.call.row().place, self.request.outcome) {
            (Place::Answer | Place::AnswerOrSecond, Outcome::Granted(answer)) => answer,
            (Place::AnswerOrSecond, Outcome::Refused(_)) => arguments[1],
            (Place::First | Place::Answer, _) => arguments[0],
            (Place::Nowhere, _) => 0,
        }
    }

    /// Returns the bytes that count as requested. Refused requests, calls that do not ask for
    /// memory, and a brk that shrinks the heap count as 0.
    #[must_use]
    pub fn asked_bytes(&self) -> u64 {
        let row = self.request.call.row();
        let shrinks = row.size == SizeRule::Break && self.request.delta_bytes < 0;
        if self.refused() || shrinks || !row.asks { 0 } else { self.request.requested_bytes }
    }
}
