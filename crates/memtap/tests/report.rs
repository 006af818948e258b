//! `memtap report` and `/api/v1/report`, on SystemTap output, on a history made by hand, and on
//! this machine.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "the store's own tests use more of it")]
#[path = "../../memtap-store/tests/support/mariadb.rs"]
mod mariadb;
#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use memtap_history::{Batch, Run, Settings};
use memtap_ledger::BookedRequest;
use memtap_model::{Call, Comm, Errno, MemoryRequest, Outcome, ProcessId, StartTime, Tgid, Tid, WallClock};
use memtap_store::StoreUrl;
use memtap_testing::{Delivery, OpenNow as _};
use serde_json::Value;
use support::{Fixture, Memtap, fixture_path};

/// Day of the sample and of the history made by hand.
const DAY: [&str; 4] = ["--from", "2026-11-23T00:00:00Z", "--to", "2026-11-24T00:00:00Z"];
/// 2026-11-23, 10:00 UTC.
const T0: i64 = 1_795_428_000_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn report(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.env("MEMTAP_STORE", format!("sqlite:{}", folder.join("memtap.db").display()));
    command.env("TZ", "UTC").env("LC_ALL", "C").current_dir(folder);
    command.arg("report").args(arguments).output().unwrap()
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = report(folder, arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    serde_json::from_str(&text(folder, &arguments)).unwrap()
}

/// History imported from real SystemTap output, and its lines; `None` if the file does not exist
/// beside the project.
fn imported() -> Option<(tempfile::TempDir, String)> {
    let sample =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/systemtap-sample.csv"));
    let lines = std::fs::read_to_string(&sample).ok()?;
    let folder = tempfile::tempdir().unwrap();
    let store = format!("--store=sqlite:{}", folder.path().join("memtap.db").display());
    let mut import = Command::new(env!("CARGO_BIN_EXE_memtap"));
    let done = import.args(["import", "--utc-offset=-21600", &store]).arg(sample).output().unwrap();
    assert!(done.status.success());
    Some((folder, lines))
}

/// Call, name and length of a line.
fn parts(line: &str) -> (&str, &str, u64) {
    let mut left = line.splitn(3, ',');
    let (call, rest) = (left.next().unwrap(), left.nth(1).unwrap());
    let mut right = rest.rsplitn(3, ',');
    let length = right.nth(1).unwrap().parse().unwrap();
    (call, right.next().unwrap(), length)
}

fn by<'a>(rows: &'a Value, key: &str, value: &str) -> &'a Value {
    let found = rows.as_array().unwrap().iter().find(|row| row[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value} in {rows}"))
}

#[test]
fn a_report_on_an_import_matches_its_lines() {
    let Some((folder, lines)) = imported() else {
        return eprintln!("skipped: the sample is not beside the project");
    };
    let report = json(folder.path(), &DAY);
    let (calls, totals) = (&report["calls"]["calls"], &report["totals"]);
    assert_eq!((totals["requests"].as_u64(), totals["refused"].as_u64()), (Some(2560), Some(0)));
    assert_eq!(by(calls, "call", "mmap")["requests"], 460 + 400 + 400 + 340 + 220);
    assert_eq!(by(calls, "call", "munmap")["requests"], 420 + 320);
    assert_eq!(totals["granted_bytes"], Value::Null, "what the lines do not tell is not made up");

    let mapped: Vec<u64> =
        lines.lines().map(parts).filter(|(call, ..)| *call == "mmap").map(|(.., length)| length).collect();
    assert_eq!(totals["requested_bytes"], mapped.iter().sum::<u64>());
    assert_eq!(report["largest"][0]["requested_bytes"], *mapped.iter().max().unwrap());
    let ranking = |measure: &str| &by(&report["programs"], "by", measure)["programs"];
    assert_eq!(by(ranking("requests"), "name", "sort")["value"], 460 + 320);
    let renamed = by(ranking("requests"), "name", "a,b \"c\" %s");
    assert_eq!(renamed["value"], 420 + 400);
    assert_eq!(by(ranking("requests"), "name", "perl")["value"], 340);
    let find = lines.lines().map(parts).filter(|(call, name, _)| *call == "mmap" && *name == "find");
    let find: u64 = find.map(|(.., length)| length).sum();
    assert_eq!(by(ranking("requested"), "name", "find")["value"], find);
}

