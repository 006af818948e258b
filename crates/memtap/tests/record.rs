//! `memtap record`, and playback of a recording without privileges.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::{Fixture, Memtap, PATIENCE};

const MAPPED: u64 = 77 * 4096;

fn record(file: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.args(["record", "-o"]).arg(file).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts recording and waits until the kernel is watched: the file is then longer than its header.
fn recording(file: &Path) -> Child {
    let child = record(file, &["--source", "bpf"]).spawn().unwrap();
    let begin = std::time::Instant::now();
    while std::fs::metadata(file).map_or(0, |file| file.len()) < 1000 {
        assert!(begin.elapsed() < PATIENCE, "nothing is recorded");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child
}

fn end(mut child: Child, signal: Signal) -> Option<i32> {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    child.wait().unwrap().code()
}

/// Directory that everybody can use: memtap is started as nobody.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    folder
}

fn calls(process: &Value) -> [u64; 2] {
    ["mmap", "munmap"].map(|call| process["calls"][call]["count"].as_u64().unwrap())
}

#[test]
fn a_recording_can_be_played_without_privileges() {
    let folder = folder();
    let file = folder.path().join("a.mtrec");
    let mut fixture = Fixture::start(&["pairs", "1000"]);
    let mut named = Fixture::start(&["named", "1b5b33316d3c623e", &MAPPED.to_string()]);
    let child = recording(&file);
    fixture.go();
    named.go();
    let (worker, stranger) = (fixture.pid(), named.pid());
    fixture.end();
    assert_eq!(end(child, Signal::SIGINT), Some(0));
    named.end();

    let memtap = Memtap::start_recording(folder.path(), &file);
    let path = format!("/api/v1/processes/{worker}");
    let ended = memtap.wait_for(&path, "its end is told", |process| process["state"] == "ended");
    assert!(calls(&ended).iter().all(|count| (1000..1020).contains(count)), "{ended}");
    assert_eq!((&ended["unexplained_bytes"], &ended["lost"]), (&0.into(), &0.into()));
    let stranger = memtap.process(stranger);
    assert_eq!((&stranger["name"], &stranger["state"]), (&"\u{1b}[31m<b>".into(), &"alive".into()));

    let health = memtap.get("/api/v1/health");
    assert_eq!((&health["source"], &health["requests"]["lost"]), (&"recording".into(), &0.into()));
    // The history has the recording's times, with the smallest step.
    let requests = format!("/api/v1/requests?pid={worker}&call=mmap&limit=2000");
    let stored = memtap.wait_for(&requests, "the history has all", |page| {
        page["requests"].as_array().is_some_and(|rows| rows.len() >= 1000)
    });
    let timestamp = stored["requests"][0]["timestamp"].as_str().unwrap();
    assert!(
        timestamp > ended["start_time"].as_str().unwrap() && timestamp <= ended["end_time"].as_str().unwrap()
    );
    let [from, to] = ["start_time", "end_time"].map(|key| ended[key].as_str().unwrap());
    let usage = memtap.get(&format!("/api/v1/usage?pid={worker}&from={from}&to={to}&step=1"));
    assert_eq!(usage["step_s"], 1, "{usage}");
    assert!(!usage["series"].as_array().unwrap().is_empty());

    let (_, well) = memtap.interrupt();
    assert!(well);
}

/// The recorded day that is part of the project must stay readable when the format changes.
#[test]
fn the_recorded_day_is_reported_and_imported() {
    let day = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/day.mtrec");
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("memtap.db").display());
    let memtap = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
        let output =
            command.args(arguments).env("MEMTAP_STORE", &store).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let parse_json =
        |output: std::process::Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let report = parse_json(memtap(&["report", "--recording", day, "--format", "json"]));
    assert_eq!(report["totals"]["refused"], 3, "the reporter's refusals");
    let findings = report["findings"].to_string();
    assert!(findings.contains("worker") && findings.contains("reporter"), "{findings}");

    memtap(&["import", "--format", "recording", day]);
    let range = ["--from", "2026-11-23T00:00:00Z", "--to", "2026-11-24T00:00:00Z"];
    let imported = parse_json(memtap(&[&["report", "--format", "json"], &range[..]].concat()));
    for figure in ["requests", "refused", "requested_bytes", "granted_bytes", "released_bytes", "processes"] {
        assert_eq!(imported["totals"][figure], report["totals"][figure], "{figure}");
    }
}

/// Standard output and standard error of `memtap report --recording`.
fn report_of(file: &Path, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.args(["report", "--recording"]).arg(file).args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{stderr}");
    (stdout, stderr)
}

