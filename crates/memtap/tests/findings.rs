//! Programs that cause findings, on the real kernel. Each must be found, and a sleeping program
//! must not.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Fixture, Group, Memtap};

/// Time limit. The slowest finding appears after about 20 s, later on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn total_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Returns the finding of a rule about a process.
fn finding<'a>(answer: &'a Value, rule: &str, pid: u32) -> Option<&'a Value> {
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["rule"] == rule && finding["process"]["pid"] == pid)
}

#[test]
fn every_problem_is_found_and_a_sleeping_process_is_not() {
    let memtap = Memtap::start();
    memtap.settle();
    let from = jiff::Timestamp::now();
    let total = total_memory();
    let (half, burst) = ((total * 6 / 10).to_string(), (total / 64).max(100 << 20).to_string());
    let troubles: [(&str, &[&str]); 7] = [
        ("growth", &["leak", "3000000"]),
        ("churn", &["churn", "262144"]),
        ("churn", &["heap", "1048576"]),
        ("refused", &["refused"]),
        ("reserved", &["reserved", &half]),
        ("near_limit", &["limit"]),
        ("peak", &["peak", &burst]),
    ];
    let mut asleep = Fixture::start_example("trouble", &["asleep"]);
    asleep.go();
    let mut running: Vec<(&str, &str, Fixture)> = troubles
        .iter()
        .map(|(rule, words)| (*rule, words[0], Fixture::start_example("trouble", words)))
        .collect();
    std::thread::scope(|scope| {
        for (_, _, fixture) in &mut running {
            scope.spawn(|| fixture.go());
        }
    });

    let path = format!("/api/v1/findings?from={from}");
    let missing = |answer: &Value| -> Vec<&str> {
        let missing = running.iter().filter(|(rule, _, one)| finding(answer, rule, one.pid()).is_none());
        missing.map(|(_, name, _)| *name).collect()
    };
    let begin = Instant::now();
    let mut answer = memtap.get(&path);
    while !missing(&answer).is_empty() {
        assert!(begin.elapsed() < PATIENCE, "not found: {:?}, in {answer:#}", missing(&answer));
        std::thread::sleep(Duration::from_secs(1));
        answer = memtap.get(&path);
    }
    for (rule, name, fixture) in &running {
        let found = finding(&answer, rule, fixture.pid()).unwrap();
        // The kernel keeps 15 bytes of a name.
        let name: String = format!("trouble-{name}").chars().take(15).collect();
        assert_eq!(found["process"]["name"], name, "{found}");
        assert!(found["sentence"].as_str().unwrap().contains(&name), "{found}");
        assert!(found["evidence"].as_array().unwrap().len() >= 3 && found["advice"].is_string(), "{found}");
    }
    let sleeps = asleep.pid();
    assert!(
        answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|found| { found["process"]["pid"] != sleeps && found["process"]["pid"] != memtap.pid() }),
        "neither who sleeps nor memtap: {answer:#}"
    );

    let pid_of = |name: &str| running.iter().find(|one| one.1 == name).unwrap().2.pid();
    let refused = finding(&answer, "refused", pid_of("refused")).unwrap();
    assert!(refused["sentence"].as_str().unwrap().contains("RLIMIT_AS) of 512 MiB"), "{refused}");
    assert_eq!((&refused["link"]["call"], &refused["link"]["refused"]), (&"mmap".into(), &true.into()));
    let spanish = memtap.get(&format!("{path}&lang=es"));
    let refused = finding(&spanish, "refused", pid_of("refused")).unwrap();
    assert!(refused["sentence"].as_str().unwrap().starts_with("Se rechazaron 3 solicitudes"), "{refused}");
    for (_, _, fixture) in running {
        fixture.end();
    }
}