#[test]
fn a_pattern_or_a_pid_narrows_every_figure() {
    let Some((folder, lines)) = imported() else {
        return eprintln!("skipped: the sample is not beside the project");
    };
    let of = |arguments: &[&str]| json(folder.path(), &[&DAY, arguments].concat());
    let named = of(&["--name", "?,b*"]);
    assert_eq!(named["totals"]["requests"], 420 + 400, "{}", named["calls"]);
    let requests = by(&named["programs"], "by", "requests");
    assert_eq!((requests["programs"].as_array().unwrap().len(), &requests["other_programs"]), (1, &0.into()));
    assert!(named["largest"].as_array().unwrap().iter().all(|row| row["name"] == "a,b \"c\" %s"));

    let pid = lines.lines().next().unwrap().split(',').nth(1).unwrap();
    let expected = lines.lines().filter(|line| line.split(',').nth(1) == Some(pid)).count();
    let one = of(&["-p", pid]);
    assert_eq!(one["totals"]["requests"], expected);
    assert!(one["requesters"].as_array().unwrap().iter().all(|row| row["pid"].as_u64() == pid.parse().ok()));
}

fn request(pid: u32, name: &[u8], second: i64, bytes: u64, outcome: Outcome) -> BookedRequest {
    BookedRequest {
        process: ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid)) },
        request: MemoryRequest {
            time: WallClock(T0 + second * SECOND),
            tgid: Tgid(pid),
            tid: Tid(pid),
            name: Comm::new(name),
            call: Call::Mmap,
            whole: true,
            arguments: [0, bytes, 3, 0x22, 0],
            outcome,
            requested_bytes: bytes,
            delta_bytes: 0,
            virtual_bytes: 1 << 20,
            file: None,
            lost: 0,
        },
        lost_before: 0,
    }
}

/// History with one request in the first hour and three in the second, two of them refused.
fn two_hours() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::sqlite(folder.path().join("memtap.db"));
    let mut store = url.open_now(&Settings::default()).unwrap().unwrap();
    let run = Run {
        id: Run::draw(),
        hostname: "box".to_owned(),
        kernel: "6.18".to_owned(),
        boot_id: String::new(),
        page_size: 4096,
        began: WallClock(T0),
    };
    let (granted, refused) = (Outcome::Granted(0x7f00_0000_0000), Outcome::Refused(Errno::ENOMEM));
    let requests = vec![
        request(1, b"<b>=evil|`", 60, 4096, granted),
        request(1, b"<b>=evil|`", 3660, 8192, granted),
        request(2, b"=cmd()", 3700, 1 << 40, refused),
        request(2, b"=cmd()", 3720, 1 << 41, refused),
    ];
    let batches = [Batch { requests, ..Batch::default() }];
    store.append(Delivery { run: &run, sequence: 1, batches: &batches }).unwrap();
    folder
}

const SECOND_HOUR: [&str; 4] = ["--from", "2026-11-23T11:00:00Z", "--to", "2026-11-23T12:00:00Z"];

#[test]
fn two_ranges_are_compared_and_refusals_explained() {
    let folder = two_hours();
    let report = json(folder.path(), &[&SECOND_HOUR[..], &["--compare", "last"]].concat());
    assert_eq!(report["asked"]["compared"]["from"], "2026-11-23T10:00:00.000Z");
    assert_eq!((&report["totals"]["requests"], &report["totals"]["refused"]), (&3.into(), &2.into()));
    let mmap = by(&report["calls"]["calls"], "call", "mmap");
    assert_eq!(
        (&mmap["refused"], &mmap["requested_bytes"]),
        (&2.into(), &8192.into()),
        "only what was granted"
    );
    assert_eq!((&report["compared"]["requests"], &report["compared"]["refused"]), (&1.into(), &0.into()));
    let evil = by(&by(&report["programs"], "by", "requests")["programs"], "name", "<b>=evil|`").clone();
    assert_eq!((&evil["value"], &evil["compared"]), (&1.into(), &1.into()));
    let refusal = by(&report["refusals"], "name", "=cmd()");
    assert_eq!((&refusal["requests"], &refusal["error"]), (&2.into(), &"ENOMEM".into()));
    assert_eq!(refusal["largest_bytes"], 1_u64 << 41);
    assert!(refusal["meaning"]["en"].as_str().unwrap().contains("not enough memory"));
}

