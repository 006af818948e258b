//! Reading side of every store: queries become questions, which are answered from a driver's rows.

mod machine;
mod oom;
mod processes;
mod requests;
mod usage;

use std::time::{Duration, SystemTime};

use crate::rows::{Database, Question, Snapshot};
use crate::{
    Clock, HostRun, LifetimeQuery, MachinePoint, Pending, ProcessCalls, ProcessLifetimes, ProgramQuery,
    Programs, Range, Reader, Refused, RequestPage, RequestQuery, Sizes, StoreError, StoredHost,
    StoredOomKill, UsagePoint, UsageQuery,
};

/// Implements [`Reader`] on a database.
#[derive(Debug)]
pub struct History<D> {
    database: D,
    clock: Clock,
}

impl<D: Database> History<D> {
    /// Returns the history in `database`. `clock` is the time base for ages.
    pub const fn new(database: D, clock: Clock) -> Self {
        Self { database, clock }
    }

    fn ask<Q: Dated>(&self, question: Q) -> Pending<'_, Q::Answer> {
        Box::pin(self.database.ask(Now { question, clock: self.clock }))
    }
}

/// A question whose answer depends on the age of the samples: older samples are kept in longer
/// steps.
trait Dated: Send + 'static {
    type Answer: Send + 'static;

    /// Answers the question. `now_s` is the second from which ages are counted.
    fn answer<S: Snapshot>(
        self,
        snapshot: &mut S,
        now_s: i64,
    ) -> impl Future<Output = Result<Self::Answer, StoreError>> + Send;
}

/// Reads the clock and passes it to a [`Dated`] question.
struct Now<Q> {
    question: Q,
    clock: Clock,
}

impl<Q: Dated> Question for Now<Q> {
    type Answer = Q::Answer;

    async fn answer<S: Snapshot>(self, snapshot: &mut S) -> Result<Q::Answer, StoreError> {
        let sampled_s = match self.clock {
            Clock::Machine => None,
            Clock::LastSample => snapshot.last_sampled_s().await?,
        };
        let now_s = sampled_s.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
        });
        self.question.answer(snapshot, now_s).await
    }
}

/// Declares questions by their fields, their answer and the function that answers them.
macro_rules! questions {
    ($($name:ident { $($field:ident: $kind:ty),* } -> $answer:ty, $function:path;)*) => {$(
        struct $name {
            $($field: $kind),*
        }

        impl Dated for $name {
            type Answer = $answer;

            async fn answer<S: Snapshot>(self, snapshot: &mut S, now_s: i64) -> Result<$answer, StoreError> {
                let Self { $($field),* } = self;
                $function(snapshot, $($field,)* now_s).await
            }
        }
    )*};
}

questions! {
    AskRequests { query: RequestQuery } -> RequestPage, requests::page;
    AskUsage { query: UsageQuery } -> Vec<UsagePoint>, usage::usage;
    AskHosts {} -> Vec<StoredHost>, machine::hosts;
    AskRuns { range: Range, limit: usize } -> Vec<HostRun>, machine::runs;
    AskMachine { query: UsageQuery } -> Vec<MachinePoint>, machine::machine;
    AskLives { query: LifetimeQuery } -> ProcessLifetimes, processes::lives;
    AskPrograms { query: ProgramQuery } -> Programs, processes::programs;
    AskSizes { query: RequestQuery } -> Sizes, requests::sizes;
    AskCalls { query: RequestQuery, step: Duration } -> ProcessCalls, requests::calls;
    AskRefusals { query: RequestQuery } -> Vec<Refused>, requests::refusals;
    AskOomKills { range: Range, limit: usize } -> Vec<StoredOomKill>, oom::kills;
}

impl<D: Database> Reader for History<D> {
    fn requests<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, RequestPage> {
        self.ask(AskRequests { query: query.clone() })
    }

    fn usage<'a>(&'a self, query: &'a UsageQuery) -> Pending<'a, Vec<UsagePoint>> {
        self.ask(AskUsage { query: query.clone() })
    }

    fn hosts(&self) -> Pending<'_, Vec<StoredHost>> {
        self.ask(AskHosts {})
    }

    fn runs<'a>(&'a self, range: &'a Range, limit: usize) -> Pending<'a, Vec<HostRun>> {
        self.ask(AskRuns { range: range.clone(), limit })
    }

    fn machine<'a>(&'a self, range: &'a Range, step: Duration) -> Pending<'a, Vec<MachinePoint>> {
        self.ask(AskMachine { query: range.in_steps(step) })
    }

    fn lifetimes<'a>(&'a self, query: &'a LifetimeQuery) -> Pending<'a, ProcessLifetimes> {
        self.ask(AskLives { query: query.clone() })
    }

    fn programs<'a>(&'a self, query: &'a ProgramQuery) -> Pending<'a, Programs> {
        self.ask(AskPrograms { query: query.clone() })
    }

    fn sizes<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, Sizes> {
        self.ask(AskSizes { query: query.clone() })
    }

    fn calls<'a>(&'a self, query: &'a RequestQuery, step: Duration) -> Pending<'a, ProcessCalls> {
        self.ask(AskCalls { query: query.clone(), step })
    }

    fn refusals<'a>(&'a self, query: &'a RequestQuery) -> Pending<'a, Vec<Refused>> {
        self.ask(AskRefusals { query: query.clone() })
    }

    fn oom_kills<'a>(&'a self, range: &'a Range, limit: usize) -> Pending<'a, Vec<StoredOomKill>> {
        self.ask(AskOomKills { range: range.clone(), limit })
    }
}