/// Requests findings until one of this rule satisfies `meant`.
fn wait_for(memtap: &Memtap, path: &str, rule: &str, meant: impl Fn(&Value) -> bool) -> Value {
    let begin = Instant::now();
    loop {
        let answer = memtap.get(path);
        let findings = answer["findings"].as_array().unwrap();
        if let Some(found) = findings.iter().find(|finding| finding["rule"] == rule && meant(finding)) {
            return found.clone();
        }
        assert!(begin.elapsed() < PATIENCE, "no {rule} in {answer:#}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Report of `memtap report` on the last five minutes.
fn report(memtap: &Memtap, format: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.env("MEMTAP_STORE", format!("sqlite:{}", memtap.folder.join("memtap.db").display()));
    command.args(["report", "--last=5m", "--lang=en", "--format", format]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_oom_kill_is_found_and_reported() {
    let Some(group) = Group::limited_to(48 << 20) else {
        eprintln!("skipped: no memory cgroup can be made here");
        return;
    };
    let memtap = Memtap::start();
    let from = jiff::Timestamp::now();
    let mut fixture = Fixture::start(&["spike", &(256_u64 << 20).to_string()]);
    group.takes(fixture.pid());
    memtap.settle();
    fixture.go_and_die();
    let pid = fixture.pid();
    let path = format!("/api/v1/findings?from={from}");
    let found = wait_for(&memtap, &path, "oom_kill", |finding| finding["process"]["pid"] == pid);
    assert_eq!((&found["severity"], &found["process"]["name"]), (&"serious".into(), &"fixture".into()));
    let sentence = found["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with(&format!("The kernel killed fixture (pid {pid}), which had ")),
        "{sentence}"
    );
    assert!(
        sentence.ends_with("which points to the limit of a control group. memtap did not check that limit."),
        "the machine has plenty: {sentence}"
    );

    let report_json: Value = serde_json::from_str(&report(&memtap, "json")).unwrap();
    let kills = report_json["oom_kills"].as_array().unwrap();
    let kill = kills.iter().find(|kill| kill["pid"] == pid).unwrap();
    assert_eq!((&kill["name"], &kill["asker_pid"]), (&"fixture".into(), &pid.into()));
    assert!((32 << 20..64 << 20).contains(&kill["resident_bytes"].as_u64().unwrap()), "{kill}");
    assert!(report_json["totals"]["oom_kills"].as_u64() >= Some(1), "{}", report_json["totals"]);
    assert!(report_json["findings"].as_array().unwrap().iter().any(|one| one["sentence"]["en"] == sentence));
    let text = report(&memtap, "txt");
    let section = text.rsplit(" OOM kills ").next().unwrap();
    assert!(section.contains(&format!("fixture ({pid})")), "who asked for the page: {section}");
}

/// Number of programs that read more than their control group can hold.
const WAITING: usize = 12;

/// Percentage of the last ten seconds in which at least one task waited for memory.
fn some_avg10() -> f64 {
    let text = std::fs::read_to_string("/proc/pressure/memory").unwrap();
    let (_, rest) = text.split_once("avg10=").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn waiting_for_memory_is_found() {
    if !std::path::Path::new("/proc/pressure/memory").exists() {
        eprintln!("skipped: this kernel does not measure pressure");
        return;
    }
    let Some(group) = Group::limited_to(32 << 20) else {
        eprintln!("skipped: no memory cgroup can be made here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let memtap = Memtap::start();
    memtap.settle();
    let from = jiff::Timestamp::now();
    let mut waiting: Vec<Fixture> = (0..WAITING)
        .map(|number| {
            let file = folder.path().join(number.to_string());
            let fixture = Fixture::start_example("trouble", &["waits", file.to_str().unwrap()]);
            group.takes(fixture.pid());
            fixture
        })
        .collect();
    std::thread::scope(|scope| {
        for fixture in &mut waiting {
            scope.spawn(|| fixture.go());
        }
    });
    // With a fast disk no task waits, so this machine cannot have memory pressure.
    let begin = Instant::now();
    while some_avg10() < 12.0 {
        if begin.elapsed() > PATIENCE / 2 {
            return eprintln!("skipped: this machine's disk is too quick for {WAITING} programs to wait");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    let found = wait_for(&memtap, &format!("/api/v1/findings?from={from}"), "pressure", |_| true);
    assert!(
        found["process"].is_null()
            && found["sentence"].as_str().unwrap().contains("limit of a control group"),
        "{found}"
    );
    waiting.into_iter().for_each(Fixture::end);
    let report_json: Value = serde_json::from_str(&report(&memtap, "json")).unwrap();
    let highest = report_json["memory"]["pressure"]["some_avg10"].as_f64().unwrap();
    assert!(highest >= 10.0, "{}", report_json["memory"]["pressure"]);
    let text = report(&memtap, "txt");
    assert!(text.contains("Highest memory pressure around"), "{text}");
}
