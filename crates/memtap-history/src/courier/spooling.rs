//! Deliveries on their way to disk and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Courier, RETRY};
use crate::spool::{Damage, NotPut, Spool};
use crate::{Delivery, DropCause};

/// The store makes progress only between two pieces of this length.
const AT_ONCE: Duration = Duration::from_millis(20);

impl Courier {
    /// Puts a delivery on disk; where there is no room, it stays in memory.
    pub(super) fn spool_or_hold(&mut self, delivery: Arc<Delivery>) {
        if self.put(&delivery) {
            self.count_out(delivery.requests());
        } else {
            self.held = Some(delivery);
        }
    }

    /// Moves the queue to disk, as far as there is room; what is under way stays the first. An answer of the store ends it, so that a stream
    /// that comes without end does not keep the store waiting.
    pub(super) fn spool_all(&mut self) {
        if self.spool.is_none() {
            return;
        }
        if let Some(delivery) =
            self.flying.as_ref().filter(|flying| !flying.spooled).map(|flying| Arc::clone(&flying.delivery))
        {
            if !self.put(&delivery) {
                return;
            }
            self.count_out(delivery.requests());
            if let Some(flying) = &mut self.flying {
                flying.spooled = true;
            }
        }
        let begin = Instant::now();
        while let Some(delivery) = self.held.take().or_else(|| self.next()) {
            if !self.put(&delivery) {
                self.held = Some(delivery);
                return;
            }
            self.count_out(delivery.requests());
            if !self.ending && begin.elapsed() >= AT_ONCE {
                return;
            }
        }
    }

    /// Puts a delivery on disk; `false` when it cannot be.
    fn put(&mut self, delivery: &Delivery) -> bool {
        let Some(spool) = &mut self.spool else { return false };
        let requests = u32::try_from(delivery.requests()).unwrap_or(u32::MAX);
        let put = match postcard::to_stdvec(delivery) {
            Ok(bytes) => spool.put(&bytes, requests),
            Err(error) => Err(NotPut::Disk(std::io::Error::other(error))),
        };
        let cause = match put {
            Ok(()) => None,
            Err(NotPut::Full) => Some(DropCause::SpoolFull),
            Err(NotPut::Disk(error)) => {
                if self.shared.lock().cause != Some(DropCause::SpoolFailed) {
                    tracing::error!("cannot write the spool: {error}");
                }
                Some(DropCause::SpoolFailed)
            }
        };
        self.note_spool(cause);
        cause.is_none()
    }

    /// The first delivery on disk that can be read; what is damaged before it is counted.
    pub(super) fn first_spooled(&mut self) -> Option<Delivery> {
        loop {
            let spool = self.spool.as_mut()?;
            let first = spool.first();
            let mut damage = spool.take_damage();
            let delivery = match first {
                Ok(None) => None,
                Ok(Some((bytes, waited))) => match postcard::from_bytes::<Delivery>(&bytes) {
                    Ok(delivery) => Some((delivery, waited)),
                    Err(error) => {
                        tracing::error!("cannot read a record of the spool: {error}");
                        let before = spool.requests();
                        self.forget_first_spooled();
                        damage.requests += before - self.spool.as_ref().map_or(0, Spool::requests);
                        self.damaged(damage);
                        continue;
                    }
                },
                Err(error) => {
                    self.unreadable(&error);
                    None
                }
            };
            self.damaged(damage);
            let (delivery, waited) = delivery?;
            self.shared.lock().oldest = Instant::now().checked_sub(waited);
            return Some(delivery);
        }
    }

    fn damaged(&self, damage: Damage) {
        if damage.records > 0 {
            tracing::error!("the spool contains {} damaged records", damage.records);
        }
        let cause = self.shared.lock().cause;
        self.note_spool(cause);
        self.shared.lock().count_dropped(DropCause::SpoolDamaged, damage.requests);
    }

    /// The first delivery on disk is in the store.
    pub(super) fn forget_first_spooled(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.taken() {
            self.unreadable(&error);
        }
        // A spool that was full is so until something has found room in it, or nothing is there.
        let cause = self.shared.lock().cause.filter(|_| self.spools());
        self.note_spool(cause);
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        tracing::error!("cannot read the spool: {error}");
        self.failed = Some((Instant::now() + RETRY[1], RETRY[1]));
    }

    pub(super) fn note_spool(&self, cause: Option<DropCause>) {
        let Some(spool) = &self.spool else { return };
        let mut queue = self.shared.lock();
        queue.cause = cause;
        queue.on_disk = spool.requests();
        queue.status.spool_bytes = spool.bytes();
        if spool.is_empty() && self.held.is_none() {
            queue.oldest = None;
        }
    }
}
