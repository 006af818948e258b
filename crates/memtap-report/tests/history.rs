//! Findings from a real history: an hour that is written into a store tick by tick, as memtap does
//! it.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memtap_history::{Batch, Range, Run, Settings};
use memtap_ledger::{BookedRequest, Books, Peaks, ProcessSummary};
use memtap_model::{
    Call, Comm, Errno, Faults, MemoryRequest, Outcome, ProcessId, Resident, StartTime, Tgid, Tid, WallClock,
};
use memtap_report::{Lang, Looked, NotLookedAt, Rule, Severity, look};
use memtap_store::StoreUrl;
use memtap_testing::{Delivery, OpenNow as _, TestStore, wait};

const SECOND: i64 = 1_000_000_000;
const MIB: u64 = 1 << 20;
/// Distance between ticks in this test, seconds.
const TICK: i64 = 10;
const HOUR: i64 = 3600;

/// An hour that ends within the current minute.
struct Hour {
    store: TestStore,
    run: Run,
    begin: WallClock,
    _folder: tempfile::TempDir,
}

/// A process whose private memory at a second of the hour is `has(second)` bytes. `None` means no
/// change.
struct Program {
    pid: u32,
    name: &'static [u8],
    has: fn(i64) -> Option<u64>,
}

impl Hour {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        // The start is a full minute, so that each step of the answer contains the same ticks.
        let begin = WallClock((now - HOUR) / 60 * 60 * SECOND);
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::sqlite(folder.path().join("memtap.db"));
        let run = Run {
            id: Run::draw(),
            hostname: "box".to_owned(),
            kernel: "6.18".to_owned(),
            boot_id: "a boot".to_owned(),
            page_size: 4096,
            began: begin,
        };
        Self { store: url.open_now(&Settings::default()).unwrap().unwrap(), run, begin, _folder: folder }
    }

    fn at(&self, second: i64) -> WallClock {
        WallClock(self.begin.0 + second * SECOND)
    }

    /// Writes the hour, and returns the findings.
    fn look(&mut self, programs: &[Program], mut requests: Vec<BookedRequest>) -> Looked {
        for (sequence, second) in (1..).zip((0..HOUR).step_by(TICK.unsigned_abs() as usize)) {
            let changed =
                programs.iter().filter_map(|one| Some(self.summary(one, second, (one.has)(second)?)));
            let batch = Batch {
                processes: changed.collect(),
                requests: std::mem::take(&mut requests),
                tick: Some(self.at(second)),
                ..Batch::default()
            };
            let delivery = Delivery { run: &self.run, sequence, batches: &[batch] };
            self.store.append(delivery).unwrap();
        }
        let range = Range { host: Some("box".to_owned()), from: self.begin, to: self.at(HOUR) };
        wait(look(&*self.store.reader().unwrap().0, &range, None, &|| false)).unwrap()
    }

    fn summary(&self, program: &Program, second: i64, bytes: u64) -> Arc<ProcessSummary> {
        let virtual_bytes = bytes + 30 * MIB;
        let resident = Resident { anonymous_bytes: bytes, file_bytes: 4 * MIB, ..Resident::default() };
        let peaks = Peaks { virtual_bytes, resident_bytes: resident.set_bytes() };
        Arc::new(ProcessSummary {
            process: process(program.pid),
            started_at: WallClock(self.begin.0 - 1000 * SECOND),
            name: Comm::new(program.name),
            virtual_bytes,
            resident,
            peaks,
            tick_peaks: peaks,
            faults: Faults { minor: second.unsigned_abs(), major: 0 },
            books: Books { granted_bytes: bytes, ..Books::default() },
            ..ProcessSummary::default()
        })
    }

    /// A refused mmap of 2 GiB at the given second.
    fn refused(&self, pid: u32, name: &[u8], second: i64) -> BookedRequest {
        self.request(pid, name, (second, Call::Mmap, Outcome::Refused(Errno::ENOMEM)))
    }

    fn request(&self, pid: u32, name: &[u8], (second, call, outcome): (i64, Call, Outcome)) -> BookedRequest {
        BookedRequest {
            process: process(pid),
            request: MemoryRequest {
                time: self.at(second),
                tgid: Tgid(pid),
                tid: Tid(pid),
                name: Comm::new(name),
                call,
                whole: true,
                arguments: [0, 2048 * MIB, 3, 0x22, 0],
                outcome,
                requested_bytes: 2048 * MIB,
                delta_bytes: 0,
                virtual_bytes: 30 * MIB,
                file: None,
                lost: 0,
            },
            lost_before: 0,
        }
    }
}

