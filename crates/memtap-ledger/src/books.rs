//! The books of one account: amounts by cause and by call. All amounts are bytes.

use memtap_model::Call;

/// What one call did for one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallTotals {
    /// Requests, refused ones too.
    pub count: u64,
    /// Sum of what the granted ones asked for.
    pub requested_bytes: u64,
    /// How many were refused.
    pub refused: u64,
}

/// Why a process has the virtual size that it has. `opening + granted - released + exec + stack + shared +
/// unexplained - ended` is its virtual size, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Books {
    /// What it had when it was first known: read by the snapshot, or copied by fork.
    pub opening_bytes: u64,
    /// What requests truly added.
    pub granted_bytes: u64,
    /// What requests truly took away.
    pub released_bytes: u64,
    /// New image less old image, over all execs.
    pub exec_bytes: i64,
    /// Growth of the stack outside any call.
    pub stack_bytes: i64,
    /// Changed by another process that shares the address space (between vfork and exec).
    pub shared_bytes: i64,
    /// Found at a reading and explained by no cause.
    pub unexplained_bytes: i64,
    /// What it still had when it ended.
    pub ended_bytes: u64,
    /// By call, in the order of the call table.
    pub calls: [CallTotals; Call::COUNT],
}

impl Books {
    /// The virtual size that the books explain.
    #[must_use]
    pub fn balance(&self) -> i128 {
        i128::from(self.opening_bytes) + i128::from(self.granted_bytes) - i128::from(self.released_bytes)
            + i128::from(self.exec_bytes)
            + i128::from(self.stack_bytes)
            + i128::from(self.shared_bytes)
            + i128::from(self.unexplained_bytes)
            - i128::from(self.ended_bytes)
    }

    /// All requests, refused ones too.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.calls.iter().map(|call| call.count).sum()
    }

    /// All refused requests.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.calls.iter().map(|call| call.refused).sum()
    }

    pub(crate) fn book_delta(&mut self, delta: i64) {
        if delta >= 0 {
            self.granted_bytes += delta.unsigned_abs();
        } else {
            self.released_bytes += delta.unsigned_abs();
        }
    }
}
