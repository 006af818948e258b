//! Programs that do what findings tell of, on the real kernel: each is found, and what sleeps is not.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Fixture, Memtap};

/// The slowest shows itself after some 20 s; a machine with other work needs longer.
const PATIENCE: Duration = Duration::from_secs(90);

fn total_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The finding of a rule about a process.
fn finding<'a>(answer: &'a Value, rule: &str, pid: u32) -> Option<&'a Value> {
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["rule"] == rule && finding["process"]["pid"] == pid)
}

#[test]
fn every_trouble_is_found_and_who_sleeps_is_not() {
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
        assert_eq!(found["process"]["name"], format!("trouble-{name}"), "{found}");
        let sentence = found["sentence"].as_str().unwrap();
        assert!(sentence.starts_with(&format!("trouble-{name}")) || *rule == "refused", "{sentence}");
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
    assert!(refused["sentence"].as_str().unwrap().starts_with("Se rechazaron 3 pedidos"), "{refused}");
    for (_, _, fixture) in running {
        fixture.end();
    }
}
