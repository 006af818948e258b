//! A view of a real ledger, and figures of a history.

use std::sync::Arc;

use memtap_api::{
    Clients, Health, Host, Life, Notice, OomKill, Process, Request, RunsAs, SelfUsage, Step, StoreHealth,
    Time,
};
use memtap_ledger::{Ledger, LiveView};
use memtap_model::{
    Call, CallTotals, Causes, Comm, Container, Errno, HostReading, LossCause, MemoryRequest, Observation,
    OomKill as Kill, Outcome, Placement, Pressure, ProcessDetails, ProcessId, ProcessState, Refusals,
    Resident, Runtime, StartTime, SwapReading, Tally, Tgid, Tid, WallClock,
};

const NOON: i64 = 1_795_428_000_000_000_000;

/// A time after noon.
pub(crate) fn time(ms: i64) -> Time {
    Time(WallClock(NOON + ms * 1_000_000))
}

fn state(pid: u32, ms: i64) -> Box<ProcessState> {
    let causes = Causes { opening_bytes: 8192, granted_bytes: 4096, stack_bytes: -1, ..Causes::default() };
    Box::new(ProcessState {
        time: time(ms).0,
        causes: Some(causes),
        tgid: Tgid(pid),
        start: StartTime(pid.into()),
        started_at: time(0).0,
        name: Comm::new(b"a\"\xff\n"),
        virtual_bytes: Some(12_287),
        resident: Resident { anonymous_bytes: 100, file_bytes: 20, shmem_bytes: 3, swap_bytes: 7 },
        inner_pid: Some(2),
        threads: 4,
        ..ProcessState::default()
    })
}

fn request(call: Call, outcome: Outcome) -> Observation {
    Observation::Request(MemoryRequest {
        time: time(1).0,
        tgid: Tgid(7),
        tid: Tid(8),
        name: Comm::new(b"worker"),
        call,
        whole: true,
        arguments: [0x7f00_0000_0000, 4096, 3, 0x22, 0],
        outcome,
        requested_bytes: 4096,
        delta_bytes: -4096,
        virtual_bytes: 12_288,
        file: Some("libc.so.6".into()),
        lost: 0,
    })
}

fn tally() -> Observation {
    let mut calls = [CallTotals::default(); Call::COUNT];
    calls[Call::Mmap.index()] = CallTotals { count: 3, requested_bytes: 4096, refused: 2 };
    let refusals = [Errno::ENOMEM, Errno(4000)].map(|errno| Refusals { call: Call::Mmap, errno, count: 1 });
    let process = ProcessId { tgid: Tgid(7), start: StartTime(7) };
    Observation::Tally(Box::new(Tally { process, calls, refusals: refusals.into(), refusals_beyond: 0 }))
}

fn details() -> Observation {
    let container =
        Container { runtime: Runtime::Docker, id: "c0ffee".to_owned(), pod: Some("p".to_owned()) };
    let runs_in = Placement { container: Some(container), ..Placement::default() };
    Observation::Details(ProcessDetails {
        process: ProcessId { tgid: Tgid(7), start: StartTime(7) },
        command: "a -b".into(),
        user: "ana".into(),
        runs_in: Arc::new(runs_in),
    })
}

fn machine() -> HostReading {
    HostReading {
        total_bytes: 1 << 32,
        available_bytes: 1 << 31,
        swap: SwapReading { total_bytes: 9, free_bytes: 8 },
        pressure: Some(Pressure { some_avg10: 1.5, full_avg10: 0.25 }),
        ..HostReading::default()
    }
}

/// Two processes, one of which was killed, and requests with each outcome.
pub(crate) fn view() -> LiveView {
    let mut ledger = Ledger::new(memtap_ledger::Settings::default());
    for observation in [
        Observation::Host(machine()),
        Observation::Snapshot(state(7, 0)),
        Observation::Snapshot(state(9, 0)),
        details(),
        tally(),
        request(Call::Mmap, Outcome::Granted(0x7f00_0000_0000)),
        request(Call::Mmap, Outcome::Refused(Errno::ENOMEM)),
        request(Call::Mlockall, Outcome::Refused(Errno(4000))),
        Observation::Lost { cause: LossCause::RingFull, count: 2 },
    ] {
        ledger.apply(observation);
    }
    ledger.publish(time(1000).0);
    ledger.apply(Observation::Oom(Kill {
        time: time(1500).0,
        victim: Tgid(9),
        victim_name: Comm::new(b"victim"),
        virtual_bytes: 5,
        resident: Resident { anonymous_bytes: 4, ..Resident::default() },
        asker: Tgid(7),
        asker_name: Comm::new(b"asker"),
    }));
    ledger.apply(Observation::Exit(state(9, 1600)));
    ledger.publish(time(2000).0)
}

