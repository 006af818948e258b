//! `memtap store`: a history told about, checked, made smaller and written out, by the real program.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "the store's own tests use more of it")]
#[path = "../../memtap-store/tests/support/mariadb.rs"]
mod mariadb;

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use memtap_ledger::BookedRequest;
use memtap_model::{Call, Comm, Errno, MemoryRequest, Outcome, ProcessId, StartTime, Tgid, Tid, WallClock};
use memtap_store::{Batch, Delivery, Run, Settings, Store, StoreUrl};
use serde_json::Value;

/// 2026-01-01 00:00:00 UTC.
const T0: i64 = 1_767_225_600_000_000_000;
const SECOND: i64 = 1_000_000_000;
/// What a stranger may call a process.
const HOSTILE: [&[u8]; 9] = [
    b"a,b \"c\" %s",
    b"two\nlines",
    b"re\r\nturn",
    b"bad\xff\xfe",
    b"=1+1",
    b"-x'); DROP--",
    b"'quoted",
    b"\x1b[31mred",
    "\u{fc}ml\u{e4}ut".as_bytes(),
];

fn request(pid: u32, name: &[u8], call: Call, second: i64, bytes: u64) -> BookedRequest {
    BookedRequest {
        process: ProcessId { tgid: Tgid(pid), start: StartTime(u64::from(pid)) },
        request: MemoryRequest {
            time: WallClock(T0 + second * SECOND),
            tgid: Tgid(pid),
            tid: Tid(pid),
            name: Comm::new(name),
            call,
            whole: true,
            arguments: [0, bytes, 3, 0x22, 0],
            outcome: Outcome::Granted(0x7f00_0000_0000),
            requested_bytes: bytes,
            delta_bytes: bytes.cast_signed(),
            virtual_bytes: 1 << 20,
            file: None,
            lost: 0,
        },
        lost_before: 0,
    }
}

fn refused(mut booked: BookedRequest) -> BookedRequest {
    booked.request.outcome = Outcome::Refused(Errno::ENOMEM);
    booked.request.delta_bytes = 0;
    booked
}

/// Writes as a run of memtap on that machine.
fn append(store: &mut dyn Store, host: &str, requests: Vec<BookedRequest>) {
    let run = Run {
        id: Run::draw(),
        hostname: host.to_owned(),
        kernel: "6.18".to_owned(),
        boot_id: String::new(),
        page_size: 4096,
        began: WallClock(T0),
    };
    let batches = [Batch { requests, ..Batch::default() }];
    store.append(Delivery { run: &run, sequence: 1, batches: &batches }).unwrap();
}

fn hostile() -> Vec<BookedRequest> {
    let names = HOSTILE.iter().enumerate();
    names.map(|(n, name)| request(n as u32 + 1, name, Call::Mmap, n as i64, 4096)).collect()
}

/// A history in a folder of its own.
struct History {
    folder: tempfile::TempDir,
}

impl History {
    fn of(requests: Vec<BookedRequest>) -> Self {
        let history = Self { folder: tempfile::tempdir().unwrap() };
        history.add("vm", requests);
        history
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("memtap.db")
    }

    fn open(&self, settings: &Settings) -> Box<dyn Store> {
        memtap_store::open(&StoreUrl::Sqlite(self.path()), settings).unwrap().unwrap()
    }

    fn add(&self, host: &str, requests: Vec<BookedRequest>) {
        append(&mut *self.open(&Settings::default()), host, requests);
    }

    /// Length of the file, and when it was written last. It is not opened: a process that closes a file loses its locks on it, those of
    /// its database among them.
    fn state(&self) -> (u64, std::time::SystemTime) {
        let file = self.path().metadata().unwrap();
        (file.len(), file.modified().unwrap())
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
        command.current_dir(self.folder.path()).arg("store").args(arguments);
        command.env("MEMTAP_STORE", format!("sqlite:{}", self.path().display())).stdin(Stdio::null());
        command
    }

