//! The store and its current work.

use std::future::Future as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use memtap_model::WallClock;

use crate::{Appended, Delivery, Store, StoreError};

/// State of the store. It does one thing at a time.
pub(super) enum Work {
    Idle(Box<dyn Store>),
    Busy(BoxFuture<'static, (Box<dyn Store>, Finished)>),
    /// The store panicked.
    Crashed,
}

/// Outcome of the store's work.
pub(super) enum Finished {
    Delivery {
        appended: Result<Appended, StoreError>,
        /// As in [`Store::size`].
        size: (u64, u64),
    },
    /// As in [`Store::housekeeping`].
    Housekeeping(Result<bool, StoreError>),
    Panic,
}

impl Work {
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle(_))
    }

    pub(super) const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }

    pub(super) const fn is_crashed(&self) -> bool {
        matches!(self, Self::Crashed)
    }

    /// Begins writing a delivery, if the store is idle.
    pub(super) fn deliver(&mut self, delivery: Arc<Delivery>) {
        if let Self::Idle(mut store) = std::mem::replace(self, Self::Crashed) {
            *self = Self::Busy(
                async move {
                    let appended = store.append(delivery).await;
                    let size = store.size();
                    (store, Finished::Delivery { appended, size })
                }
                .boxed(),
            );
        }
    }

    /// Begins housekeeping, if the store is idle. Returns whether it was.
    pub(super) fn start_housekeeping(&mut self, now: WallClock) -> bool {
        let Self::Idle(mut store) = std::mem::replace(self, Self::Crashed) else { return false };
        *self = Self::Busy(
            async move {
                let kept = store.housekeeping(now).await;
                (store, Finished::Housekeeping(kept))
            }
            .boxed(),
        );
        true
    }

    /// Waits until the store has finished, or forever if it is idle or has panicked. Cancelling the
    /// wait does not cancel the work.
    pub(super) async fn finished(&mut self) -> Finished {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Returns the outcome if the store has finished.
    pub(super) fn finished_already(&mut self) -> Option<Finished> {
        match self.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(finished) => Some(finished),
            Poll::Pending => None,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Finished> {
        let Self::Busy(work) = self else { return Poll::Pending };
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(work).poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready((store, finished))) => {
                *self = Self::Idle(store);
                Poll::Ready(finished)
            }
            Err(_) => {
                *self = Self::Crashed;
                Poll::Ready(Finished::Panic)
            }
        }
    }
}