/// The processes of the view, those that ended included.
pub(crate) fn processes(view: &LiveView) -> Vec<Process> {
    let all = view.living.iter().chain(view.ended.iter());
    all.map(|summary| Process::new(summary, view.host.total_bytes)).collect()
}

pub(crate) fn requests(view: &LiveView) -> Vec<Request> {
    view.latest.iter().map(Request::from).collect()
}

pub(crate) fn oom_kills(view: &LiveView) -> Vec<OomKill> {
    view.oom_kills.iter().map(|report| OomKill::from(&**report)).collect()
}

pub(crate) fn host(view: &LiveView) -> Host {
    Host {
        hostname: "vm".to_owned(),
        kernel: "6.18".to_owned(),
        page_size: 4096,
        cpus: 2,
        memory: (&view.host).into(),
        swap: view.host.swap.into(),
        pressure: view.host.pressure.map(Into::into),
    }
}

pub(crate) fn health(view: &LiveView) -> Health {
    let notice = memtap_model::Notice { what: "a".to_owned(), fix: "b".to_owned() };
    Health {
        version: "0.1.0".into(),
        source: "bpf".into(),
        plan: Some("exit".into()),
        plan_about: None,
        uptime_s: 2.5,
        requests: (&view.totals).into(),
        unexplained_bytes: 1,
        oom_kills: 1,
        store: StoreHealth {
            kind: "sqlite".into(),
            rows: 3,
            lag_s: 0.5,
            spooled: 0,
            spool_bytes: 0,
            dropped: 2,
            dropped_by_cause: [("queue_full".into(), 2)].into(),
            bytes: 4096,
            error: Some("cannot write".to_owned()),
        },
        clients: Clients {
            connections: 2,
            sessions: 1,
            refused_by_cause: [("connections_full".into(), 1)].into(),
        },
        own: SelfUsage { cpu_s: 0.25, resident_bytes: 4096 },
        runs_as: RunsAs { user: "memtap".to_owned(), capabilities: vec!["CAP_BPF".to_owned()], nice: -10 },
        notices: vec![Notice::from(notice)],
    }
}

pub(crate) fn life() -> Life {
    let json = serde_json::json!({
        "host": "vm", "pid": 7, "start_time": time(0), "end_time": null, "seen_time": time(5), "name": "perl",
        "command": "perl -e 1", "user": "ana", "parent_pid": null, "container": "docker:c0ffee", "pod": null,
        "unit": "cron.service", "before": {"virtual_bytes": 1, "resident_bytes": 2}, "virtual_bytes": 3,
        "resident_bytes": 4, "resident": {"anonymous_bytes": 4, "file_bytes": 0, "shmem_bytes": 0},
        "swap_bytes": 5, "peak_virtual_bytes": 6, "peak_virtual_time": time(1), "peak_resident_bytes": 7,
        "peak_resident_time": time(2), "requests": 8, "refused": 9, "requested_bytes": 10,
        "granted_bytes": 11, "released_bytes": 12, "minor_faults": 13, "major_faults": 14,
    });
    serde_json::from_value(json).unwrap()
}

pub(crate) fn step() -> Step {
    Step {
        timestamp: time(0),
        virtual_bytes: 1,
        resident_bytes: 2,
        anonymous_bytes: 3,
        file_bytes: 4,
        shmem_bytes: 5,
        swap_bytes: 6,
        peak_virtual_bytes: 7,
        peak_resident_bytes: 8,
        requests: 9,
        refused: 10,
        requested_bytes: 11,
        granted_bytes: 12,
        released_bytes: 13,
        minor_faults: 14,
        major_faults: u64::MAX,
    }
}