    /// Exit code, stdout and stderr.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let done = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    /// What is written out, by column.
    fn csv(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let (code, out, told) = self.run(&[&["export"], arguments].concat());
        assert_eq!((code, told.as_str()), (Some(0), ""), "{arguments:?}");
        let mut reader = csv::Reader::from_reader(out.as_bytes());
        assert_eq!(reader.headers().unwrap(), &memtap_server::Request::COLUMNS[..]);
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let (code, out, told) = self.run(&[&["export", "--format=jsonl"], arguments].concat());
        assert_eq!((code, told.as_str()), (Some(0), ""), "{arguments:?}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn sizes(&self, arguments: &[&str]) -> Vec<u64> {
        self.json(arguments).iter().map(|request| request["memory_size"].as_u64().unwrap()).collect()
    }
}

fn many(count: u32) -> Vec<BookedRequest> {
    (0..count).map(|n| request(7 + n % 50, b"perl", Call::Mmap, i64::from(n), u64::from(n) * 4096)).collect()
}

#[test]
fn strangers_names_come_out_as_they_are_and_start_no_formula() {
    let history = History::of(hostile());
    let names: Vec<String> = HOSTILE.iter().rev().map(|name| Comm::new(name).to_text()).collect();
    let json = history.json(&[]);
    let written: Vec<&str> = json.iter().map(|request| request["process_name"].as_str().unwrap()).collect();
    assert_eq!(written, names);
    let csv = history.csv(&[]);
    let cells: Vec<&str> = csv.iter().map(|row| row[4].as_str()).collect();
    assert!(cells.contains(&"'=1+1") && cells.contains(&"'-x'); DROP--") && cells.contains(&"''quoted"));
    assert!(cells.iter().all(|cell| !cell.starts_with(['=', '-', '+', '@', '\x1b'])), "{cells:?}");
    let plain: Vec<&str> = cells.iter().map(|cell| cell.strip_prefix('\'').unwrap_or(cell)).collect();
    assert_eq!(plain, names, "one apostrophe taken away gives the name");
}

#[test]
fn every_field_is_that_of_the_api() {
    let history = History::of(vec![
        refused(request(7, b"perl", Call::Brk, 0, 8192)),
        request(7, b"perl", Call::Mmap, 1, 4096),
    ]);
    assert_eq!(
        history.csv(&[])[0].join("|"),
        "vm|2026-01-01T00:00:01.000Z|7|7|perl|mmap|4096|0x7f0000000000|4096|||1048576|PROT_READ|PROT_WRITE, \
         MAP_PRIVATE|MAP_ANONYMOUS||0"
    );
    let json = history.json(&[]);
    assert_eq!(
        json[1].as_object().unwrap().keys().collect::<std::collections::BTreeSet<_>>(),
        memtap_server::Request::COLUMNS.map(str::to_owned).iter().collect()
    );
    assert_eq!(
        (&json[1]["errno"], &json[1]["error"], &json[1]["call"]),
        (&12.into(), &"ENOMEM".into(), &"brk".into())
    );
    assert_eq!((&json[0]["errno"], &json[0]["file"]), (&Value::Null, &Value::Null));
}

#[test]
fn filters_narrow_what_is_written() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let history = History::of(vec![
        request(7, b"perl", Call::Mmap, 0, 1 << 12),
        request(8, b"Bash", Call::Munmap, 10, 1 << 13),
        refused(request(7, b"perl", Call::Brk, 20, 1 << 14)),
    ]);
    history.add("elsewhere", vec![request(9, b"100%", Call::Mmap, now - T0 / SECOND - 60, 1 << 20)]);
    let all = [1 << 20, 1 << 14, 1 << 13, 1 << 12];
    assert_eq!(history.sizes(&[]), all, "the newest first");
    assert_eq!(history.sizes(&["--name", "bAS"]), [all[2]]);
    assert_eq!(history.sizes(&["--name", "%"]), [all[0]], "no wildcard");
    assert_eq!(history.sizes(&["-p", "7"]), [all[1], all[3]]);
    assert_eq!(history.sizes(&["--call", "brk,munmap"]), [all[1], all[2]]);
    assert_eq!(history.sizes(&["--min-size", "16KiB"]), [all[0], all[1]]);
    assert_eq!(history.sizes(&["--refused"]), [all[1]]);
    assert_eq!(history.sizes(&["--host", "elsewhere"]), [all[0]]);
    assert_eq!(history.sizes(&["--last", "1h"]), [all[0]]);
    let range = ["--from", "2026-01-01T00:00:10Z", "--to", "2026-01-01T01:00:20+01:00"];
    assert_eq!(history.sizes(&range), [all[2]], "the end is not part of it");
    assert_eq!(history.csv(&["--name", "nobody"]).len(), 0, "the line of names stands alone");
    for wrong in
        [&["--call", "fork"][..], &["--from", "noon"], &["--last", "1h", "--to", "2026-01-01T00:00:00Z"]]
    {
        let (code, out, _) = history.run(&[&["export"], wrong].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{wrong:?}");
    }
}

#[test]
fn pages_follow_each_other_without_gap_or_double() {
    let history = History::of(many(25_000));
    let expected: Vec<u64> = (0..25_000).rev().map(|n| n * 4096).collect();
    assert_eq!(history.sizes(&[]), expected);
}

#[test]
fn the_file_stands_there_when_it_is_whole_and_is_its_owners() {
    let history = History::of(many(10));
    let file = history.folder.path().join("requests.csv");
    std::fs::write(&file, "old").unwrap();
    let (code, out, told) = history.run(&["export", "-o", "requests.csv"]);
    assert_eq!((code, out.as_str(), told.as_str()), (Some(0), "", ""));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 11);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, _, told) = history.run(&["export", "-o", "memtap.db"]);
    assert!(code == Some(1) && told.contains("the history itself"), "{told}");
    let (code, _, told) = history.run(&["export", "-o", "nowhere/requests.csv"]);
    assert!(code == Some(1) && told.contains("cannot write nowhere/requests.csv"), "{told}");
    let (code, out, _) = history.run(&["export", "-o", "/dev/stdout"]);
    assert_eq!((code, out.lines().count()), (Some(0), 11), "what is no file is written as it is");
    let left: Vec<_> =
        std::fs::read_dir(history.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".memtap-export")), "{left:?}");
    assert_eq!(history.json(&[]).len(), 10, "the history is as it was");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let history = History::of(many(25_000));
    for format in ["csv", "jsonl"] {
        let mut command = history.command(&["export", "--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn info_and_check_answer_while_another_program_writes() {
    let history = History::of(many(3000));
    history.add("\x1b[2Jhost", vec![refused(request(1, b"x", Call::Brk, 3000, 4096))]);
    let _writer = history.open(&Settings::default());
    let writing = rusqlite::Connection::open(history.path()).unwrap();
    writing.execute_batch("BEGIN IMMEDIATE; DELETE FROM request WHERE id < 100").unwrap();
    let before = history.state();
    let (code, out, told) = history.run(&["info"]);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    let words = |begin: &str| -> Vec<String> {
        let line = out.lines().find(|line| line.starts_with(begin)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert!(words("schema")[2].parse::<u32>().unwrap() >= 3, "{out}");
    assert_eq!(
        words("requests ")[1..],
        ["2026-01-01T00:00:00.000Z", "to", "2026-01-01T00:50:00.000Z"],
        "{out}"
    );
    assert_eq!(words("request  ")[1], "3001", "{out}");
    assert!(words("request  ")[2].parse::<u64>().unwrap() > 3001 * 20, "{out}");
    assert_eq!(words("refused")[1], "1", "{out}");
    assert_eq!(words("vm")[1..3], ["6.18", "1"], "{out}");
    assert!(!out.contains("1970"), "the run of rows from before there were runs: {out}");
    assert!(out.contains("\\u{1b}[2Jhost") && !out.contains('\x1b'), "{out}");
    let (code, out, told) = history.run(&["check"]);
    assert!(code == Some(0) && out.contains("is whole: 3001 requests"), "{out}{told}");
    assert_eq!(history.state(), before, "nothing was changed");
}

#[test]
fn check_finds_damaged_pages() {
    let history = History::of(many(20_000));
    drop(history.open(&Settings::default()));
    let mut file = std::fs::OpenOptions::new().write(true).open(history.path()).unwrap();
    let middle = file.metadata().unwrap().len() / 2 / 4096 * 4096;
    file.seek(std::io::SeekFrom::Start(middle)).unwrap();
    file.write_all(&[0xa5; 8192]).unwrap();
    let (code, out, told) = history.run(&["check"]);
    assert_eq!(code, Some(1), "{out}{told}");
    assert!(!out.is_empty() && told.contains("memtap.db is damaged: end memtap, save what"), "{out}{told}");
    file.set_len(middle).unwrap();
    let (code, out, told) = history.run(&["check"]);
    assert!(code == Some(1) && out.contains("malformed") && told.contains("is damaged"), "{out}{told}");
}

#[test]
fn check_finds_rows_without_what_they_rely_on() {
    for (damage, finding) in [
        ("DELETE FROM who WHERE id = (SELECT min(who_id) FROM request)", "2 requests without the thread"),
        ("DELETE FROM what", "100 requests without their call"),
        ("DELETE FROM process WHERE pid = 7", "1 threads with requests but without their process"),
        ("DELETE FROM name", "50 threads without their name"),
        ("DELETE FROM call WHERE name = 'mmap'", "1 outcomes of calls that are not known"),
        ("DELETE FROM run", "50 processes without the run"),
        ("UPDATE what SET errno = 12", "100 refused requests that are missing among the refused"),
        ("UPDATE what SET file_id = 99", "1 outcomes without the name of their file"),
        ("DROP INDEX request_who", "the index request_who is missing"),
        ("DROP TABLE gap", "the table gap is missing"),
    ] {
        let history = History::of(many(100));
        history.sql(damage);
        let (code, out, told) = history.run(&["check"]);
        assert!(
            code == Some(1) && out.contains(finding) && told.contains("is damaged"),
            "{damage}: {out}{told}"
        );
    }
    // What only waits for retention is not wrong.
    let history = History::of(many(100));
    history.sql("DELETE FROM request WHERE id <= 100; DELETE FROM process");
    let (code, out, told) = history.run(&["check"]);
    assert!(code == Some(0) && out.contains("is whole: 0 requests"), "{out}{told}");
}

#[test]
fn compact_gives_back_what_holds_nothing_and_keeps_every_row() {
    let history = History::of(many(60_000));
    history.sql("DELETE FROM request WHERE id <= 40000");
    let rows = history.sizes(&[]);
    assert_eq!(rows.len(), 20_000);
    let before = history.path().metadata().unwrap().len();
    let (code, out, told) = history.run(&["compact"]);
    assert_eq!((code, told.as_str()), (Some(0), ""), "{out}");
    let after = history.path().metadata().unwrap().len();
    assert!(
        after < before / 2 && out.contains(" before, ") && out.contains(" now"),
        "{before} {after} {out}"
    );
    assert_eq!(history.sizes(&[]), rows);
    assert_eq!(history.run(&["check"]).0, Some(0));
    assert_eq!(history.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // It is a history as before: with a log, and giving back what is deleted.
    history.add("vm", many(1));
    let kept = "SELECT (SELECT journal_mode FROM pragma_journal_mode) || (SELECT auto_vacuum FROM pragma_auto_vacuum)";
    let kept: String =
        rusqlite::Connection::open(history.path()).unwrap().query_row(kept, [], |row| row.get(0)).unwrap();
    assert_eq!((kept.as_str(), history.sizes(&[]).len()), ("wal2", 20_001));
}

#[test]
fn compacting_that_is_cut_short_leaves_the_history_as_it_was() {
    let history = History::of(many(60_000));
    history.sql("DELETE FROM request WHERE id <= 40000");
    let rows = history.sizes(&[]);
    for milliseconds in [2, 5, 10, 15, 20, 30, 50, 80] {
        let mut child = history.command(&["compact"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let (code, out, told) = history.run(&["check"]);
        assert!(code == Some(0) && out.contains("is whole: 20000 requests"), "{milliseconds}: {out}{told}");
    }
    assert_eq!(history.sizes(&[]), rows);
}

#[test]
fn compact_wants_the_file_for_itself() {
    let history = History::of(many(100));
    let writer = history.open(&Settings::default());
    let before = history.state();
    let (code, out, told) = history.run(&["compact"]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "an idle writer is a writer");
    assert!(told.contains("memtap.db is in use: end the memtap that writes it"), "{told}");
    assert_eq!(history.state(), before);
    drop(writer);
    assert_eq!(history.run(&["compact"]).0, Some(0));
}

#[test]
fn what_is_no_history_of_this_memtap_is_left_alone() {
    let commands = ["info", "check", "compact", "export"];
    let fails = |history: &History, mend: &str| {
        for command in commands {
            let (code, out, told) = history.run(&[command]);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{command}: {told}");
            assert!(told.contains(mend), "{command}: {told}");
        }
    };
    let history = History { folder: tempfile::tempdir().unwrap() };
    fails(&history, "there is no history in ");
    assert!(!history.path().exists(), "nothing was made");
    std::fs::write(history.path(), b"not a database at all\n".repeat(1000)).unwrap();
    fails(&history, "is no database of memtap");
    std::fs::remove_file(history.path()).unwrap();
    history.sql("CREATE TABLE mine (x)");
    fails(&history, "another program's SQLite database");
    let history = History::of(many(1));
    history.sql("PRAGMA user_version = 1");
    fails(&history, "start memtap once with --store sqlite:");
    history.sql("PRAGMA user_version = 99");
    fails(&history, "newer than this memtap's");
    for (url, mend) in
        [("none", "--store none keeps nothing"), ("mysql://me:secret@127.0.0.1:1/db", "OPTIMIZE TABLE")]
    {
        let (code, _, told) = history.run(&["compact", "--store", url]);
        assert!(code == Some(1) && told.contains(mend) && !told.contains("secret"), "{told}");
    }
}

#[test]
fn a_servers_history_is_written_out_like_a_files() {
    let server = mariadb::Server::start(&[]);
    let mut requests = many(12_000);
    requests.extend(hostile());
    let mut store = memtap_store::open(&server.url("history"), &Settings::default()).unwrap().unwrap();
    append(&mut *store, "vm", requests.clone());
    let history = History::of(requests);
    let url = server.text("history");
    let expected = history.csv(&[]);
    assert_eq!(expected.len(), 12_000 + HOSTILE.len());
    assert!(history.csv(&["--store", &url]) == expected, "the same rows in the same order");
    assert!(history.sizes(&["--store", &url, "--name", "=1+", "--last", "1h"]).is_empty());
    let (code, _, told) = history.run(&["export", "--store", &url.replace("/history", "/nowhere")]);
    assert!(code == Some(1) && told.contains("nowhere") && !told.contains("s3cr3t"), "{told}");
}

#[test]
fn a_path_may_have_any_name() {
    let history = History::of(many(3));
    let odd = history.folder.path().join("a 'b\"; %20?mode=ro#.db");
    std::fs::rename(history.path(), &odd).unwrap();
    let url = format!("sqlite:{}", odd.display());
    for command in ["info", "check", "compact", "export"] {
        let (code, _, told) = history.run(&[command, "--store", &url]);
        assert_eq!((code, told.as_str()), (Some(0), ""), "{command}");
    }
}
