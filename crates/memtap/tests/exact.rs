//! The ledger under stress, compared with the kernel's figures: every byte is explained, whatever
//! the stream loses.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::collections::{HashMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Fixture, Group, Memtap, fixture_path, vm_size};

/// Number of samples of the ledger while stress-ng runs.
const MOMENTS: u64 = 10;

/// Approximate duration of stress-ng. Use `STRESS_SECONDS=60` for the long run.
fn stress_seconds() -> u64 {
    std::env::var("STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

const LONG: u64 = 60;

/// stress-ng with all stressors that change memory. It is stopped with the test.
struct Stress {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Stress {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut stress = Command::new("stress-ng");
        stress
            .arg("--temp-path")
            .arg(folder.path())
            .args(["--timeout", &format!("{}s", 10 * stress_seconds())]);
        for (stressor, size) in
            [("mmap", Some("32M")), ("mremap", Some("16M")), ("vm", Some("32M")), ("shm-sysv", Some("8M"))]
        {
            stress.args([&format!("--{stressor}"), "1"]);
            stress.args(size.map(|size| format!("--{stressor}-bytes={size}")));
        }
        for stressor in [
            "brk",
            "fork",
            "vfork",
            "clone",
            "pthread",
            "stack",
            "munmap",
            "mlock",
            "madvise",
            "memfd",
            "stackmmap",
            "aio",
            "userfaultfd",
        ] {
            stress.args([&format!("--{stressor}"), "1"]);
        }
        // This stressor takes most of the machine's memory and is slow to stop.
        if stress_seconds() >= LONG {
            stress.args(["--mmapfork", "1"]);
        }
        stress.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = stress.spawn().expect("stress-ng is installed: cargo xtask test sees to it");
        Self { child, _folder: folder }
    }

    fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Stress {
    fn drop(&mut self) {
        // stress-ng's signal handler stops its children.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn processes(memtap: &Memtap) -> Vec<Value> {
    memtap.get("/api/v1/processes?ended=true&limit=10000")["processes"].as_array().unwrap().clone()
}

fn pid(process: &Value) -> u64 {
    process["pid"].as_u64().unwrap()
}

fn assert_all_is_explained(memtap: &Memtap, when: &str) {
    let health = memtap.get("/api/v1/health");
    assert_eq!(health["unexplained_bytes"], 0, "{when}: {health}");
    let unexplained: Vec<_> =
        processes(memtap).into_iter().filter(|process| process["unexplained_bytes"] != 0).collect();
    assert!(unexplained.is_empty(), "{when}: {unexplained:?}");
}

/// `VmSize` of every process that has one, in bytes.
fn sizes_in_proc() -> HashMap<u64, u64> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, vm_size(pid)?))).collect()
}

/// Errors of the ledger at one moment: missing processes, processes that no longer exist, and wrong
/// sizes. Processes that change during the comparison are ignored.
fn faults(memtap: &Memtap) -> HashSet<(&'static str, u64)> {
    let before = sizes_in_proc();
    memtap.settle();
    let all = processes(memtap);
    let after = sizes_in_proc();
    let living = all.iter().filter(|process| process["state"] == "alive");
    let books: HashMap<u64, u64> =
        living.map(|process| (pid(process), process["virtual_bytes"].as_u64().unwrap())).collect();
    let idle = || after.iter().filter(|(pid, bytes)| before.get(pid) == Some(bytes));
    let missing = idle().filter(|(pid, _)| !books.contains_key(pid)).map(|(pid, _)| ("missing", *pid));
    let wrong = idle().filter(|(pid, bytes)| books.get(pid).is_some_and(|found| found != *bytes));
    let lingers = books.keys().filter(|pid| !before.contains_key(pid) && !after.contains_key(pid));
    let wrong = wrong.map(|(pid, _)| ("wrong", *pid));
    missing.chain(wrong).chain(lingers.map(|pid| ("lingering", *pid))).collect()
}

