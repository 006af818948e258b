//! A server without a kernel or a store, from the view of a real ledger.

use std::sync::Arc;
use std::time::Instant;

use memtap_api::RunsAs;
use memtap_ledger::Ledger;
use memtap_model::{
    AllLimits, Call, CallTotals, Causes, Comm, Errno, HostReading, MachineLimits, Mapped, MappingClass,
    Mappings, MemoryRequest, Notice, Observation, OomKill, Outcome, ProcessId, ProcessState, Proportional,
    Refusals, Resident, Resource, ResourceLimit, SpaceId, StartTime, Tally, Tgid, Tid, Used, WallClock,
};
use memtap_server::{AskKernel, Bounds, HostFacts, Info, Settings, State};

const NOON: i64 = 1_795_428_000_000_000_000;

/// A process with an opening balance of `opening` bytes and `granted` more bytes.
fn process(pid: u32, name: &[u8], opening: u64, granted: u64) -> Box<ProcessState> {
    Box::new(ProcessState {
        time: WallClock(NOON),
        causes: Some(Causes { opening_bytes: opening, granted_bytes: granted, ..Causes::default() }),
        tgid: Tgid(pid),
        start: StartTime(u64::from(pid)),
        started_at: WallClock(NOON),
        parent: Tgid(1),
        space: SpaceId(pid.into()),
        name: Comm::new(name),
        virtual_bytes: Some(opening + granted),
        resident: Resident { anonymous_bytes: opening / 2, ..Resident::default() },
        ..ProcessState::default()
    })
}

/// Totals of the process's mmap calls.
fn tally(pid: u32, mmap: CallTotals) -> Observation {
    let mut calls = [CallTotals::default(); Call::COUNT];
    calls[Call::Mmap.index()] = mmap;
    let refusals = Refusals { call: Call::Mmap, errno: Errno::ENOMEM, count: mmap.refused };
    Observation::Tally(Box::new(Tally {
        process: ProcessId { tgid: Tgid(pid), start: StartTime(pid.into()) },
        calls,
        refusals: if mmap.refused > 0 { vec![refusals] } else { Vec::new() },
        refusals_beyond: 0,
    }))
}

fn mmap(pid: u32, name: &[u8], length: u64, outcome: Outcome, virtual_bytes: u64) -> Observation {
    let refused = matches!(outcome, Outcome::Refused(_));
    let requested_bytes = length.checked_next_multiple_of(4096).unwrap_or(length);
    Observation::Request(MemoryRequest {
        time: WallClock(NOON + 1_000_000),
        tgid: Tgid(pid),
        tid: Tid(pid),
        name: Comm::new(name),
        call: Call::Mmap,
        whole: true,
        arguments: [0, length, 3, 0x22, 0],
        outcome,
        requested_bytes,
        delta_bytes: if refused { 0 } else { requested_bytes.cast_signed() },
        virtual_bytes,
        file: None,
        lost: 0,
    })
}

/// State with three processes and no store: perl, which requests memory and is refused, a hostile
/// one, and an ended one.
pub(crate) fn state() -> State {
    let mut ledger = Ledger::new(memtap_ledger::Settings::default());
    let hostile = b"<img src=x\n\x1b\"\xff";
    let kill = OomKill {
        time: WallClock(NOON),
        victim: Tgid(8),
        victim_name: Comm::new(hostile),
        virtual_bytes: 8192,
        resident: Resident::default(),
        asker: Tgid(7),
        asker_name: Comm::new(b"perl"),
    };
    for observation in [
        Observation::Host(HostReading { total_bytes: 1 << 20, ..HostReading::default() }),
        Observation::Snapshot(process(7, b"perl", 8192, 0)),
        Observation::Snapshot(process(8, hostile, 4096, 0)),
        Observation::Snapshot(process(9, b"gone", 4096, 0)),
        mmap(7, b"perl", 5000, Outcome::Granted(0x7f00_0000_0000), 16384),
        mmap(7, b"perl", u64::MAX, Outcome::Refused(Errno::ENOMEM), 16384),
        mmap(8, hostile, 4096, Outcome::Granted(0x1000), 8192),
        tally(7, CallTotals { count: 2, requested_bytes: 8192, refused: 1 }),
        Observation::Snapshot(process(7, b"perl", 8192, 8192)),
        tally(8, CallTotals { count: 1, requested_bytes: 4096, refused: 0 }),
        Observation::Snapshot(process(8, hostile, 4096, 4096)),
        Observation::Exit(Box::new(ProcessState {
            time: WallClock(NOON + 5_000_000),
            ..*process(9, b"gone", 4096, 0)
        })),
        Observation::Oom(kill),
    ] {
        ledger.apply(observation);
    }
    let (views, view) = tokio::sync::watch::channel(Arc::new(ledger.publish(WallClock(NOON))));
    let info = Info {
        version: "0.0.0",
        source: "bpf",
        plan: Some("exit+locks"),
        plan_about: Some("exactly".to_owned()),
        runs_as: RunsAs {
            user: "memtap".to_owned(),
            capabilities: vec!["CAP_SYS_PTRACE".to_owned()],
            nice: -10,
        },
        notices: vec![Notice { what: "something".to_owned(), fix: "sudo fix".to_owned() }],
        host: HostFacts { hostname: "vm".to_owned(), kernel: "6.18".to_owned(), page_size: 4096, cpus: 2 },
        started: Instant::now(),
    };
    let status = Arc::new(|| memtap_history::Status {
        kind: "none",
        dropping: vec![memtap_history::DropCause::SpoolFull],
        ..memtap_history::Status::default()
    });
    let proportional = Arc::new(|pid| match pid {
        7 => Ok(Proportional { pss_bytes: 3, uss_bytes: 2, swap_pss_bytes: 1 }),
        _ => Err(std::io::ErrorKind::PermissionDenied.into()),
    });
    let kernel = AskKernel { proportional, mappings: Arc::new(mappings), limits: Arc::new(limits) };
    // Live events end when the sender of the views is dropped.
    std::mem::forget(views);
    State::new(view, None, status, kernel, info)
}

/// Mappings of a process: a heap with only its size known, and a file with a hostile name.
fn mappings(pid: u32) -> std::io::Result<Mappings> {
    let mapped = Mapped { mappings: 1, virtual_bytes: 8192, ..Mapped::default() };
    let classes = vec![(MappingClass::Heap, mapped), (MappingClass::File, mapped)];
    let files = vec![("/a\n<b>".to_owned(), mapped)];
    match pid {
        7 => Ok(Mappings { classes, files, more_files: 3, has_resident: false }),
        _ => Err(std::io::ErrorKind::PermissionDenied.into()),
    }
}

fn limits(_: u32) -> std::io::Result<AllLimits> {
    let space = ResourceLimit {
        resource: Resource::AddressSpace,
        soft_bytes: Some(1 << 30),
        hard_bytes: None,
        used_bytes: Some(16384),
        is_lifted: false,
    };
    Ok(AllLimits {
        resources: vec![space],
        mappings: Some(Used { used: 12, limit: 65530 }),
        cgroup: None,
        machine: MachineLimits { overcommit_mode: 2, ..MachineLimits::default() },
    })
}

/// Settings with one configured origin.
pub(crate) fn settings(bounds: Bounds) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        cors_origins: vec!["http://localhost:5173".to_owned()],
        bounds,
    }
}
