//! A small machine with constant figures.

use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _};
use memtap_api::{Address, CallTotals, Process, Refusals, Request, RequestTotals, Resident};
use memtap_model::{Call, HostReading, Pressure, SwapReading};
use memtap_tui::{About, App, Column, Look, Model, Pace, Settings};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const MIB: u64 = 1 << 20;

pub(crate) fn app(look: Look) -> App {
    App::new(Settings {
        look,
        zone: jiff::tz::TimeZone::UTC,
        pace: Pace::One,
        sort: Column::Resident,
        refusal_words: |call, errno| format!("in words, what errno {errno} means for {call}"),
    })
}

/// Returns an app after ninety seconds of updates. The last ones are those of `model`.
pub(crate) fn running(look: Look) -> App {
    let mut app = app(look);
    for second in 0..90 {
        app.take(Arc::new(model(second)));
        // Only processes on the screen are tracked.
        frame(&mut app, 80, 24);
    }
    app
}

/// Returns the lines on a screen of this size.
pub(crate) fn frame(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| app.draw(frame)).unwrap();
    terminal.backend().to_string()
}

pub(crate) fn begin() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// Returns the machine's data after this many seconds.
pub(crate) fn model(second: u64) -> Model {
    let at = begin() + i64::try_from(second).unwrap().seconds();
    let perl = 412 + second;
    Model {
        at,
        about: Arc::new(About {
            hostname: "vm".to_owned(),
            source: "bpf".to_owned(),
            plan: Some("exit+locks".to_owned()),
            ..About::default()
        }),
        host: HostReading {
            total_bytes: 4000 * MIB,
            available_bytes: 2500 * MIB,
            free_bytes: 1300 * MIB,
            cached_bytes: 1100 * MIB,
            kernel_bytes: 400 * MIB,
            programs_bytes: 1200 * MIB,
            swap: SwapReading { total_bytes: 512 * MIB, free_bytes: 500 * MIB },
            pressure: Some(Pressure { some_avg10: 1.5, full_avg10: 0.0 }),
        },
        totals: RequestTotals {
            seen: 10 * second,
            per_second: 1204.0,
            refused: 12,
            refused_per_second: 0.3,
            lost: 3,
            ..RequestTotals::default()
        },
        unexplained_bytes: 0,
        oom_kills: 0,
        living: vec![
            process(1, 0, "systemd", "root", 168, 12, second),
            process(230, 1, "sshd", "root", 16, 9, second),
            process(411, 1, "postgres", "postgres", 3200, 610, second),
            process(412, 411, "postgres", "postgres", 3201, 95, second),
            process(977, 230, "bash", "ana", 8, 5, second),
            Arc::new(Process {
                refused: 12,
                refusals: refusals(),
                ..(*process(1204, 977, "perl", "ana", perl, 300, second)).clone()
            }),
            process(1300, 977, "漢字の名前です", "ana", 20, 2, second),
            process(1301, 977, "a\x1b[31mb\n\u{202e}c", "ana", 20, 1, second),
            process(88_001, 1, "containerd-shim-runc-v2", "root", 1200, 14, second),
        ],
        ended: vec![Arc::new(Process {
            end_time: Some(at.into()),
            ..(*process(1200, 977, "grep", "ana", 0, 0, second)).clone()
        })],
        latest: (0..10).map(|index| Arc::new(request(at, index))).collect(),
        trouble: None,
    }
}

fn process(
    pid: u32,
    parent_pid: u32,
    name: &str,
    user: &str,
    mib: u64,
    resident: u64,
    second: u64,
) -> Arc<Process> {
    let mmap =
        CallTotals { count: u64::from(pid) + 40 * second, requested_bytes: (mib + 96) * MIB, refused: 0 };
    let brk = CallTotals { count: 7, requested_bytes: MIB, refused: 0 };
    Arc::new(Process {
        pid,
        parent_pid,
        start_time: (begin() - i64::from(pid).seconds()).into(),
        name: name.to_owned(),
        command: format!("/usr/bin/{name} --option {pid}").into(),
        user: user.into(),
        threads: 4,
        unit: (pid == 411).then(|| "postgresql@15-main.service".to_owned()),
        virtual_bytes: mib * MIB,
        resident_bytes: resident * MIB,
        resident: Resident {
            anonymous_bytes: (resident - resident / 4) * MIB,
            file_bytes: resident / 4 * MIB,
            shmem_bytes: 0,
        },
        peak_virtual_bytes: mib * MIB,
        peak_resident_bytes: (resident + 4) * MIB,
        minor_faults: 1000 * u64::from(pid),
        requests: mmap.count + brk.count,
        requested_bytes: mmap.requested_bytes + brk.requested_bytes,
        calls: [
            (Call::Mmap.into(), mmap),
            (Call::Brk.into(), brk),
            (Call::Munmap.into(), CallTotals::default()),
        ]
        .into(),
        opening_bytes: 0,
        granted_bytes: (mib + 96) * MIB,
        released_bytes: 96 * MIB,
        ..Process::default()
    })
}

fn refusals() -> Vec<Refusals> {
    vec![Refusals { call: Call::Mmap.into(), errno: 12, error: "ENOMEM".into(), count: 12 }]
}

fn request(at: Timestamp, index: u32) -> Request {
    let refused = index == 4;
    Request {
        host: None,
        timestamp: at.into(),
        pid: if index.is_multiple_of(2) { 1204 } else { 411 },
        tid: 1204,
        process_name: "perl".to_owned(),
        call: if index == 6 { Call::Munmap } else { Call::Mmap }.into(),
        memory_size: 65_536,
        address: Address(0x7f00_0000_0000),
        delta_bytes: if refused { 0 } else { 65_536 },
        errno: refused.then_some(12),
        error: refused.then(|| "ENOMEM".into()),
        virtual_bytes: 1 << 30,
        arguments: "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS".to_owned(),
        file: (index == 2).then(|| "libc\x1b.so.6".into()),
        lost_before: if index == 8 { 3 } else { 0 },
    }
}
