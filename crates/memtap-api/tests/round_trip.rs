//! Each type is read back from its own JSON without a difference.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod samples;

use std::fmt::Debug;
use std::time::Duration;

use memtap_api::{
    Address, Amount, CallCount, CallName, CallStep, CallTotals, Culprit, Figure, Finding, FindingLink,
    Findings, FocusAnswer, FocusedRequests, FrequentSize, Health, Hosts, KnownHost, Limits, Lives, Machine,
    MachineStep, Mappings, Measure, NameSince, NotLookedAt, OneProcess, OomKills, OtherPrograms, Problem,
    ProcessCalls, Processes, Program, ProgramPoint, Programs, RefusalList, Refused, Request, Requests, Rule,
    Run, Runs, Severity, Share, SizeBucket, Sizes, Snapshot, Stretch, Tick, Update, Usage, View,
};
use memtap_ledger::Focused;
use memtap_model::{
    AllLimits, Call, CgroupLimit, HostReading, MachineLimits, Mapped, MappingClass, Resource, ResourceLimit,
    Tgid, Used,
};
use samples::{health, host, life, oom_kills, processes, requests, step, time, view};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks that the value survives, and returns its JSON.
fn round<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> String {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value, "{json}");
    json
}

#[test]
fn live_events() {
    let view = view();
    let share = Share::from(&view.requested);
    let json = round(&Snapshot {
        time: time(0),
        host: host(&view),
        health: health(&view),
        processes: processes(&view),
        requests: requests(&view),
        oom_kills: oom_kills(&view),
        share: share.clone(),
    });
    for part in [r#""self":{"cpu_s""#, r#""state":"ended""#, r#""mend":"b""#, r#""name":"a\"\\xff\n""#] {
        assert!(json.contains(part), "{part} in {json}");
    }
    let tick = Tick {
        time: time(0),
        host: host(&view),
        health: health(&view),
        changed: processes(&view),
        removed: processes(&view).iter().map(memtap_api::Process::id).collect(),
        requests: requests(&view),
        skipped: 3,
        oom_kills: oom_kills(&view),
        share,
    };
    assert!(!tick.requests.is_empty() && !tick.oom_kills.is_empty() && tick.removed.len() == 2);
    round(&tick);
    let focused = Focused { pid: Tgid(7), requests: view.latest.clone(), skipped: 1 };
    round(&FocusedRequests::new(view.at, &focused));
    round(&FocusAnswer { focused: true, most: 32 });
    let update = Update::from(&view);
    assert!(!update.processes.is_empty());
    assert!(round(&update).contains(r#""memoryRequests":[{"#));
}

#[test]
fn the_health_of_memtap_0_1_0_is_read() {
    let now = health(&view());
    let mut json = serde_json::to_value(&now).unwrap();
    json.as_object_mut().unwrap().remove("clients").unwrap();
    json["runs_as"].as_object_mut().unwrap().remove("nice").unwrap();
    let old: Health = serde_json::from_value(json).unwrap();
    assert_eq!((old.clients.connections, old.runs_as.nice, old.requests), (0, 0, now.requests));
}

#[test]
fn the_machine_is_read_back_as_the_ledger_had_it() {
    let view = view();
    assert_eq!(HostReading::from(&host(&view)), view.host);
}

#[test]
fn requests_and_their_columns() {
    let requests = requests(&view());
    let json = round(&Requests { requests, next_cursor: Some("12".to_owned()) });
    for part in [r#""address":"0x7f0000000000""#, r#""error":"ENOMEM""#, r#""error":"errno 4000""#] {
        assert!(json.contains(part), "{part} in {json}");
    }
    let places: Vec<_> =
        Request::COLUMNS.iter().map(|column| json.find(&format!("\"{column}\":")).unwrap()).collect();
    assert!(places.is_sorted(), "the columns are in the order of the fields: {places:?}");
}

#[test]
fn a_call_of_another_version_keeps_its_name_and_a_wrong_address_is_an_error() {
    let known: CallName = serde_json::from_str(r#""mmap""#).unwrap();
    assert_eq!(known, Call::Mmap.into());
    let unknown: CallName = serde_json::from_str(r#""mnew""#).unwrap();
    assert_eq!(round(&unknown), r#""mnew""#);
    let wrong = serde_json::from_str::<Address>(r#""7f00""#).unwrap_err().to_string();
    assert!(wrong.contains("0x7f0000000000"), "{wrong}");
}

#[test]
fn processes_with_and_without_proportional_memory() {
    let processes = processes(&view());
    let process = processes[0].clone();
    round(&Processes { processes });
    let one = OneProcess {
        process,
        pss_bytes: Some(1),
        uss_bytes: Some(2),
        swap_pss_bytes: Some(3),
        pss_age_s: Some(0.5),
    };
    round(&one);
    let without =
        OneProcess { pss_bytes: None, uss_bytes: None, swap_pss_bytes: None, pss_age_s: None, ..one };
    assert!(!round(&without).contains("pss"));
}

#[test]
fn mappings_and_limits() {
    let mapped = Mapped { mappings: 1, virtual_bytes: 8192, resident_bytes: 4096, swap_bytes: 0 };
    for has_resident in [true, false] {
        let found = memtap_model::Mappings {
            classes: MappingClass::ALL.map(|class| (class, mapped)).into(),
            files: vec![("/a\n<b>".to_owned(), mapped)],
            more_files: 3,
            has_resident,
        };
        let json = round(&Mappings::new(found, Duration::from_millis(500)));
        for class in MappingClass::ALL {
            assert!(json.contains(&format!("\"class\":\"{}\"", class.name())), "{json}");
        }
    }
    let resource = |resource| ResourceLimit {
        resource,
        soft_bytes: Some(1),
        hard_bytes: None,
        used_bytes: Some(2),
        is_lifted: true,
    };
    let memory = Used { used: 5, limit: 6 };
    let found = AllLimits {
        resources: [Resource::AddressSpace, Resource::Data, Resource::Stack, Resource::Locked]
            .map(resource)
            .into(),
        mappings: Some(Used { used: 12, limit: 65_530 }),
        cgroup: Some(CgroupLimit { path: "/a".into(), memory }),
        machine: MachineLimits { overcommit_mode: 2, committed: memory, max_map_count: 65_530 },
    };
    round(&Limits::new(found, Duration::from_secs(1)));
}

#[test]
fn the_history() {
    round(&Usage {
        step_s: 10,
        series: vec![step()],
        watched: vec![Stretch { from: time(0), to: time(10_000) }],
    });
    round(&Lives { lives: vec![life()], more: 3 });
    round(&Programs {
        by: Measure::Resident,
        step_s: 10,
        programs: vec![Program {
            name: "perl".to_owned(),
            lives: 2,
            value: 3,
            series: vec![ProgramPoint { timestamp: time(0), value: 3 }],
        }],
        others: Some(OtherPrograms { names: 1, lives: 2, value: 3 }),
        total: 6,
    });
    let view = view();
    let totals = CallTotals { count: 3, requested_bytes: 4096, refused: 1 };
    round(&Machine {
        step_s: 10,
        series: vec![MachineStep {
            timestamp: time(0),
            total_bytes: 1,
            available_bytes: 2,
            least_available_bytes: 3,
            free_bytes: 4,
            cached_bytes: 5,
            kernel_bytes: 6,
            programs_bytes: 7,
            swap_total_bytes: 8,
            swap_free_bytes: 9,
            pressure: host(&view).pressure,
            lost: 10,
            calls: [(Call::Mmap.into(), totals)].into(),
        }],
    });
    let (hostname, kernel) = ("vm".to_owned(), "6.18".to_owned());
    let known = KnownHost { hostname, kernel, first_time: time(0), last_time: time(1) };
    let run = Run {
        hostname: known.hostname.clone(),
        kernel: known.kernel.clone(),
        first_time: time(0),
        last_time: time(1),
        requests: 1,
        refused: 2,
        lost: 3,
    };
    round(&Hosts { hosts: vec![known] });
    round(&Runs { runs: vec![run], more: true });
    round(&OomKills { oom_kills: oom_kills(&view) });
    round(&Problem { error: "there is no history".to_owned() });
}

#[test]
fn counted_requests() {
    round(&Sizes {
        buckets: vec![SizeBucket {
            call: Call::Mmap.into(),
            from_bytes: 4096,
            count: 3,
            refused: 1,
            bytes: 12_288,
        }],
        frequent: vec![FrequentSize { call: Call::Brk.into(), size: 4096, count: 3 }],
        rows: 3,
        since: Some(time(0)),
        cut: true,
    });
    round(&RefusalList {
        refusals: vec![Refused {
            host: "vm".into(),
            pid: 7,
            start_time: time(0),
            name: "perl".to_owned(),
            call: Call::Mmap.into(),
            errno: 12,
            error: "ENOMEM".into(),
            meaning: "out of memory".to_owned(),
            fix: Some("ulimit -v".to_owned()),
            mend: Some("ulimit -v".to_owned()),
            count: 3,
            largest_bytes: 4096,
            first_time: time(0),
            last_time: time(1),
        }],
    });
    let json = round(&ProcessCalls {
        step_s: 10,
        series: vec![CallStep {
            timestamp: time(0),
            calls: [(Call::Mmap.into(), CallCount { count: 3, refused: 1 })].into(),
        }],
        names: vec![NameSince { name: "perl".to_owned(), timestamp: time(0) }],
        rows: 3,
        since: None,
        cut: false,
    });
    assert!(json.contains(r#""calls":{"mmap":{"count":3,"refused":1}}"#), "{json}");
}

#[test]
fn findings_with_each_kind_of_figure() {
    let figure =
        |value| Figure { label: "peak".to_owned(), value, unit: "bytes".into(), text: "1 B".to_owned() };
    let process = Culprit { pid: 7, start_time: time(0), name: "perl".to_owned(), processes: 2 };
    let finding = Finding {
        rule: Rule::Growth,
        severity: Severity::Serious,
        host: "vm".to_owned(),
        process: Some(process),
        sentence: "perl grows".to_owned(),
        evidence: [Amount::Whole(u64::MAX), Amount::Number(5.0), Amount::Time(time(1))].map(figure).into(),
        advice: "look for a leak".to_owned(),
        link: FindingLink {
            view: View::Requests,
            from: time(0),
            to: time(1),
            call: Some(Call::Mmap.into()),
            refused: Some(true),
        },
    };
    let gap = NotLookedAt { what: "limits".into(), sentence: "the range is in the past".to_owned() };
    round(&Findings { from: time(0), to: time(1), findings: vec![finding], not_looked_at: vec![gap] });
}

#[test]
fn names_are_those_of_the_json() {
    fn same<T: Serialize>(value: &T, name: &str) {
        assert_eq!(serde_json::to_value(value).unwrap(), name);
    }
    Measure::ALL.iter().for_each(|measure| same(measure, measure.name()));
    Rule::ALL.iter().for_each(|rule| same(rule, rule.name()));
    Severity::ALL.iter().for_each(|severity| same(severity, severity.name()));
    View::ALL.iter().for_each(|view| same(view, view.name()));
}
