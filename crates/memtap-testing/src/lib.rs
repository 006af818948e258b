//! Shared by the tests and examples of several crates: stores and readers whose calls wait for the
//! answer.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use memtap_history::{
    Appended, Batch, Clock, HostRun, LifetimeQuery, MachinePoint, ProcessCalls, ProcessLifetimes,
    ProgramQuery, Programs, Range, Reader, Refused, RequestPage, RequestQuery, Run, Settings, Sizes, Store,
    StoreError, StoredHost, StoredOomKill, UsagePoint, UsageQuery,
};
use memtap_model::WallClock;
use memtap_store::StoreUrl;
use tokio::runtime::Runtime;

/// Runtime of all tests in a program. Connections belong to a runtime, so the tests share one.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
});

/// Waits for a future.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Opens stores, and waits until they are open.
pub trait OpenNow {
    /// Opens the store for writing. Returns `None` if no history is kept.
    ///
    /// # Errors
    /// As [`StoreUrl::open`].
    fn open_now(&self, settings: &Settings) -> Result<Option<TestStore>, StoreError>;

    /// Opens a read-only reader. Returns `None` if no history is kept.
    ///
    /// # Errors
    /// As [`StoreUrl::open_reader`].
    fn open_reader_now(&self, clock: Clock) -> Result<Option<TestReader>, StoreError>;
}

impl OpenNow for StoreUrl {
    fn open_now(&self, settings: &Settings) -> Result<Option<TestStore>, StoreError> {
        Ok(wait(self.open(settings))?.map(TestStore))
    }

    fn open_reader_now(&self, clock: Clock) -> Result<Option<TestReader>, StoreError> {
        Ok(wait(self.open_reader(clock))?.map(TestReader))
    }
}

/// A borrowed delivery. The store gets a copy.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// Run that observed the batches.
    pub run: &'a Run,
    /// Number of the delivery within the run.
    pub sequence: u64,
    /// Observations to write.
    pub batches: &'a [Batch],
}

impl From<Delivery<'_>> for memtap_history::Delivery {
    fn from(delivery: Delivery<'_>) -> Self {
        let Delivery { run, sequence, batches } = delivery;
        Self { run: Arc::new(run.clone()), sequence, batches: batches.to_vec() }
    }
}

/// A store whose calls wait for the answer.
pub struct TestStore(pub Box<dyn Store>);

impl TestStore {
    /// Writes a delivery.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append(&mut self, delivery: Delivery<'_>) -> Result<Appended, StoreError> {
        wait(self.0.append(Arc::new(delivery.into())))
    }

    /// Does a bounded amount of maintenance.
    ///
    /// # Errors
    /// As [`Store::housekeeping`].
    pub fn housekeeping(&mut self, now: WallClock) -> Result<bool, StoreError> {
        wait(self.0.housekeeping(now))
    }

    /// Opens a reader of the same database.
    ///
    /// # Errors
    /// As [`Store::reader`].
    pub fn reader(&self) -> Result<TestReader, StoreError> {
        self.0.reader().map(TestReader)
    }

    /// See [`Store::kind`].
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind()
    }

    /// See [`Store::size`].
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.0.size()
    }
}

/// A reader whose calls wait for the answer.
#[derive(Clone)]
pub struct TestReader(pub Arc<dyn Reader>);

/// Defines the methods of [`Reader`].
macro_rules! questions {
    ($($name:ident($($field:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl TestReader {$(
            #[doc = concat!("See [`Reader::", stringify!($name), "`].\n\n# Errors\nAs that method.")]
            pub fn $name(&self, $($field: $kind),*) -> Result<$answer, StoreError> {
                wait(self.0.$name($($field),*))
            }
        )*}
    };
}

questions! {
    requests(query: &RequestQuery) -> RequestPage;
    usage(query: &UsageQuery) -> Vec<UsagePoint>;
    hosts() -> Vec<StoredHost>;
    runs(range: &Range, limit: usize) -> Vec<HostRun>;
    machine(range: &Range, step: Duration) -> Vec<MachinePoint>;
    lifetimes(query: &LifetimeQuery) -> ProcessLifetimes;
    programs(query: &ProgramQuery) -> Programs;
    sizes(query: &RequestQuery) -> Sizes;
    calls(query: &RequestQuery, step: Duration) -> ProcessCalls;
    refusals(query: &RequestQuery) -> Vec<Refused>;
    oom_kills(range: &Range, limit: usize) -> Vec<StoredOomKill>;
}
