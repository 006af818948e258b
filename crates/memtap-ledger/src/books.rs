//! The books of one account: amounts by cause and by call. All amounts are bytes.

use std::sync::Arc;

use memtap_model::{Call, CallTotals, Causes, Refusals};
use serde::{Deserialize, Serialize};

/// Why a process has the virtual size that it has. `opening + granted - released + exec + stack + kernel + shared +
/// unexplained - ended` is its virtual size, always.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Books {
    /// What it had when it was first known: read by the snapshot, or copied by fork.
    pub opening_bytes: u64,
    /// What requests truly added.
    pub granted_bytes: u64,
    /// What requests truly took away.
    pub released_bytes: u64,
    /// New image less old image, over all execs.
    pub exec_bytes: i64,
    /// Growth of stacks outside any call.
    pub stack_bytes: i64,
    /// By calls that are not followed (an AIO ring, a driver's ioctl), and by the kernel on its own.
    pub kernel_bytes: i64,
    /// Changed by another process that shares the address space (between vfork and exec).
    pub shared_bytes: i64,
    /// Found at a reading and explained by no cause.
    pub unexplained_bytes: i64,
    /// What it still had when it ended.
    pub ended_bytes: u64,
    /// By call, in the order of the call table; exact whatever the stream loses.
    pub calls: [CallTotals; Call::COUNT],
    /// Refused requests by call and errno.
    pub refusals: Arc<[Refusals]>,
    /// Further ones, of pairs beyond those that are told apart.
    pub refusals_beyond: u64,
    /// Requests that are in these sums and missing in the stream.
    pub lost: u64,
}

impl Books {
    /// With what the process has.
    pub(crate) fn open(opening_bytes: u64) -> Self {
        Self { opening_bytes, ..Self::default() }
    }

    /// The virtual size that the books explain.
    #[must_use]
    pub fn balance(&self) -> i128 {
        i128::from(self.opening_bytes) + i128::from(self.granted_bytes) - i128::from(self.released_bytes)
            + i128::from(self.exec_bytes)
            + i128::from(self.stack_bytes)
            + i128::from(self.kernel_bytes)
            + i128::from(self.shared_bytes)
            + i128::from(self.unexplained_bytes)
            - i128::from(self.ended_bytes)
    }

    /// The balance as a size.
    #[must_use]
    pub fn virtual_bytes(&self) -> u64 {
        u64::try_from(self.balance()).unwrap_or(0)
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

    /// Takes over what the kernel side has booked since the account was opened.
    pub(crate) fn take(&mut self, causes: &Causes) {
        self.granted_bytes = causes.granted_bytes;
        self.released_bytes = causes.released_bytes;
        self.exec_bytes = causes.exec_bytes;
        self.stack_bytes = causes.stack_bytes;
        self.kernel_bytes = causes.kernel_bytes;
        self.shared_bytes = causes.shared_bytes;
    }

    /// Whether taking them would change nothing.
    pub(crate) fn have(&self, causes: &Causes) -> bool {
        (self.granted_bytes, self.released_bytes) == (causes.granted_bytes, causes.released_bytes)
            && (self.exec_bytes, self.stack_bytes) == (causes.exec_bytes, causes.stack_bytes)
            && (self.kernel_bytes, self.shared_bytes) == (causes.kernel_bytes, causes.shared_bytes)
    }
}

/// The books of two processes as if they were one's.
impl std::ops::AddAssign<&Self> for Books {
    fn add_assign(&mut self, more: &Self) {
        let mut refusals = self.refusals.to_vec();
        for added in more.refusals.iter() {
            match refusals.iter_mut().find(|one| (one.call, one.errno) == (added.call, added.errno)) {
                Some(one) => one.count += added.count,
                None => refusals.push(*added),
            }
        }
        let mut calls = self.calls;
        for (call, added) in calls.iter_mut().zip(more.calls) {
            *call += added;
        }
        *self = Self {
            opening_bytes: self.opening_bytes.saturating_add(more.opening_bytes),
            granted_bytes: self.granted_bytes.saturating_add(more.granted_bytes),
            released_bytes: self.released_bytes.saturating_add(more.released_bytes),
            exec_bytes: self.exec_bytes.saturating_add(more.exec_bytes),
            stack_bytes: self.stack_bytes.saturating_add(more.stack_bytes),
            kernel_bytes: self.kernel_bytes.saturating_add(more.kernel_bytes),
            shared_bytes: self.shared_bytes.saturating_add(more.shared_bytes),
            unexplained_bytes: self.unexplained_bytes.saturating_add(more.unexplained_bytes),
            ended_bytes: self.ended_bytes.saturating_add(more.ended_bytes),
            calls,
            refusals: refusals.into(),
            refusals_beyond: self.refusals_beyond.saturating_add(more.refusals_beyond),
            lost: self.lost.saturating_add(more.lost),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtap_model::Errno;

    #[test]
    fn books_add_up() {
        let refused = |count| Refusals { call: Call::Mmap, errno: Errno::ENOMEM, count };
        let mut sum = Books { opening_bytes: 10, stack_bytes: -3, ..Books::default() };
        sum.refusals = [refused(2)].into();
        sum.calls[0] = CallTotals { count: 5, requested_bytes: 50, refused: 2 };
        let other = Books { ended_bytes: 4, ..sum.clone() };
        let both = sum.balance() + other.balance();
        sum += &other;
        assert_eq!((sum.balance(), sum.requests(), sum.refused()), (both, 10, 4));
        assert_eq!(&*sum.refusals, [refused(4)]);
    }
}