#[test]
fn requests_that_the_source_cannot_see_are_not_reported_as_none() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (code, stderr) = support::run(record(file.path(), &["--source", "procfs", "--duration", "2s"]));
    assert_eq!(code, Some(0), "{stderr}");
    for format in ["html", "md", "txt", "csv"] {
        let (stdout, _) = report_of(file.path(), &["--format", format]);
        assert!(stdout.contains("not visible (source: procfs)"), "{format}: {stdout}");
    }
    let (json, _) = report_of(file.path(), &["--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["totals"]["requests_visible"], false, "{}", json["totals"]);
    assert!(json["not_looked_at"].to_string().contains("source: procfs"), "{}", json["not_looked_at"]);

    let (stdout, stderr) = report_of(file.path(), &["--name", "nosuch"]);
    assert!(stderr.contains("memtap: no process matches --name nosuch in this range"), "{stderr}");
    assert!(stdout.contains("No process matches nosuch in this range."), "{stdout}");
    let (_, stderr) = report_of(file.path(), &["-p", "4000000"]);
    assert!(stderr.contains("no process matches -p 4000000 in this range"), "{stderr}");
    let (_, stderr) =
        report_of(file.path(), &["--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z"]);
    let name = file.path().display().to_string();
    assert!(stderr.contains(&format!("memtap: {name} has no data in this range")), "{stderr}");
    assert!(!stderr.contains("sqlite:"), "the temporary database is nobody's concern: {stderr}");
}

#[test]
fn damage_in_a_recording_is_reported_as_damage() {
    let day = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/day.mtrec");
    let mut bytes = std::fs::read(day).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x5a);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let (stdout, stderr) = report_of(file.path(), &[]);
    assert!(stderr.contains("damaged in 1 place;"), "{stderr}");
    assert!(stdout.contains("! The recording is damaged. "), "{stdout}");
    assert!(!stdout.contains("No record was lost") && !stdout.contains("ring buffer"), "{stdout}");
    assert!(!stdout.contains("were lost before memtap"), "all that is missing is damage: {stdout}");
}

#[test]
fn a_killed_recorder_loses_only_the_last_seconds() {
    let folder = folder();
    let file = folder.path().join("a.mtrec");
    let mut fixture = Fixture::start(&["pairs", "20000"]);
    let child = recording(&file);
    let before = std::fs::metadata(&file).unwrap().len();
    fixture.go();
    let begin = std::time::Instant::now();
    // 40,000 requests fill several frames.
    while std::fs::metadata(&file).unwrap().len() < before + 100_000 {
        assert!(begin.elapsed() < PATIENCE, "nothing more is recorded");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(end(child, Signal::SIGKILL), None);
    let memtap = Memtap::start_recording(folder.path(), &file);
    memtap.wait_for("/api/v1/health", "its requests are told", |health| {
        health["requests"]["seen"].as_u64().unwrap() > 10_000
    });
    let begin = std::time::Instant::now();
    while !memtap.log().contains("its end is missing") {
        assert!(begin.elapsed() < PATIENCE, "{}", memtap.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_file_that_is_no_recording_is_left_alone() {
    let folder = folder();
    let file = folder.path().join("thesis.txt");
    std::fs::write(&file, "years of work").unwrap();
    let (code, stderr) = support::run(record(&file, &["--source", "procfs", "--duration", "1s"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("is not a recording") && stderr.contains("--force"), "{stderr}");
    assert_eq!(std::fs::read(&file).unwrap(), b"years of work");

    // An empty file and a recording are replaced.
    let empty = tempfile::NamedTempFile::new().unwrap();
    for _ in 0..2 {
        let (code, stderr) = support::run(record(empty.path(), &["--source", "procfs", "--duration", "1s"]));
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stderr.contains("readings"), "{stderr}");
    }
}

#[test]
fn an_old_recording_is_kept_if_the_new_one_cannot_start() {
    let folder = folder();
    let file = folder.path().join("morning.mtrec");
    let day = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/day.mtrec")).unwrap();
    std::fs::write(&file, &day).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let mut command = record(&file, &["--source", "bpf"]);
    std::os::unix::process::CommandExt::uid(&mut command, support::NOBODY);
    let (code, stderr) = support::run(command);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(std::fs::read(&file).unwrap() == day, "{stderr}");

    let (code, stderr) = support::run(record(&file, &["--source", &format!("recording:{}", file.display())]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("is both input and output"), "{stderr}");
    assert!(std::fs::read(&file).unwrap() == day, "{stderr}");
}

#[test]
fn a_full_disk_is_reported_and_written_data_stays_readable() {
    let (code, stderr) =
        support::run(record(Path::new("/dev/full"), &["--source", "procfs", "--duration", "1s"]));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/dev/full") && stderr.contains("No space left"), "{stderr}");
}
