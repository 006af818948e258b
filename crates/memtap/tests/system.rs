//! Whole-system tests on the real kernel: programs make known requests, and memtap's responses are
//! compared with these requests and with the kernel's figures.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;
use support::{Fixture, Memtap, NOBODY, PATIENCE, command, free_port, run, vm_size};

fn requests_of(memtap: &Memtap, pid: u32, call: &str) -> Vec<Value> {
    let path = format!("/api/v1/requests?pid={pid}&call={call}&limit=10000");
    memtap.get(&path)["requests"].as_array().unwrap().clone()
}

fn sized(requests: &[Value], size: u64) -> Vec<(i64, Option<&str>)> {
    let rounded = size.next_multiple_of(4096);
    let of_size = requests.iter().filter(|request| request["memory_size"] == rounded);
    of_size.map(|request| (request["delta_bytes"].as_i64().unwrap(), request["error"].as_str())).collect()
}

#[test]
fn this_machine_can_do_bpf() {
    let memtap = Memtap::start();
    let health = memtap.get("/api/v1/health");
    assert_eq!(
        (health["source"].as_str(), health["notices"].as_array().map(Vec::len)),
        (Some("bpf"), Some(0))
    );
    let seen = health["requests"]["seen"].as_u64().unwrap();
    std::process::Command::new("/bin/true").status().unwrap();
    memtap.wait_for("/api/v1/health", "requests are seen", |health| {
        health["requests"]["seen"].as_u64().unwrap() > seen + 5
    });
}

#[test]
fn known_requests_are_booked_to_the_byte() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["known"]);
    let pid = fixture.pid();
    memtap.wait_for(&format!("/api/v1/processes/{pid}"), "the fixture is seen", |process| {
        process["name"] == "fixture"
    });
    memtap.settle();
    let before = memtap.process(pid);
    fixture.go();
    memtap.settle();

    let mmaps = requests_of(&memtap, pid, "mmap");
    assert_eq!(sized(&mmaps, 1_234_567), [(1_236_992, None)]);
    assert_eq!(sized(&mmaps, 1 << 50), [(0, Some("ENOMEM"))]);
    assert_eq!(sized(&mmaps, 16 * 4096), [(0, None)], "the overlay replaces what was there");
    assert_eq!(sized(&mmaps, 41 * 4096).len() + sized(&mmaps, 43 * 4096).len(), 2, "one of each thread");
    let threads: Vec<_> = mmaps.iter().filter(|request| request["tid"] != request["pid"]).collect();
    assert!(threads.len() >= 2, "threads have ids of their own");

    let munmaps = requests_of(&memtap, pid, "munmap");
    assert_eq!(sized(&munmaps, 7 * 4096), [(0, None)], "nothing was mapped there, nothing is released");
    let mremaps = requests_of(&memtap, pid, "mremap");
    assert_eq!(sized(&mremaps, 333 * 4096), [(300 * 4096, None)]);
    let mut brks =
        sized(&requests_of(&memtap, pid, "brk"), 1 << 20).iter().map(|found| found.0).collect::<Vec<_>>();
    brks.sort_unstable();
    assert_eq!(brks, [-(1 << 20), 1 << 20], "up and down");

    let after = memtap.process(pid);
    assert_eq!(after["refused"].as_u64().unwrap(), before["refused"].as_u64().unwrap() + 1);
    assert_eq!(after["virtual_bytes"].as_u64(), vm_size(pid.into()));
    assert_eq!(after["unexplained_bytes"], 0);
    the_books_balance(&after);

    let table = "select my_call, memory_size from memory_usage where pid = ?1 and memory_size = 1236992";
    let row: (String, i64) =
        memtap.database().query_row(table, [pid], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(row, ("mmap".to_owned(), 1_236_992), "the view has it under the original's names");
    fixture.end();
    let ended =
        memtap.wait_for(&format!("/api/v1/processes/{pid}"), "its end is seen", |p| p["state"] == "ended");
    assert_eq!(ended["virtual_bytes"], 0);
    the_books_balance(&ended);
    let child = memtap.get("/api/v1/processes?ended=true&name=fixture&limit=1000");
    let child =
        child["processes"].as_array().unwrap().iter().find(|process| process["parent_pid"] == pid).cloned();
    let child = child.expect("the child's life is kept");
    assert_eq!(
        sized(&requests_of(&memtap, child["pid"].as_u64().unwrap() as u32, "mmap"), 555 * 4096).len(),
        1
    );
    the_books_balance(&child);
}

