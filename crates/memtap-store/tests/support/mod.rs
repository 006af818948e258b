//! Requests, processes and stores for tests.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]
#![allow(dead_code, unused_imports, unused_macros, reason = "no test program needs all of it")]

pub(crate) mod backends;
pub(crate) mod mariadb;

use std::path::Path;
use std::sync::Arc;

use memtap_history::{AllProcesses, Appended, Batch, Run, Settings};
use memtap_ledger::{BookedRequest, ProcessSummary};
use memtap_model::{
    Call, CallTotals, Comm, Faults, HostReading, MemoryRequest, Outcome, Pressure, ProcessId, Resident,
    StartTime, SwapReading, Tgid, Tid, WallClock,
};
use memtap_store::StoreUrl;
use memtap_testing::{Delivery, OpenNow as _, TestStore};

/// 2026-01-01 00:00:00 UTC.
pub(crate) const T0: i64 = 1_767_225_600_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Opens the SQLite store in `folder`, with a new run.
pub(crate) fn store(folder: &Path, settings: &Settings) -> Written {
    let store = StoreUrl::sqlite(folder.join("memtap.db")).open_now(settings).unwrap().unwrap();
    Written::new(store, run("vm"))
}

/// Returns a new memtap run on the machine `host`.
pub(crate) fn run(host: &str) -> Run {
    Run {
        id: Run::draw(),
        hostname: host.to_owned(),
        kernel: "6.18".to_owned(),
        boot_id: "a boot".to_owned(),
        page_size: 4096,
        began: WallClock(T0),
    }
}

/// A store, and the run that writes into it.
pub(crate) struct Written {
    pub(crate) store: TestStore,
    pub(crate) run: Run,
    pub(crate) sequence: u64,
}

impl Written {
    pub(crate) fn new(store: TestStore, run: Run) -> Self {
        Self { store, run, sequence: 0 }
    }

    pub(crate) fn append(&mut self, batches: &[Batch]) -> Result<Appended, memtap_history::StoreError> {
        let delivery = Delivery { run: &self.run, sequence: self.sequence + 1, batches };
        let done = self.store.append(delivery)?;
        self.sequence += 1;
        Ok(done)
    }
}

impl std::ops::Deref for Written {
    type Target = TestStore;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

impl std::ops::DerefMut for Written {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.store
    }
}

/// Returns the `n`th granted mmap of process `pid`.
pub(crate) fn mmap(pid: u32, name: &[u8], n: u64) -> BookedRequest {
    let time = WallClock(T0 + n.cast_signed() * 1_000_000);
    BookedRequest {
        process: ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid) * 10) },
        request: MemoryRequest {
            time,
            tgid: Tgid(pid),
            tid: Tid(pid + 1),
            name: Comm::new(name),
            call: Call::Mmap,
            whole: true,
            arguments: [0, 4096, 3, 0x22, 0],
            outcome: Outcome::Granted(0x7f00_0000_0000 + n * 4096),
            requested_bytes: 4096 + n,
            delta_bytes: 4096,
            virtual_bytes: 1 << 20,
            file: None,
            lost: 0,
        },
        lost_before: 0,
    }
}

/// Returns the process that made [`mmap`]'s requests.
pub(crate) fn process(pid: u32, name: &[u8], ended_at: Option<WallClock>) -> Arc<ProcessSummary> {
    Arc::new(ProcessSummary {
        process: ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid) * 10) },
        started_at: WallClock(T0),
        name: Comm::new(name),
        command: "a command".into(),
        user: "root".into(),
        parent: Tgid(1),
        ended_at,
        virtual_bytes: 1 << 20,
        resident: Resident { anonymous_bytes: 8192, ..Resident::default() },
        requested_bytes: 4096,
        ..ProcessSummary::default()
    })
}

/// Returns the `n`th tick of process `pid`, which is also the only process. Totals grow with `n`;
/// the peak varies.
pub(crate) fn tick(pid: u32, at: WallClock, n: u64) -> Batch {
    let mut summary = ProcessSummary::clone(&process(pid, b"perl", None));
    summary.started_at = WallClock(at.0 - n.cast_signed() * SECOND);
    let brk = n / 5;
    let mmap = CallTotals { count: 3 * n - brk, requested_bytes: 100 * n - 10 * brk, refused: n };
    summary.books.calls[Call::Mmap.index()] = mmap;
    summary.books.calls[Call::Brk.index()] = CallTotals { count: brk, requested_bytes: 10 * brk, refused: 0 };
    summary.requested_bytes = 100 * n;
    summary.books.granted_bytes = 50 * n;
    summary.books.released_bytes = 20 * n;
    summary.faults = Faults { minor: 5 * n, major: n / 2 };
    summary.virtual_bytes = (1 << 20) + n * 4096;
    summary.tick_peaks.virtual_bytes = (1 << 30) + n * 7919 % 1009 * 4096;
    let all = AllProcesses {
        virtual_bytes: summary.virtual_bytes,
        resident: summary.resident,
        requests: 3 * n,
        refused: n,
        requested_bytes: 100 * n,
        granted_bytes: 50 * n,
        released_bytes: 20 * n,
        faults: summary.faults,
        calls: summary.books.calls,
        lost: n / 3,
        host: host(n),
    };
    Batch { processes: vec![Arc::new(summary)], tick: Some(at), all: Some(all), ..Batch::default() }
}

/// Returns the machine's memory at the `n`th tick. Available memory and pressure rise and fall.
pub(crate) fn host(n: u64) -> HostReading {
    HostReading {
        total_bytes: 16 << 30,
        available_bytes: (1 << 30) + n * 7919 % 1009 * 4096,
        free_bytes: n,
        cached_bytes: 2 * n,
        kernel_bytes: 3 * n,
        programs_bytes: 4 * n,
        swap: SwapReading { total_bytes: 1 << 30, free_bytes: 5 * n },
        pressure: Some(Pressure { some_avg10: (n * 31 % 97) as f64, full_avg10: (n * 17 % 89) as f64 }),
    }
}

/// Returns a batch with requests only.
pub(crate) fn batch(requests: Vec<BookedRequest>) -> Batch {
    Batch { requests, ..Batch::default() }
}
