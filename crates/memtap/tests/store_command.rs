//! `memtap store` with the real program: info, check, compact and export.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod histories;

use std::fs::Permissions;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use histories::{HOSTILE, History, SECOND, T0, hostile, many, refused, request};
use memtap_history::Settings;
use memtap_model::{Call, Comm};
use serde_json::Value;

/// The user `nobody`, who has no privileges.
const NOBODY: u32 = 65534;

#[test]
fn untrusted_names_are_exported_unchanged_and_are_no_formulas() {
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
fn the_json_fields_are_those_of_the_api() {
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
        memtap_api::Request::COLUMNS.map(str::to_owned).iter().collect()
    );
    assert_eq!(
        (&json[1]["errno"], &json[1]["error"], &json[1]["call"]),
        (&12.into(), &"ENOMEM".into(), &"brk".into())
    );
    assert_eq!((&json[0]["errno"], &json[0]["file"]), (&Value::Null, &Value::Null));
}

/// Rows of a Parquet file, formatted as in CSV.
fn parquet_rows(file: &std::path::Path) -> Vec<Vec<String>> {
    use parquet::file::reader::FileReader as _;
    use parquet::record::Field;
    let reader =
        parquet::file::reader::SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    let text = |(name, field): (&String, &Field)| match field {
        Field::Null => String::new(),
        Field::TimestampMicros(time) => {
            format!("{:.3}", jiff::Timestamp::from_microsecond(*time).unwrap())
        }
        Field::ULong(address) if name == "address" => format!("{address:#x}"),
        Field::Str(text) => text.clone(),
        number => number.to_string(),
    };
    reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_column_iter().map(text).collect()).collect()
}

#[test]
fn parquet_contains_the_rows_of_csv_in_typed_columns() {
    let mut requests = many(120_000);
    requests.extend(hostile());
    let mut odd = refused(request(u32::MAX, b"odd", Call::Mmap, 0, u64::MAX));
    odd.request.virtual_bytes = u64::MAX;
    odd.request.file = Some("lib\tc.so \u{1f980}".into());
    odd.lost_before = 7;
    requests.push(odd);
    let history = History::of(requests);
    let rows = |arguments: &[&str]| {
        let (code, out, stderr) =
            history.run(&[&["export", "--format=parquet", "-o=all.parquet"], arguments].concat());
        assert_eq!((code, out.as_str(), stderr.as_str()), (Some(0), "", ""));
        parquet_rows(&history.folder.path().join("all.parquet"))
    };
    let mut csv = history.csv(&[]);
    for name in csv.iter_mut().map(|row| &mut row[4]) {
        *name = name.strip_prefix('\'').unwrap_or(name).to_owned();
    }
    assert_eq!(csv.len(), 120_001 + HOSTILE.len());
    assert!(rows(&[]) == csv, "more than one group of rows");
    assert_eq!(rows(&["--refused"]), csv[..1]);
    assert_eq!(rows(&["--name=nobody"]).len(), 0, "a file without rows is one");
    let mut piped = history.command(&["export", "--format=parquet", "--refused"]);
    let out = piped.output().unwrap().stdout;
    assert!(out.starts_with(b"PAR1") && out.ends_with(b"PAR1"));
}

#[test]
fn the_format_follows_the_files_name_unless_it_is_given() {
    let history = History::of(many(3));
    for (name, format, begin) in [
        ("a.csv", None, "host,"),
        ("a.txt", None, "host,"),
        ("a.jsonl", None, "{"),
        ("a.ndjson", None, "{"),
        ("A.PARQUET", None, "PAR1"),
        ("a.parquet", Some("csv"), "host,"),
        ("a.csv", Some("jsonl"), "{"),
    ] {
        let format = format.map(|format| ["--format", format]);
        let arguments = [&["export", "-o", name][..], format.as_ref().map_or(&[], |format| &format[..])];
        let (code, out, stderr) = history.run(&arguments.concat());
        assert_eq!((code, out.as_str(), stderr.as_str()), (Some(0), "", ""), "{name}");
        let written = std::fs::read(history.folder.path().join(name)).unwrap();
        assert!(written.starts_with(begin.as_bytes()), "{name} {format:?}");
    }
}