#[test]
fn a_compared_range_without_data_is_not_shown_as_zeros() {
    let folder = two_hours();
    let compared = [&SECOND_HOUR[..], &["--compare", "1w"]].concat();
    let output = text(folder.path(), &compared);
    assert!(output.contains("no data in the compared range") && !output.contains("against 0"), "{output}");
    let report = json(folder.path(), &compared);
    assert_eq!(
        (&report["compared"]["has_data"], &report["totals"]["has_data"]),
        (&false.into(), &true.into())
    );
    assert_eq!(report["totals"]["requests_visible"], true, "an import consists of requests");
    let csv = text(folder.path(), &[&compared[..], &["--format", "csv", "--lang", "es"]].concat());
    assert!(csv.contains("compared,,,,,,,has_data,no data in this range,text\n"), "{csv}");
}

#[test]
fn each_form_is_written_with_names_as_text() {
    let folder = two_hours();
    let of = |arguments: &[&str]| text(folder.path(), &[&SECOND_HOUR[..], arguments].concat());
    let html = of(&["--format", "html"]);
    assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">") && html.contains("&lt;b&gt;=evil|`"));
    assert!(!html.contains("<b>=evil"));
    let markdown = of(&["--format", "md", "--lang", "es"]);
    assert!(markdown.starts_with("# Informe de memoria: box\n") && markdown.contains("\\<b\\>=evil\\|\\`"));
    let csv = of(&["--format", "csv"]);
    assert!(
        csv.contains("refusals,box,'=cmd(),,mmap,ENOMEM,2026-11-23T11:02:00.000Z,requests,2,count\n"),
        "{csv}"
    );

    let plain = of(&[]);
    // Only the creation time differs.
    let made_at_line = |text: &str| text.find("\nCreated by memtap ").expect("the last line");
    let asked_for = of(&["--format", "txt"]);
    assert_eq!(plain[..made_at_line(&plain)], asked_for[..made_at_line(&asked_for)]);
    assert!(plain.starts_with("Memory report: box\n") && plain.contains("<b>=evil|`"), "{plain}");
    assert!(plain.is_ascii() && !plain.contains('\x1b'), "neither a terminal nor a locale: {plain}");
    assert!(plain.lines().all(|line| line.len() <= 80), "{plain}");

    assert_eq!(of(&["-o", "out.md"]), "");
    let written = std::fs::read_to_string(folder.path().join("out.md")).unwrap();
    assert!(
        written.starts_with("# Memory report: box\n\n- Range: 2026-11-23 11:00 – 12:00 (1 hour, UTC)\n"),
        "{written}"
    );
}

#[test]
fn an_impossible_report_is_an_error_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |folder: &Path, arguments: &[&str], code: i32, mend: &str| {
        let output = report(folder, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && output.stdout.is_empty(), "{arguments:?}: {stderr}");
        assert!(stderr.contains(mend), "{stderr}");
    };
    fails(folder.path(), &[], 1, "there is no history in");
    fails(folder.path(), &["--store", "none"], 1, "Name the history with --store");
    fails(folder.path(), &["--from", "noon"], 2, "expected for example 13:00");
    fails(folder.path(), &["--format", "pdf"], 2, "expected html, md, json, csv or txt");
    let history = two_hours();
    fails(history.path(), &["--host", "elsewhere"], 1, "machines in the history: box");
    fails(history.path(), &["-o", "memtap.db"], 1, "is the history itself");
    fails(
        history.path(),
        &["--from", "2026-11-23T12:00:00Z", "--to", "2026-11-23T11:00:00Z"],
        1,
        "--from must be before",
    );

    let nosuch = report(history.path(), &[&SECOND_HOUR[..], &["--name", "nosuch"]].concat());
    let stderr = String::from_utf8(nosuch.stderr).unwrap();
    assert!(nosuch.status.success() && stderr.contains("no process matches --name nosuch"), "{stderr}");

    let empty = report(history.path(), &["--from", "2026-11-25T00:00:00Z", "--to", "2026-11-25T01:00:00Z"]);
    let stderr = String::from_utf8(empty.stderr).unwrap();
    assert!(empty.status.success() && stderr.contains("has no data in this range"), "{stderr}");
    let stdout = String::from_utf8(empty.stdout).unwrap();
    assert!(stdout.contains("The history has no data in this range"), "{stdout}");
}