fn the_books_balance(process: &Value) {
    let amount = |name: &str| process[name].as_i64().unwrap_or_else(|| panic!("{name} in {process}"));
    let balance = amount("opening_bytes") + amount("granted_bytes") - amount("released_bytes")
        + amount("exec_bytes")
        + amount("stack_bytes")
        + amount("shared_bytes")
        + amount("unexplained_bytes")
        - amount("ended_bytes");
    assert_eq!(balance, amount("virtual_bytes"), "{process}");
}

#[test]
fn a_hundred_thousand_pairs_are_counted_exactly_and_none_is_lost() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["pairs", "100000"]);
    let pid = fixture.pid();
    memtap.settle();
    let before = memtap.process(pid);
    fixture.go();
    let count = |process: &Value, call: &str| process["calls"][call]["count"].as_u64().unwrap();
    let path = format!("/api/v1/processes/{pid}");
    let after = memtap.wait_for(&path, "all pairs are counted", |now| {
        count(now, "munmap") >= count(&before, "munmap") + 100_000
    });
    assert_eq!(count(&after, "mmap") - count(&before, "mmap"), 100_000);
    assert_eq!(count(&after, "munmap") - count(&before, "munmap"), 100_000);
    let moved = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    assert_eq!((moved("granted_bytes"), moved("released_bytes")), (100_000 * 65_536, 100_000 * 65_536));
    assert_eq!(memtap.get("/api/v1/health")["requests"]["lost"], 0);
    fixture.end();
    let rows = format!("select count(*) from memory_usage where pid = {pid} and memory_size = 65536");
    memtap.wait_for("/api/v1/health", "the store has caught up", |health| health["store"]["spooled"] == 0);
    let stored: i64 = memtap.database().query_row(&rows, [], |row| row.get(0)).unwrap();
    assert!(stored >= 200_000, "every one of them is in the history: {stored}");
}

#[test]
fn virtual_bytes_agree_with_the_kernel_for_every_idle_process() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["known"]);
    fixture.go();
    memtap.settle();
    let idle: HashMap<u64, Option<u64>> = ids(&memtap).map(|pid| (pid, vm_size(pid))).collect();
    // A process that works occasionally may change during one comparison, so only errors that
    // persist count.
    let mut wrong: Option<HashSet<u64>> = None;
    for _ in 0..4 {
        memtap.settle();
        let (found, compared) = disagreeing(&memtap, &idle);
        assert!(compared > 3, "at least the test's own tree lived through it: {compared}");
        let still = wrong.map_or(found.clone(), |before| before.intersection(&found).copied().collect());
        if still.is_empty() {
            return;
        }
        wrong = Some(still);
    }
    panic!("the books of {wrong:?} disagree with the kernel");
}

/// Processes whose size is unchanged but different from memtap's figure, and the number of compared
/// processes.
fn disagreeing(memtap: &Memtap, idle: &HashMap<u64, Option<u64>>) -> (HashSet<u64>, usize) {
    let answer = memtap.get("/api/v1/processes?limit=10000");
    let (mut wrong, mut compared) = (HashSet::new(), 0);
    for process in answer["processes"].as_array().unwrap() {
        let pid = process["pid"].as_u64().unwrap();
        let now = vm_size(pid);
        if now.is_some() && idle.get(&pid) == Some(&now) {
            compared += 1;
            if process["virtual_bytes"].as_u64() != now {
                wrong.insert(pid);
            }
        }
    }
    (wrong, compared)
}

fn ids(memtap: &Memtap) -> impl Iterator<Item = u64> {
    let answer = memtap.get("/api/v1/processes?limit=10000");
    let processes = answer["processes"].as_array().unwrap().clone();
    processes.into_iter().map(|process| process["pid"].as_u64().unwrap())
}

#[test]
fn hostile_names_are_text() {
    let memtap = Memtap::start();
    for (bytes, expected) in [
        (&b"<img src=x onerror=alert(1)>"[..], "<img src=x oner"),
        (b"a,\"b\"\n'; drop", "a,\"b\"\n'; drop"),
        (b"\x1b[31m\xff", "\u{1b}[31m\\xff"),
    ] {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut fixture = Fixture::start(&["named", &hex, "12345678"]);
        fixture.go();
        let path = format!("/api/v1/processes/{}", fixture.pid());
        memtap.wait_for(&path, "the name arrives", |process| process["name"] == expected);
        let path = format!("/api/v1/requests?pid={}&min_size=12345678", fixture.pid());
        let found = memtap.wait_for(&path, "the request is stored", |page| page["requests"][0].is_object());
        assert_eq!(found["requests"][0]["process_name"], expected);
    }
}