#[test]
fn filters_select_the_exported_rows() {
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
fn the_file_appears_when_complete_and_only_its_owner_can_read_it() {
    let history = History::of(many(10));
    let file = history.folder.path().join("requests.csv");
    std::fs::write(&file, "old").unwrap();
    let (code, out, stderr) = history.run(&["export", "-o", "requests.csv"]);
    assert_eq!((code, out.as_str(), stderr.as_str()), (Some(0), "", ""));
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 11);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, _, stderr) = history.run(&["export", "-o", "memtap.db"]);
    assert!(code == Some(1) && stderr.contains("the history itself"), "{stderr}");
    let (code, _, stderr) = history.run(&["export", "-o", "nowhere/requests.csv"]);
    let why = "cannot write nowhere/requests.csv: the directory nowhere does not exist. Create it";
    assert!(code == Some(1) && stderr.contains(why), "{stderr}");
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
    for format in ["csv", "jsonl", "parquet"] {
        let mut command = history.command(&["export", "--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut begin = [0; 4];
        child.stdout.take().unwrap().read_exact(&mut begin).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{begin:?}");
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
    let (code, out, stderr) = history.run(&["info"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
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
    assert!(out.contains("\\x1b[2Jhost") && !out.contains('\x1b'), "{out}");
    let (code, out, stderr) = history.run(&["check"]);
    assert!(code == Some(0) && out.contains("is intact: 3001 requests"), "{out}{stderr}");
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
    let (code, out, stderr) = history.run(&["check"]);
    assert_eq!(code, Some(1), "{out}{stderr}");
    assert!(
        !out.is_empty() && stderr.contains("memtap.db is damaged. Stop memtap, save what"),
        "{out}{stderr}"
    );
    for command in ["info", "compact"] {
        let (code, _, stderr) = history.run(&[command]);
        assert!(code == Some(1) && stderr.contains("Stop memtap, save what"), "{command}: {stderr}");
        assert!(stderr.contains("memtap store export"), "{command}: {stderr}");
    }
    file.set_len(middle).unwrap();
    let (code, out, stderr) = history.run(&["check"]);
    assert!(code == Some(1) && out.contains("malformed") && stderr.contains("is damaged"), "{out}{stderr}");
}

#[test]
fn check_finds_rows_with_missing_references() {
    for (damage, finding) in [
        ("DELETE FROM who WHERE id = (SELECT min(who_id) FROM request)", "2 requests without the thread"),
        ("DELETE FROM what", "100 requests without their call"),
        ("DELETE FROM process WHERE pid = 7", "1 threads with requests but without their process"),
        ("DELETE FROM name", "50 threads without their name"),
        ("DELETE FROM call WHERE name = 'mmap'", "1 outcomes of unknown calls"),
        ("DELETE FROM run", "50 processes without their run"),
        ("UPDATE what SET errno = 12", "100 refused requests that are missing from the table refused"),
        ("UPDATE what SET file_id = 99", "1 outcomes without the name of their file"),
        ("DROP INDEX request_who", "the index request_who is missing"),
        ("DROP TABLE gap", "the table gap is missing"),
    ] {
        let history = History::of(many(100));
        history.sql(damage);
        let (code, out, stderr) = history.run(&["check"]);
        assert!(
            code == Some(1) && out.contains(finding) && stderr.contains("is damaged"),
            "{damage}: {out}{stderr}"
        );
    }
    // Rows that only wait for retention are not damage.
    let history = History::of(many(100));
    history.sql("DELETE FROM request WHERE id <= 100; DELETE FROM process");
    let (code, out, stderr) = history.run(&["check"]);
    assert!(code == Some(0) && out.contains("is intact: 0 requests"), "{out}{stderr}");
}

#[test]
fn compact_releases_free_space_and_keeps_every_row() {
    let history = History::of(many(60_000));
    history.sql("DELETE FROM request WHERE id <= 40000");
    let rows = history.sizes(&[]);
    assert_eq!(rows.len(), 20_000);
    let before = history.path().metadata().unwrap().len();
    let (code, out, stderr) = history.run(&["compact"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{out}");
    let after = history.path().metadata().unwrap().len();
    assert!(
        after < before / 2 && out.contains(" before, ") && out.contains(" now"),
        "{before} {after} {out}"
    );
    assert_eq!(history.sizes(&[]), rows);
    assert_eq!(history.run(&["check"]).0, Some(0));
    assert_eq!(history.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // It is still a history: with a write-ahead log, and with automatic release of free space.
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
        let (code, out, stderr) = history.run(&["check"]);
        assert!(
            code == Some(0) && out.contains("is intact: 20000 requests"),
            "{milliseconds}: {out}{stderr}"
        );
    }
    assert_eq!(history.sizes(&[]), rows);
}

#[test]
fn compact_wants_the_file_for_itself() {
    let history = History::of(many(100));
    let writer = history.open(&Settings::default());
    let before = history.state();
    let (code, out, stderr) = history.run(&["compact"]);
    assert_eq!((code, out.as_str()), (Some(1), ""), "an idle writer is a writer");
    assert!(stderr.contains("memtap.db is in use. Stop memtap"), "{stderr}");
    assert_eq!(history.state(), before);
    drop(writer);
    assert_eq!(history.run(&["compact"]).0, Some(0));
}

#[test]
fn a_database_that_is_not_a_history_is_not_changed() {
    let commands = ["info", "check", "compact", "export"];
    let fails = |history: &History, mend: &str| {
        for command in commands {
            let (code, out, stderr) = history.run(&[command]);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{command}: {stderr}");
            assert!(stderr.contains(mend), "{command}: {stderr}");
        }
    };
    let history = History { folder: tempfile::tempdir().unwrap() };
    fails(&history, "there is no history in ");
    assert!(!history.path().exists(), "nothing was made");
    std::fs::write(history.path(), b"not a database at all\n".repeat(1000)).unwrap();
    fails(&history, "is not a memtap database");
    std::fs::remove_file(history.path()).unwrap();
    history.sql("CREATE TABLE mine (x)");
    fails(&history, "another program's SQLite database");
    let history = History::of(many(1));
    history.sql("PRAGMA user_version = 1");
    fails(&history, "Start memtap once with --store sqlite:");
    history.sql("PRAGMA user_version = 99");
    fails(&history, "newer than this memtap's");
    for (url, mend) in
        [("none", "--store none keeps no history"), ("mysql://me:secret@127.0.0.1:1/db", "Start the server")]
    {
        let (code, _, stderr) = history.run(&["compact", "--store", url]);
        assert!(code == Some(1) && stderr.contains(mend) && !stderr.contains("secret"), "{stderr}");
    }
}

/// Read-only commands need only read permission. The others say which permission is missing.
#[test]
fn another_users_history_is_read_or_the_missing_permission_is_named() {
    let history = History::of(many(100));
    let (folder, file) = (history.folder.path().to_owned(), history.path());
    let give = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let nobody = |command: &str| {
        let mut command = history.command(&[command]);
        let done = command.uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    give(&folder, 0o755);
    give(&file, 0o644);
    let before = history.state();
    for command in ["info", "check", "export"] {
        let (code, out, stderr) = nobody(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{command}");
        assert!(!out.is_empty(), "{command}");
    }
    let (code, _, stderr) = nobody("compact");
    let denied = format!("cannot rewrite the history {}: permission denied. Run", file.display());
    assert!(code == Some(1) && stderr.contains(&denied), "{stderr}");
    assert_eq!(history.state(), before);

    // Data in the write-ahead log is readable beside a writer, but not after a writer that was
    // killed.
    let writer = history.open(&Settings::default());
    history.sql("DELETE FROM request WHERE id = 1");
    for ending in ["-wal", "-shm"] {
        give(&folder.join(format!("memtap.db{ending}")), 0o644);
    }
    let (code, out, stderr) = nobody("check");
    assert!(code == Some(0) && out.contains("is intact: 99 requests"), "{out}{stderr}");
    give(&folder.join("memtap.db-wal"), 0o600);
    for command in ["info", "check", "export"] {
        let (code, _, stderr) = nobody(command);
        assert!(code == Some(1) && stderr.contains("memtap.db-wal. To read it, this user needs"), "{stderr}");
    }
    drop(writer);

    for (folder_mode, file_mode) in [(0o700, 0o644), (0o755, 0o600)] {
        give(&folder, folder_mode);
        give(&file, file_mode);
        for command in ["info", "check", "export", "compact"] {
            let (code, _, stderr) = nobody(command);
            assert!(
                code == Some(1) && stderr.contains("memtap.db: permission denied. Run memtap as"),
                "{stderr}"
            );
        }
    }
}

#[test]
fn a_path_may_have_any_name() {
    let history = History::of(many(3));
    let odd = history.folder.path().join("a 'b\"; %20?mode=ro#.db");
    std::fs::rename(history.path(), &odd).unwrap();
    let url = format!("sqlite:{}", odd.display());
    for command in ["info", "check", "compact", "export"] {
        let (code, _, stderr) = history.run(&[command, "--store", &url]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{command}");
    }
}