/// Asserts that the ledger contains exactly the processes in /proc that have memory, with their
/// true sizes. The machine's own programs may change during one comparison, so only errors that
/// persist count.
fn assert_the_books_are_those_of_proc(memtap: &Memtap) {
    let mut stays = faults(memtap);
    for _ in 0..5 {
        if stays.is_empty() {
            return;
        }
        stays = stays.intersection(&faults(memtap)).copied().collect();
    }
    assert!(stays.is_empty(), "{stays:?}");
}

/// Compares at various moments, and then stops stress-ng.
fn moments(memtap: &Memtap, mut stress: Stress) {
    for moment in 0..MOMENTS {
        let share = 50 + moment * 137 % 100;
        std::thread::sleep(Duration::from_millis(stress_seconds() * 1000 / MOMENTS * share / 100));
        assert!(!stress.is_over(), "moment {moment} is one of torture");
        assert_all_is_explained(memtap, &format!("moment {moment}"));
    }
}

#[test]
fn every_byte_is_explained_on_a_machine_under_torture() {
    let memtap = Memtap::start();
    moments(&memtap, Stress::start());
    memtap.settle();
    assert_all_is_explained(&memtap, "afterwards");
    assert_the_books_are_those_of_proc(&memtap);
    let health = memtap.get("/api/v1/health");
    assert!(health["requests"]["made"].as_u64() > Some(10_000), "{health}");
    eprintln!("{} requests, {} lost", health["requests"]["made"], health["requests"]["lost"]);
}

#[test]
fn a_stream_that_overflows_costs_no_byte_and_no_count() {
    const PAIRS: u64 = 200_000;
    let memtap = Memtap::start_with(&["--ring-requests", "64KiB"]);
    let mut fixtures =
        [Fixture::start(&["pairs", &PAIRS.to_string()]), Fixture::start(&["pairs", &PAIRS.to_string()])];
    memtap.settle();
    let before = fixtures.each_ref().map(|fixture| memtap.process(fixture.pid()));
    let stress = Stress::start();
    // A paused reader loses records, however fast the machine is.
    memtap.pause();
    std::thread::scope(|scope| {
        for fixture in &mut fixtures {
            scope.spawn(|| fixture.go());
        }
        std::thread::sleep(Duration::from_millis(200));
        memtap.go_on();
    });
    moments(&memtap, stress);
    memtap.settle();
    let health = memtap.get("/api/v1/health");
    assert!(health["requests"]["lost_by_cause"]["ring_full"].as_u64() > Some(0), "{health}");
    assert_eq!(health["requests"]["lost_by_cause"].get("lifecycle_ring_full"), None, "{health}");
    for (fixture, before) in fixtures.iter().zip(&before) {
        let after = memtap.process(fixture.pid());
        for call in ["mmap", "munmap"] {
            let count = |process: &Value| process["calls"][call]["count"].as_u64().unwrap();
            let bytes = |process: &Value| process["calls"][call]["requested_bytes"].as_u64().unwrap();
            assert_eq!(count(&after) - count(before), PAIRS, "{call}: {after}");
            assert_eq!(bytes(&after) - bytes(before), PAIRS * 65_536, "{call}: {after}");
        }
        assert!(after["lost"].as_u64() > Some(0), "the loss is told for each process: {after}");
        assert_eq!(after["virtual_bytes"].as_u64(), vm_size(fixture.pid().into()));
        let stream = memtap.get(&format!("/api/v1/requests?pid={}&limit=10000", fixture.pid()));
        let gaps: u64 =
            stream["requests"].as_array().unwrap().iter().filter_map(|one| one["lost_before"].as_u64()).sum();
        let whole: i64 = memtap
            .database()
            .query_row("select sum(lost_before) from memory_usage where pid = ?1", [fixture.pid()], |row| {
                row.get(0)
            })
            .unwrap();
        assert!(whole.cast_unsigned() >= gaps && whole > 0, "the stream says where the gaps are");
    }
    assert_all_is_explained(&memtap, "afterwards");
    assert_the_books_are_those_of_proc(&memtap);
}

