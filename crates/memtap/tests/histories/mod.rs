//! Histories for the tests of `memtap store`, and calls of the program.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use memtap_history::{Batch, Run, Settings};
use memtap_ledger::BookedRequest;
use memtap_model::{Call, Comm, Errno, MemoryRequest, Outcome, ProcessId, StartTime, Tgid, Tid, WallClock};
use memtap_store::StoreUrl;
use memtap_testing::{Delivery, OpenNow as _, TestStore};
use serde_json::Value;

/// 2026-01-01 00:00:00 UTC.
pub(crate) const T0: i64 = 1_767_225_600_000_000_000;
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Hostile process names.
pub(crate) const HOSTILE: [&[u8]; 9] = [
    b"a,b \"c\" %s",
    b"two\nlines",
    b"re\r\nturn",
    b"bad\xff\xfe",
    b"=1+1",
    b"-x'); DROP--",
    b"'quoted",
    b"\x1b[31mred",
    "\u{fc}ml\u{e4}ut".as_bytes(),
];

pub(crate) fn request(pid: u32, name: &[u8], call: Call, second: i64, bytes: u64) -> BookedRequest {
    BookedRequest {
        process: ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid)) },
        request: MemoryRequest {
            time: WallClock(T0 + second * SECOND),
            tgid: Tgid(pid),
            tid: Tid(pid),
            name: Comm::new(name),
            call,
            whole: true,
            arguments: [0, bytes, 3, 0x22, 0],
            outcome: Outcome::Granted(0x7f00_0000_0000),
            requested_bytes: bytes,
            delta_bytes: bytes.cast_signed(),
            virtual_bytes: 1 << 20,
            file: None,
            lost: 0,
        },
        lost_before: 0,
    }
}

pub(crate) fn refused(mut booked: BookedRequest) -> BookedRequest {
    booked.request.outcome = Outcome::Refused(Errno::ENOMEM);
    booked.request.delta_bytes = 0;
    booked
}

/// Writes requests as a run of memtap on this machine.
pub(crate) fn append(store: &mut TestStore, host: &str, requests: Vec<BookedRequest>) {
    let run = Run {
        id: Run::draw(),
        hostname: host.to_owned(),
        kernel: "6.18".to_owned(),
        boot_id: String::new(),
        page_size: 4096,
        began: WallClock(T0),
    };
    let batches = [Batch { requests, ..Batch::default() }];
    store.append(Delivery { run: &run, sequence: 1, batches: &batches }).unwrap();
}

pub(crate) fn hostile() -> Vec<BookedRequest> {
    let names = HOSTILE.iter().enumerate();
    names.map(|(n, name)| request(n as u32 + 1, name, Call::Mmap, n as i64, 4096)).collect()
}

/// A history in its own directory.
pub(crate) struct History {
    pub(crate) folder: tempfile::TempDir,
}

impl History {
    pub(crate) fn of(requests: Vec<BookedRequest>) -> Self {
        let history = Self { folder: tempfile::tempdir().unwrap() };
        history.add("vm", requests);
        history
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("memtap.db")
    }

    pub(crate) fn open(&self, settings: &Settings) -> TestStore {
        StoreUrl::sqlite(self.path()).open_now(settings).unwrap().unwrap()
    }

    pub(crate) fn add(&self, host: &str, requests: Vec<BookedRequest>) {
        append(&mut self.open(&Settings::default()), host, requests);
    }

    /// Length and modification time of the file. The file is not opened: a process that closes a
    /// file loses all its locks on it, including those of the database.
    pub(crate) fn state(&self) -> (u64, std::time::SystemTime) {
        let file = self.path().metadata().unwrap();
        (file.len(), file.modified().unwrap())
    }

    pub(crate) fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
        command.current_dir(self.folder.path()).arg("store").args(arguments);
        command.env("MEMTAP_STORE", format!("sqlite:{}", self.path().display())).stdin(Stdio::null());
        command
    }

    /// Returns exit code, stdout and stderr.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let done = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    /// Exported rows as CSV, split into columns.
    pub(crate) fn csv(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let (code, out, stderr) = self.run(&[&["export"], arguments].concat());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        assert_eq!(reader.headers().unwrap(), &memtap_api::Request::COLUMNS[..]);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, out, stderr) = self.run(&[&["export", "--format=jsonl"], arguments].concat());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn sizes(&self, arguments: &[&str]) -> Vec<u64> {
        self.json(arguments).iter().map(|request| request["memory_size"].as_u64().unwrap()).collect()
    }
}

pub(crate) fn many(count: u32) -> Vec<BookedRequest> {
    (0..count).map(|n| request(7 + n % 50, b"perl", Call::Mmap, i64::from(n), u64::from(n) * 4096)).collect()
}
