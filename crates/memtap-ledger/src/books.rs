//! Books of one account: bytes by cause and by call.

use std::sync::Arc;

use memtap_model::{Call, CallTotals, Causes, Refusals};
use serde::{Deserialize, Serialize};

/// Virtual size of a process by cause. The virtual size is always `opening + granted - released +
/// exec + stack + kernel + shared + unexplained - ended`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Books {
    /// Virtual size when memtap first knew the process: read from the kernel, or copied by fork.
    pub opening_bytes: u64,
    /// Bytes by which requests increased the virtual size.
    pub granted_bytes: u64,
    /// Bytes by which requests decreased the virtual size.
    pub released_bytes: u64,
    /// Size of the new image less that of the old one, summed over all execs.
    pub exec_bytes: i64,
    /// Growth of stacks outside calls.
    pub stack_bytes: i64,
    /// Change by calls that memtap does not follow (an AIO ring, a driver's ioctl), and by the
    /// kernel itself.
    pub kernel_bytes: i64,
    /// Change by another process that shares the address space (between vfork and exec).
    pub shared_bytes: i64,
    /// Difference found by readings that no cause explains.
    pub unexplained_bytes: i64,
    /// Virtual size when the process ended.
    pub ended_bytes: u64,
    /// Totals by call, in the order of the call table. They are exact even if the stream loses
    /// records.
    pub calls: [CallTotals; Call::COUNT],
    /// Refused requests by call and errno.
    pub refusals: Arc<[Refusals]>,
    /// Refused requests with other pairs of call and errno, which are not counted by pair.
    pub refusals_beyond: u64,
    /// Requests that these sums include and the stream does not.
    pub lost: u64,
}

impl Books {
    /// Creates books that contain only the opening.
    pub(crate) fn open(opening_bytes: u64) -> Self {
        Self { opening_bytes, ..Self::default() }
    }

    /// Returns the virtual size that the books add up to, bytes.
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

    /// Returns the balance as a size; 0 if it is negative.
    #[must_use]
    pub fn virtual_bytes(&self) -> u64 {
        u64::try_from(self.balance()).unwrap_or(0)
    }

    /// Number of all requests, including refused ones.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.calls.iter().map(|call| call.count).sum()
    }

    /// Number of refused requests.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.calls.iter().map(|call| call.refused).sum()
    }

    /// Sets the causes to the amounts that the kernel side has booked since it opened the account.
    pub(crate) fn set_causes(&mut self, causes: &Causes) {
        self.granted_bytes = causes.granted_bytes;
        self.released_bytes = causes.released_bytes;
        self.exec_bytes = causes.exec_bytes;
        self.stack_bytes = causes.stack_bytes;
        self.kernel_bytes = causes.kernel_bytes;
        self.shared_bytes = causes.shared_bytes;
    }

    /// Returns whether the books already contain these causes.
    pub(crate) fn has_causes(&self, causes: &Causes) -> bool {
        (self.granted_bytes, self.released_bytes) == (causes.granted_bytes, causes.released_bytes)
            && (self.exec_bytes, self.stack_bytes) == (causes.exec_bytes, causes.stack_bytes)
            && (self.kernel_bytes, self.shared_bytes) == (causes.kernel_bytes, causes.shared_bytes)
    }
}

/// Adds the books of another process.
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