fn process(pid: u32) -> ProcessId {
    ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid) * 10) }
}

/// Programs of an ordinary machine: sleepers, a daemon that wakes now and then, a browser, and a
/// runtime that collects garbage.
fn ordinary() -> Vec<Program> {
    let mut programs: Vec<Program> = (100..140)
        .map(|pid| Program { pid, name: b"sleeper", has: |at| (at == 0).then_some(2 * MIB) })
        .collect();
    programs.extend([
        Program {
            pid: 200,
            name: b"daemon",
            has: |at| (at % 600 == 0).then_some((8 + at.unsigned_abs() / 1800) * MIB),
        },
        Program { pid: 201, name: b"browser", has: |at| Some((400 + at.unsigned_abs() % 170 / 10) * MIB) },
        Program { pid: 202, name: b"runtime", has: |at| Some((300 + at.unsigned_abs() % 900 / 6) * MIB) },
    ]);
    programs
}

#[test]
fn a_quiet_hour_has_no_findings() {
    let looked = Hour::new().look(&ordinary(), Vec::new());
    assert_eq!(looked.findings, []);
    assert!(looked.not_looked_at.contains(&NotLookedAt::LimitsElsewhere), "the history does not have them");
}

#[test]
fn a_leak_and_a_refusal_are_found_among_ordinary_programs() {
    let mut hour = Hour::new();
    let mut programs = ordinary();
    let leak = |at: i64| Some((100 + at.unsigned_abs() / 15) * MIB);
    programs.push(Program { pid: 300, name: b"<b>leaky</b>", has: leak });
    programs.push(Program { pid: 301, name: b"db", has: |at| (at == 0).then_some(20 * MIB) });
    let requests = vec![hour.refused(301, b"db", 1000), hour.refused(301, b"db", 1100)];
    let findings = hour.look(&programs, requests).findings;
    let rules: Vec<_> = findings.iter().map(|finding| (finding.rule, finding.severity)).collect();
    assert_eq!(
        rules,
        [(Rule::Refused, Severity::Warning), (Rule::Growth, Severity::Warning)],
        "{findings:?}"
    );
    assert!(
        findings[0].sentence(Lang::En).starts_with("2 requests of db (pid 301) were refused: mmap, ENOMEM")
    );
    let text = findings[1].sentence(Lang::Es);
    assert!(
        text.starts_with("<b>leaky</b> (pid 300) creció de forma constante 238 MiB en 60 min"),
        "as it is, for whoever shows it: {text}"
    );
    assert!(findings[1].sentence(Lang::En).contains("very likely"));
}

#[test]
fn a_refused_heap_is_reported_unless_memory_was_mapped_instead() {
    let mut hour = Hour::new();
    let programs =
        [401, 402].map(|pid| Program { pid, name: b"node", has: |at| (at == 0).then_some(20 * MIB) });
    let (no, yes) = (Outcome::Refused(Errno::ENOMEM), Outcome::Granted(0x7f00_0000_0000));
    let mut requests = vec![
        hour.request(401, b"node", (1000, Call::Brk, no)),
        hour.request(401, b"node", (1000, Call::Mmap, yes)),
        hour.request(402, b"node", (1000, Call::Brk, no)),
        hour.request(402, b"node", (1001, Call::Mmap, yes)),
    ];
    requests[1].request.time.0 += 1_000_000;
    let findings = hour.look(&programs, requests).findings;
    let [finding] = &findings[..] else { panic!("one finding: {findings:?}") };
    assert!(finding.sentence(Lang::En).starts_with("A request of node (pid 402) was refused: brk, ENOMEM"));
}
