//! Moves deliveries to the spool on disk and back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Courier, RETRY};
use crate::spool::{Damage, PutError, Spool};
use crate::{Delivery, DropCause};

/// Maximum time spent on spooling at once. The store makes no progress during this time.
const SPOOL_SLICE: Duration = Duration::from_millis(20);

impl Courier {
    /// Writes a delivery to the spool. If that fails, it stays in memory.
    pub(super) fn spool_or_hold(&mut self, delivery: Arc<Delivery>) {
        if self.put(&delivery) {
            self.release(delivery.requests());
        } else {
            self.held = Some(delivery);
        }
    }

    /// Moves the queue to disk until the spool is full. The delivery in flight goes first. Stops
    /// after a moment, so that a steady stream of requests does not keep the store waiting.
    pub(super) fn spool_all(&mut self) {
        if self.spool.is_none() {
            return;
        }
        if let Some(delivery) = self
            .in_flight
            .as_ref()
            .filter(|in_flight| !in_flight.spooled)
            .map(|in_flight| Arc::clone(&in_flight.delivery))
        {
            if !self.put(&delivery) {
                return;
            }
            self.release(delivery.requests());
            if let Some(in_flight) = &mut self.in_flight {
                in_flight.spooled = true;
            }
        }
        let begin = Instant::now();
        while let Some(delivery) = self.held.take().or_else(|| self.next_delivery()) {
            if !self.put(&delivery) {
                self.held = Some(delivery);
                return;
            }
            self.release(delivery.requests());
            if !self.ending && begin.elapsed() >= SPOOL_SLICE {
                return;
            }
        }
    }

    /// Writes a delivery to the spool. Returns `false` if that fails.
    fn put(&mut self, delivery: &Delivery) -> bool {
        let Some(spool) = &mut self.spool else { return false };
        let requests = u32::try_from(delivery.requests()).unwrap_or(u32::MAX);
        let put = match postcard::to_stdvec(delivery) {
            Ok(bytes) => spool.put(&bytes, requests),
            Err(error) => Err(PutError::Disk(std::io::Error::other(error))),
        };
        let cause = match put {
            Ok(()) => None,
            Err(PutError::Full) => Some(DropCause::SpoolFull),
            Err(PutError::Disk(error)) => {
                if self.shared.lock().cause != Some(DropCause::SpoolFailed) {
                    tracing::error!("cannot write the spool: {error}");
                }
                Some(DropCause::SpoolFailed)
            }
        };
        self.publish_spool_status(cause);
        cause.is_none()
    }

    /// Returns the first readable delivery of the spool. Damaged records before it are counted.
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
                        self.remove_spooled();
                        damage.requests += before - self.spool.as_ref().map_or(0, Spool::requests);
                        self.count_damage(damage);
                        continue;
                    }
                },
                Err(error) => {
                    self.unreadable(&error);
                    None
                }
            };
            self.count_damage(damage);
            let (delivery, waited) = delivery?;
            self.shared.lock().oldest = Instant::now().checked_sub(waited);
            return Some(delivery);
        }
    }

    fn count_damage(&self, damage: Damage) {
        if damage.records > 0 {
            tracing::error!("the spool contains {} damaged records", damage.records);
        }
        let cause = self.shared.lock().cause;
        self.publish_spool_status(cause);
        self.shared.lock().count_dropped(DropCause::SpoolDamaged, damage.requests);
    }

    /// Removes the first delivery from the spool.
    pub(super) fn remove_spooled(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        if let Err(error) = spool.remove_first() {
            self.unreadable(&error);
        }
        // A full spool counts as full until a write succeeds or it is empty.
        let cause = self.shared.lock().cause.filter(|_| self.has_spooled());
        self.publish_spool_status(cause);
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        tracing::error!("cannot read the spool: {error}");
        self.failed = Some((Instant::now() + RETRY[1], RETRY[1]));
    }

    pub(super) fn publish_spool_status(&self, cause: Option<DropCause>) {
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
