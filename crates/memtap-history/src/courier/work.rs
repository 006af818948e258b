//! The store, and what it is busy with.

use std::future::Future as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use memtap_model::WallClock;

use crate::{Appended, Delivery, Store, StoreError};

/// The store does one thing at a time.
pub(super) enum Work {
    Idle(Box<dyn Store>),
    Busy(BoxFuture<'static, (Box<dyn Store>, Finished)>),
    /// It panicked.
    Gone,
}

/// What the store has finished.
pub(super) enum Finished {
    Delivery {
        appended: Result<Appended, StoreError>,
        /// As [`Store::size`].
        size: (u64, u64),
    },
    /// Whether there was something to do.
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

    pub(super) const fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    pub(super) fn deliver(&mut self, delivery: Arc<Delivery>) {
        if let Self::Idle(mut store) = std::mem::replace(self, Self::Gone) {
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

    /// Returns whether the store was idle, and now is busy with it.
    pub(super) fn keep_house(&mut self, now: WallClock) -> bool {
        let Self::Idle(mut store) = std::mem::replace(self, Self::Gone) else { return false };
        *self = Self::Busy(
            async move {
                let kept = store.housekeeping(now).await;
                (store, Finished::Housekeeping(kept))
            }
            .boxed(),
        );
        true
    }

    /// Waits until the store has finished; for ever, when it is idle or gone. It may be cancelled.
    pub(super) async fn finished(&mut self) -> Finished {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// What the store has finished, if it has.
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
                *self = Self::Gone;
                Poll::Ready(Finished::Panic)
            }
        }
    }
}