#[test]
fn ten_thousand_short_processes_have_closed_accounts_with_their_peaks() {
    const CHILDREN: i64 = 10_000;
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["children", &CHILDREN.to_string()]);
    memtap.settle();
    let resident = |memtap: &Memtap| memtap.get("/api/v1/health")["self"]["resident_bytes"].as_u64().unwrap();
    let before = resident(&memtap);
    fixture.go();
    memtap.settle();
    memtap.wait_for("/api/v1/health", "the store has caught up", |health| health["store"]["spooled"] == 0);
    // During a storm within one tick, the views (and the store) keep the last thousand processes.
    // The counts include all.
    let (kept, closed, with_peak): (i64, i64, i64) = memtap
        .database()
        .query_row(
            "select count(*), sum(ended_at_ns is not null), sum(peak_virtual_bytes > 0 and peak_resident_bytes > 0) \
             from process where name = 'true' and parent_pid = ?1",
            [fixture.pid()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((kept, closed, with_peak), (CHILDREN, CHILDREN, CHILDREN));
    let living = processes(&memtap)
        .iter()
        .filter(|process| process["state"] == "alive" && process["parent_pid"] == fixture.pid())
        .count();
    assert_eq!(living, 0);
    let grown = resident(&memtap).saturating_sub(before);
    assert!(grown < 64 << 20, "memtap has grown by {grown} bytes");
    assert_all_is_explained(&memtap, "afterwards");
    fixture.end();
}

#[test]
fn processes_beyond_the_accounts_are_reported_with_their_true_sizes() {
    // Reserved slots increase the number of accounts to at most 80.
    const ROOM: u64 = 80;
    const PROCESSES: u64 = 100;
    let memtap = Memtap::start_with(&["--accounts", "64"]);
    let mut fixtures: Vec<Fixture> = (0..PROCESSES).map(|_| Fixture::start(&["pairs", "1000"])).collect();
    memtap.settle();
    fixtures.iter_mut().for_each(Fixture::go);
    memtap.settle();
    let health = memtap.get("/api/v1/health");
    let lost = &health["requests"]["lost_by_cause"]["no_account"];
    assert!(lost.as_u64() >= Some((PROCESSES - ROOM) * 2000), "what has no room is counted: {health}");
    for fixture in &fixtures {
        let process = memtap.process(fixture.pid());
        assert_eq!(process["virtual_bytes"].as_u64(), vm_size(fixture.pid().into()), "{process}");
    }
    assert_all_is_explained(&memtap, "with accounts for 64");
    fixtures.clear();
    memtap.settle();
    // Accounts are available again.
    let mut again = Fixture::start(&["pairs", "1000"]);
    again.go();
    memtap.settle();
    let after = memtap.process(again.pid());
    assert!(after["calls"]["mmap"]["count"].as_u64() >= Some(1000), "{after}");
    assert_all_is_explained(&memtap, "with room for all");
}

const SPIKE: u64 = 200 << 20;

#[test]
fn a_spike_between_two_ticks_is_in_the_history() {
    let memtap = Memtap::start();
    // A reading may catch the spike. At least one of five must fall between two readings.
    assert!((0..5).any(|_| !spike_on_a_tick(&memtap)), "no spike of five fell between two ticks");
}

/// Makes a spike, and checks that its peak is reported and kept. Returns whether a reading caught
/// it.
fn spike_on_a_tick(memtap: &Memtap) -> bool {
    let mut fixture = Fixture::start(&["spike", &SPIKE.to_string()]);
    memtap.settle();
    let before = memtap.process(fixture.pid());
    fixture.go();
    memtap.settle();
    let after = memtap.process(fixture.pid());
    let bytes = |process: &Value, field: &str| process[field].as_u64().unwrap();
    assert!(bytes(&after, "peak_virtual_bytes") >= bytes(&before, "virtual_bytes") + SPIKE, "{after}");
    assert!(bytes(&after, "peak_resident_bytes") >= SPIKE, "{after}");
    assert!(bytes(&after, "resident_bytes") < SPIKE / 4, "{after}");
    let faults = bytes(&after, "minor_faults") - bytes(&before, "minor_faults");
    assert!(faults >= SPIKE / (2 << 20), "at least one for each huge page: {faults}");
    let pid = fixture.pid();
    fixture.end();
    let path = format!("/api/v1/processes/{pid}");
    memtap.wait_for(&path, "its end is seen", |process| process["state"] == "ended");
    let sql = "select coalesce(max(usage_sample.peak_resident_bytes), 0), coalesce(max(anonymous_bytes), 0) \
        from usage_sample join process on process.id = process_id where pid = ?1";
    let begin = Instant::now();
    loop {
        let row =
            memtap.database().query_row(sql, [pid], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        let (peak, sampled) = row.unwrap();
        if peak >= SPIKE.cast_signed() {
            return sampled >= SPIKE.cast_signed() / 4;
        }
        assert!(begin.elapsed() < support::PATIENCE, "the highest peak in the history is {peak}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn size_changes_outside_the_observed_calls_have_causes() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["beyond"]);
    memtap.settle();
    let before = memtap.process(fixture.pid());
    fixture.go();
    memtap.settle();
    let after = memtap.process(fixture.pid());
    let moved = |field: &str| after[field].as_i64().unwrap() - before[field].as_i64().unwrap();
    assert!(moved("stack_bytes") >= 1 << 20, "the stack grew: {after}");
    assert!(moved("kernel_bytes") > 0, "the AIO ring is the kernel's doing: {after}");
    assert_eq!(after["unexplained_bytes"], 0);
    assert_eq!(after["virtual_bytes"].as_u64(), vm_size(fixture.pid().into()));
}

#[test]
fn pss_and_uss_are_reported_for_one_process() {
    let memtap = Memtap::start();
    let fixture = Fixture::start(&["known"]);
    memtap.settle();
    let answer = memtap.get(&format!("/api/v1/processes/{}?pss=true", fixture.pid()));
    let bytes = |field: &str| answer[field].as_u64().unwrap();
    assert!(bytes("uss_bytes") > 0 && bytes("uss_bytes") <= bytes("pss_bytes"), "{answer}");
    assert!(bytes("pss_bytes") <= bytes("resident_bytes"), "{answer}");
}

#[test]
fn a_process_in_a_pid_namespace_has_its_pid_inside() {
    let memtap = Memtap::start();
    let mut inside = Command::new("unshare");
    inside.args(["--pid", "--fork", "--kill-child"]).arg(fixture_path()).arg("known");
    let mut inside = inside.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let outside = inside.id();
    memtap.wait_for("/api/v1/processes?name=fixture", "the process inside is seen", |answer| {
        let all = answer["processes"].as_array().unwrap();
        let child = all.iter().find(|process| process["parent_pid"] == outside);
        child.is_some_and(|child| child["inner_pid"] == 1 && child["pid"] != 1)
    });
    inside.kill().unwrap();
    inside.wait().unwrap();
}

/// A 32-bit program without a C library: it maps 77 pages with mmap2, unmaps them and exits.
const PROGRAM_32: &str = r#"
static int call(int number, unsigned a, unsigned b, unsigned c, unsigned d, int e)
{
	int answer;

	__asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return answer;
}

void _start(void)
{
	unsigned address = call(192, 0, 77 * 4096, 3, 0x22, -1);

	call(91, address, 77 * 4096, 0, 0, 0);
	call(1, 0, 0, 0, 0, 0);
}
"#;

#[test]
fn requests_of_a_32_bit_program_are_in_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("small.c"), folder.path().join("small32"));
    std::fs::write(&source, PROGRAM_32).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args([
        "-m32",
        "-static",
        "-nostdlib",
        "-fno-pie",
        "-no-pie",
        "-fno-stack-protector",
        "-O1",
        "-o",
    ]);
    let built = compiler.arg(&program).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this C compiler makes no 32-bit programs");
        return;
    }
    let memtap = Memtap::start();
    match Command::new(&program).status() {
        Ok(status) if status.success() => {}
        other => {
            eprintln!("skipped: this kernel runs no 32-bit programs ({other:?})");
            return;
        }
    }
    let path = "/api/v1/processes?ended=true&name=small32";
    let answer =
        memtap.wait_for(path, "its end is seen", |answer| answer["processes"][0]["state"] == "ended");
    let process = &answer["processes"][0];
    assert_eq!(process["calls"]["mmap"]["requested_bytes"], 77 * 4096, "{process}");
    assert_eq!((&process["calls"]["munmap"]["count"], &process["unexplained_bytes"]), (&1.into(), &0.into()));
}

#[test]
fn an_oom_kill_is_kept_with_victim_asker_and_the_seconds_before() {
    let Some(group) = Group::limited_to(64 << 20) else {
        eprintln!("skipped: no memory cgroup can be made here");
        return;
    };
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["spike", &(256_u64 << 20).to_string()]);
    group.takes(fixture.pid());
    memtap.settle();
    fixture.go_and_die();
    let killed = fixture.pid();
    let ours = |answer: &Value| {
        let kills = answer["oom_kills"].as_array().unwrap();
        kills.iter().find(|kill| kill["pid"] == killed).cloned()
    };
    let answer = memtap.wait_for("/api/v1/oom", "the kill is told", |answer| ours(answer).is_some());
    let kill = &ours(&answer).unwrap();
    assert_eq!(kill["process_name"], "fixture");
    assert_eq!((&kill["asker_pid"], &kill["asker_name"]), (&fixture.pid().into(), &"fixture".into()));
    assert!(kill["resident_bytes"].as_u64() > Some(32 << 20), "{kill}");
    let before = kill["before"].as_array().unwrap();
    assert!(!before.is_empty() && before.iter().all(|moment| moment["largest"][0].is_object()), "{kill}");
    assert!(memtap.get("/api/v1/health")["oom_kills"].as_u64() >= Some(1));
    let path = format!("/api/v1/processes/{}", fixture.pid());
    let ended = memtap.wait_for(&path, "its end is seen", |process| process["state"] == "ended");
    assert_eq!(ended["unexplained_bytes"], 0, "{ended}");
    let stored = || {
        let sql = "select victim_name, (select count(*) from oom_before where oom_id = oom_kill.id) from oom_kill where victim_pid = ?1";
        memtap
            .database()
            .query_row(sql, [fixture.pid()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
    };
    let begin = Instant::now();
    while stored().is_err() && begin.elapsed() < support::PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    let (name, moments) = stored().unwrap();
    assert!(name == "fixture" && moments > 0);
}

/// Proportional set size of a process, in bytes.
fn pss(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn at_the_highest_rate_memtap_keeps_within_its_memory_and_the_history_gets_all() {
    const PAIRS: u64 = 400_000;
    /// SQLite's page caches of the writer and the reader.
    const PAGE_CACHES: u64 = 18 << 20;
    let memtap = Memtap::start();
    let mut callers = [0, 1].map(|_| Fixture::start(&["pairs", &PAIRS.to_string()]));
    let pids = [callers[0].pid(), callers[1].pid()];
    let most = std::thread::scope(|scope| {
        let working: Vec<_> = callers.iter_mut().map(|caller| scope.spawn(|| caller.go())).collect();
        let mut most = 0;
        while working.iter().any(|caller| !caller.is_finished()) {
            most = most.max(pss(memtap.pid()));
            std::thread::sleep(Duration::from_millis(100));
        }
        most
    });
    let settled = memtap.wait_for("/api/v1/health", "the history catches up", |health| {
        health["store"]["spooled"].as_u64() < Some(20_000) && health["store"]["spool_bytes"] == 0
    });
    let most = most.max(pss(memtap.pid()));
    assert!(most <= (64 << 20) + PAGE_CACHES, "{} MiB", most >> 20);
    assert_eq!(settled["unexplained_bytes"], 0, "{settled}");
    let dropped = settled["store"]["dropped"].as_u64().unwrap();
    memtap.settle();
    let lost: u64 = pids.map(|pid| memtap.process(pid)["lost"].as_u64().unwrap()).iter().sum();
    let stored = || {
        let sql = "select count(*) from memory_usage where pid in (?1, ?2)";
        memtap.database().query_row(sql, pids, |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    };
    let (begin, expected) = (Instant::now(), 4 * PAIRS - lost - dropped);
    while stored() < expected && begin.elapsed() < support::PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
    }
    let figures =
        format!("{} MiB at most; of {} requests {lost} lost, {dropped} dropped", most >> 20, 4 * PAIRS);
    assert!(stored() >= expected, "{} are in the history: {figures}", stored());
    eprintln!("{figures}");
}
