//! A request of the stream, with the process life that it belongs to.

use memtap_model::{MemoryRequest, Outcome, Place, ProcessId, SizeRule};
use serde::{Deserialize, Serialize};

/// One request as booked: what the stream, the store and the API show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedRequest {
    /// The process life it belongs to.
    pub process: ProcessId,
    /// The request.
    pub request: MemoryRequest,
    /// Requests of this process that were lost between the one before and this one: a gap in the stream.
    pub lost_before: u32,
}

impl BookedRequest {
    /// Whether the kernel refused it.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self.request.outcome, Outcome::Refused(_))
    }

    /// Where the memory is that it is about; 0 when it is about none.
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

    /// The bytes that count as asked for: those of a granted request of a call that asks, and of brk growth only.
    #[must_use]
    pub fn asked_bytes(&self) -> u64 {
        let row = self.request.call.row();
        let shrinks = row.size == SizeRule::Break && self.request.delta_bytes < 0;
        if self.refused() || shrinks || !row.asks { 0 } else { self.request.requested_bytes }
    }
}
