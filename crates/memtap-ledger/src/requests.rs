//! A request with what only the books know: how much was asked for, and what truly changed.

use memtap_model::{Call, MemoryRequest, Outcome, PageSize, ProcessId};

/// One request as booked: what the stream, the store and the API show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookedRequest {
    /// The process life it belongs to.
    pub process: ProcessId,
    /// The request.
    pub request: MemoryRequest,
    /// What the arguments asked for, rounded up to pages as the kernel does.
    pub requested_bytes: u64,
    /// What the process's virtual size changed by; 0 when refused.
    pub delta_bytes: i64,
}

impl BookedRequest {
    /// Whether the kernel refused it.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self.request.outcome, Outcome::Refused(_))
    }

    /// Where the memory is: the answer of a granted mmap or mremap, else the address that was given.
    #[must_use]
    pub fn address(&self) -> u64 {
        match (self.request.call, self.request.outcome) {
            (Call::Mmap | Call::Mremap, Outcome::Granted(answer)) => answer,
            _ => self.request.arguments[0],
        }
    }

    /// The bytes that count as asked for: those of a granted request of a call that asks, and growth only.
    #[must_use]
    pub fn asked_bytes(&self) -> u64 {
        let shrinks = self.request.call == Call::Brk && self.delta_bytes < 0;
        if self.refused() || shrinks || !self.request.call.asks() { 0 } else { self.requested_bytes }
    }
}

/// What `request` asked for. `brk_before` is the end of the heap before it; without it (a source that cannot tell)
/// a granted brk asked for what it changed.
pub(crate) fn requested_bytes(request: &MemoryRequest, brk_before: u64, delta: i64, page: PageSize) -> u64 {
    let length = match request.call {
        Call::Mmap | Call::Munmap => request.arguments[1],
        Call::Mremap => request.arguments[2],
        Call::Brk => return brk_distance(request, brk_before, delta, page),
    };
    page.round_up(length)
}

fn brk_distance(request: &MemoryRequest, brk_before: u64, delta: i64, page: PageSize) -> u64 {
    let asked = request.arguments[0];
    match request.outcome {
        _ if asked == 0 => 0,
        Outcome::Granted(_) if brk_before == 0 => delta.unsigned_abs(),
        Outcome::Granted(_) => page.round_up(asked).abs_diff(page.round_up(brk_before)),
        Outcome::Refused(_) => page.round_up(asked).abs_diff(page.round_up(request.brk)),
    }
}