#[test]
fn committed_rows_survive_a_kill_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let memtap = Memtap::start_in(folder.path(), &["--source", "bpf"], None);
    let mut fixture = Fixture::start(&["pairs", "200000"]);
    let load = std::thread::spawn(move || fixture.go());
    let rows = |memtap: &Memtap| memtap.get("/api/v1/health")["store"]["rows"].as_u64().unwrap();
    memtap.wait_for("/api/v1/health", "rows are committed", |health| {
        health["store"]["rows"].as_u64() > Some(20_000)
    });
    let committed = rows(&memtap);
    memtap.kill();
    load.join().unwrap();
    let memtap = Memtap::start_in(folder.path(), &["--source", "bpf"], None);
    let stored: i64 =
        memtap.database().query_row("select count(*) from memory_usage", [], |row| row.get(0)).unwrap();
    assert!(stored as u64 >= committed, "{stored} of {committed}");
    let check: String = memtap.database().query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn ctrl_c_ends_it_in_order_and_soon() {
    let memtap = Memtap::start();
    std::process::Command::new("/bin/true").status().unwrap();
    let (_silent, _websocket) = (connection(&memtap, ""), websocket(&memtap));
    let (took, well) = memtap.interrupt();
    assert!(well);
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}

fn connection(memtap: &Memtap, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", memtap.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// WebSocket connection after Engine.IO's first packet.
fn websocket(memtap: &Memtap) -> TcpStream {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bWVtdGFwIG1lbXRhcCBtZQ==";
    let path = "/socket.io/?EIO=4&transport=websocket";
    let ask = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{upgrade}\r\n\r\n", memtap.port);
    let (mut stream, mut got, mut piece) = (connection(memtap, &ask), Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&got).contains("sid") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&piece[..read]);
    }
    stream
}

#[test]
fn an_ordinary_user_sees_what_proc_shows_and_how_to_fix_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    std::fs::File::create(folder.path().join("log")).unwrap();
    let memtap = Memtap::start_in(folder.path(), &[], Some(NOBODY));
    let health = memtap.get("/api/v1/health");
    assert_eq!(health["source"], "procfs");
    let notice = &health["notices"][0];
    let what = notice["what"].as_str().unwrap();
    assert!(what.starts_with("requests are not visible"), "the page looks for these words: {what}");
    assert!(notice["fix"].as_str().is_some_and(|fix| fix.contains("memtap")), "{health}");
    assert_eq!(notice["fix"], notice["mend"], "the former name stays");
    let own = memtap.process(memtap.pid());
    assert!(own["virtual_bytes"].as_u64() > Some(0) && own["resident_bytes"].as_u64() > Some(0), "{own}");
}

#[test]
fn a_failed_start_reports_the_reason_and_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().port();
    let (code, text) = run(command(folder.path(), taken, &["--source", "procfs"]));
    assert_eq!(code, Some(1));
    assert!(text.contains(&taken.to_string()) && text.contains("--listen"), "{text}");

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let store = format!("--store=sqlite:{}", file.join("memtap.db").display());
    let mut unwritable = std::process::Command::new(env!("CARGO_BIN_EXE_memtap"));
    unwritable.current_dir(folder.path()).args([
        "--source=procfs",
        &store,
        &format!("--listen=127.0.0.1:{}", free_port()),
    ]);
    let (code, text) = run(unwritable);
    assert_eq!(code, Some(1));
    assert!(text.contains("memtap.db") && text.contains("--store"), "{text}");

    let mut forbidden = std::process::Command::new(env!("CARGO_BIN_EXE_memtap"));
    std::os::unix::process::CommandExt::uid(&mut forbidden, NOBODY);
    forbidden.args(["--source=bpf", "--store=none", &format!("--listen=127.0.0.1:{}", free_port())]);
    let (code, text) = run(forbidden);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("sudo"), "{text}");
}

#[test]
fn usage_over_time_is_in_the_history() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["spike", &(200_u64 << 20).to_string()]);
    memtap.settle();
    fixture.go();
    let path = format!("/api/v1/usage?pid={}&step=10", fixture.pid());
    let usage = memtap.wait_for(&path, "the spike is told", |usage| {
        let steps = usage["series"].as_array().unwrap();
        steps.iter().any(|step| step["peak_resident_bytes"].as_u64() > Some(200 << 20))
    });
    assert_eq!(usage["step_s"], 10);
    memtap.settle();
    let sum = |usage: &Value| {
        let steps = usage["series"].as_array().unwrap();
        steps.iter().map(|step| step["requests"].as_u64().unwrap()).sum::<u64>()
    };
    let whole = memtap.get(&format!("/api/v1/usage?pid={}&step=3600", fixture.pid()));
    let calls = memtap.process(fixture.pid())["requests"].as_u64().unwrap();
    assert_eq!((sum(&whole), sum(&memtap.get(&path))), (calls, calls), "{whole}");
    let all = memtap.get("/api/v1/usage");
    assert!(sum(&all) >= calls && all["series"][0]["virtual_bytes"].as_u64() > Some(0), "{all}");
}