#[test]
fn the_command_and_the_api_report_on_a_running_memtap() {
    let memtap = Memtap::start();
    let mut fixture = Fixture::start(&["known"]);
    let pid = fixture.pid();
    memtap.wait_for(&format!("/api/v1/processes/{pid}"), "the fixture is seen", |it| it["name"] == "fixture");
    memtap.settle();
    fixture.go();
    let path = format!("/api/v1/requests?pid={pid}&min_size={}", 1_u64 << 50);
    memtap.wait_for(&path, "its largest request is stored", |page| page["requests"][0]["error"] == "ENOMEM");
    memtap.settle();

    let one = json(&memtap.folder, &["--last", "5m", "-p", &pid.to_string()]);
    let refusal = by(&one["refusals"], "error", "ENOMEM");
    assert_eq!((&refusal["call"], &refusal["largest_bytes"]), (&"mmap".into(), &(1_u64 << 50).into()));
    let largest = one["largest"][0]["requested_bytes"].as_u64().unwrap();
    assert!(
        (1..1 << 50).contains(&largest),
        "what was refused is not among what was granted: {}",
        one["largest"]
    );
    assert_eq!(
        one["not_looked_at"],
        serde_json::json!([]),
        "limits too are looked at: it is this machine, now"
    );
    assert!(one["processes"][0]["peak_resident_bytes"].as_u64() > Some(0), "{}", one["processes"]);
    let all = memtap.get("/api/v1/report?format=json");
    assert!(all["totals"]["requests"].as_u64() >= one["totals"]["requests"].as_u64());
    assert!(all["memory"]["total_bytes"].as_u64() > Some(1 << 20), "{}", all["memory"]);
    assert!(by(&all["calls"]["calls"], "call", "mmap")["requests"].as_u64() > Some(0));

    let url = |query: &str| format!("http://127.0.0.1:{}/api/v1/report{query}", memtap.port);
    let page = ureq::get(&url("?lang=es")).call().unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let name = page.headers()["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("inline; filename=\"memtap-report-") && name.ends_with(".html\""), "{name}");
    assert!(page.into_body().read_to_string().unwrap().contains("<html lang=\"es\">"));
    for (query, status) in
        [("?format=pdf", 400), ("?host=elsewhere", 404), ("?compare_from=2026-11-23T10:00:00Z", 400)]
    {
        let answer = ureq::get(&url(query)).config().http_status_as_error(false).build().call().unwrap();
        assert_eq!(answer.status(), status, "{query}");
    }
}

#[test]
fn unknown_limits_are_reported_with_the_reason() {
    let folder = two_hours();
    let answer = json(folder.path(), &SECOND_HOUR);
    let why = answer["not_looked_at"].to_string();
    assert!(why.contains("only those of the machine that it runs on"), "{why}");
    let memtap = Memtap::start();
    memtap.settle();
    // The report is empty, and standard error says so.
    let asked = ["--from", "2h", "--to", "1h", "--host", &hostname(), "--format", "json"];
    let past: Value = serde_json::from_slice(&report(&memtap.folder, &asked).stdout).unwrap();
    assert!(past["not_looked_at"].to_string().contains("this range is in the past"), "{past}");
}

fn hostname() -> String {
    nix::unistd::gethostname().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_server_and_a_file_give_the_same_report() {
    let server = mariadb::server();
    let database = server.database();
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("memtap.db").display());
    let stores = [file, server.text(&database)];
    for store in &stores {
        let day = fixture_path().with_file_name("day");
        let done = Command::new(day).arg(store).stdout(std::process::Stdio::null()).status().unwrap();
        assert!(done.success());
    }
    let day = ["--from", "yesterday", "--to", "today"];
    let asked: [&[&str]; 4] =
        [&["--compare", "last"], &["--compare", "1h"], &["--name", "*po*"], &["--name", "{worker,cc1}"]];
    for more in asked {
        let [of_file, of_server] = [0, 1].map(|store: usize| {
            let mut answer = json(folder.path(), &[&day, more, &["--store", &stores[store]]].concat());
            answer["made"].take();
            answer
        });
        assert!(of_file["totals"]["requests"].as_u64() > Some(0), "{more:?}: {}", of_file["totals"]);
        for (part, value) in of_file.as_object().unwrap() {
            assert_eq!(value, &of_server[part], "{more:?}: {part}");
        }
    }
}
