//! Lines of the original system's script, imported into the history and used as a source.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

#[expect(dead_code, reason = "each test program uses its part")]
mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::Memtap;

const LINE: &str = "mmap,4211,Web Content,1048576,Sat Jun  1 09:05:03 2024";

/// Path of real SystemTap output, if it exists beside the project.
fn sample() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/systemtap-sample.csv");
    path.exists().then_some(path)
}

/// Imports the text. Returns the exit code and standard error.
fn import(folder: &Path, text: &[u8], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command
        .arg("import")
        .arg(format!("--store=sqlite:{}", folder.join("memtap.db").display()))
        .args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(text);
    let done = child.wait_with_output().unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

fn query(folder: &Path, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("memtap.db")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let columns = (0..).map_while(|index| row.get::<_, rusqlite::types::Value>(index).ok());
        Ok(columns
            .map(|value| match value {
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Integer(number) => number.to_string(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn damaged_lines_are_not_a_failure_when_stderr_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.args(["import", &format!("--store=sqlite:{}", folder.path().join("memtap.db").display())]);
    let mut child = command.stdin(Stdio::piped()).stderr(writer).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("damaged\n{LINE}\n").as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(query(folder.path(), "SELECT pid FROM memory_usage"), ["4211"]);
}

#[test]
fn systemtap_output_is_imported_line_by_line() {
    let Some(sample) = sample() else { return eprintln!("skipped: the sample is not beside the project") };
    let folder = tempfile::tempdir().unwrap();
    let (code, stderr) = import(folder.path(), &std::fs::read(sample).unwrap(), &["--utc-offset=-21600"]);
    assert!(
        code == Some(0) && stderr.contains("2,560 lines read, 2,560 rows written, 0 lines damaged"),
        "{stderr}"
    );
    let sql = "select my_call, substr(process_name, 1, 4), count(*) from memory_usage group by 1, 2 order by 3 desc, 1, 2";
    assert_eq!(
        query(folder.path(), sql),
        [
            "mmap|sort|460",
            "munmap|a,b |420",
            "mmap|a,b |400",
            "mmap|find|400",
            "mmap|perl|340",
            "munmap|sort|320",
            "mmap|bash|220"
        ]
    );
    let process = "select requests, requested_bytes = (select sum(memory_size) from memory_usage where process_id = process.id and my_call = 'mmap') \
        from process where name like 'a,b%' limit 1";
    assert_eq!(query(folder.path(), process).len(), 1);
    assert!(query(folder.path(), process)[0].ends_with("|1"), "a process's sums are those of its rows");
    let zero = "select count(*) from what where protection is not null or flags is not null";
    assert_eq!(query(folder.path(), zero), ["0"], "what a line does not tell is not made up");
}

#[test]
fn damaged_lines_are_reported_counted_and_kept_and_the_import_continues() {
    let folder = tempfile::tempdir().unwrap();
    let rejects = folder.path().join("rejects");
    let mut text = Vec::new();
    for line in [
        LINE.as_bytes(),
        b"nonsense",
        LINE.as_bytes(),
        b"mmap,1,\x1b[31m,x,Sat Jun  1 09:05:03 2024",
        b"",
        LINE.as_bytes(),
    ] {
        text.extend(line);
        text.push(b'\n');
    }
    let (code, stderr) = import(folder.path(), &text, &["--rejects", rejects.to_str().unwrap(), "-"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("line 2: too few columns") && stderr.contains("line 4: the length is not a number"),
        "{stderr}"
    );
    assert!(stderr.contains("3 rows written, 2 lines damaged") && !stderr.contains('\x1b'), "{stderr}");
    assert_eq!(std::fs::read(rejects).unwrap(), b"nonsense\nmmap,1,\x1b[31m,x,Sat Jun  1 09:05:03 2024\n");
    let sql = "select distinct process_name, memory_size, timestamp from memory_usage";
    assert_eq!(query(folder.path(), sql), ["Web Content|1048576|2024-06-01 09:05:03.000"]);
}

#[test]
fn a_damaged_line_of_any_length_is_kept_up_to_a_mebibyte() {
    let folder = tempfile::tempdir().unwrap();
    let rejects = folder.path().join("rejects");
    let mut text = vec![b'x'; 100_000];
    text.push(b'\n');
    text.extend(vec![b'y'; 3 << 20]);
    text.push(b'\n');
    text.extend(LINE.as_bytes());
    let (code, stderr) = import(folder.path(), &text, &["--rejects", rejects.to_str().unwrap()]);
    assert!(code == Some(0) && stderr.contains("1 rows written, 2 lines damaged"), "{stderr}");
    let kept = std::fs::read(rejects).unwrap();
    let kept: Vec<_> = kept.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(kept.iter().map(|line| line.len()).collect::<Vec<_>>(), [100_001, (1 << 20) + 1]);
}

#[test]
fn input_without_valid_lines_is_an_error_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stderr) = import(folder.path(), b"a\nb\n", &[]);
    assert!(code == Some(1) && stderr.contains("--columns"), "{stderr}");
    let (code, stderr) = import(folder.path(), b"", &["/nonexistent/lines.csv"]);
    assert!(code == Some(1) && stderr.contains("/nonexistent/lines.csv"), "{stderr}");
    let (code, stderr) = import(folder.path(), b"", &["--columns", "pid,pid"]);
    assert!(code == Some(2) && stderr.contains("five columns"), "{stderr}");
}

#[test]
fn a_wrong_input_is_named_and_leaves_no_history_behind() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("morning.mtrec");
    let start = [&memtap_capture::RECORDING_MARK[..], b"and more\n"].concat();
    std::fs::write(&recording, &start).unwrap();
    for (text, arguments, why) in [
        (&b""[..], vec![recording.to_str().unwrap()], "morning.mtrec is a memtap recording"),
        (&start, vec!["-"], "standard input is a memtap recording"),
        (b"", vec!["/nonexistent/lines.csv"], "cannot read /nonexistent/lines.csv"),
        (LINE.as_bytes(), vec!["--format", "recording"], "it is not a memtap recording"),
    ] {
        let (code, stderr) = import(folder.path(), text, &arguments);
        assert!(code == Some(1) && stderr.contains(why), "{stderr}");
        assert_eq!(stderr.contains("--format recording"), why.ends_with("is a memtap recording"), "{stderr}");
        assert!(!folder.path().join("memtap.db").exists(), "{why}");
    }
    let rejects = folder.path().join("none/rejects");
    let (code, stderr) = import(folder.path(), LINE.as_bytes(), &["--rejects", rejects.to_str().unwrap()]);
    assert!(code == Some(1) && stderr.contains("none does not exist. Create it"), "{stderr}");
}

#[test]
fn older_forms_are_read_by_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"Sat Jun  1 09:05:03 2024  7 my prog  mmap 4096\n2024-06-01 09:05:04 7 my prog munmap 4096\n";
    let (code, stderr) = import(folder.path(), text, &["--columns", "time pid name call length"]);
    assert_eq!(code, Some(0), "{stderr}");
    let sql = "select my_call, pid, process_name, memory_size, timestamp from memory_usage order by id";
    let rows =
        ["mmap|7|my prog|4096|2024-06-01 09:05:03.000", "munmap|7|my prog|4096|2024-06-01 09:05:04.000"];
    assert_eq!(query(folder.path(), sql), rows);
}

#[test]
fn an_import_goes_on_where_it_stopped_and_every_line_is_one_row() {
    const LINES: u64 = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for n in 0..LINES {
        writeln!(text, "mmap,{},x,{},Sat Jun  1 09:{:02}:03 2024", n % 5000, n + 1, n / 10_000).unwrap();
    }
    let first: String = text.lines().take(70_000).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(import(folder.path(), first.as_bytes(), &[]).0, Some(0));
    let (code, stderr) = import(folder.path(), text.as_bytes(), &["--from-line", "70001"]);
    assert_eq!(code, Some(0), "{stderr}");
    let sql = "select count(*), count(distinct size), min(size), max(size) from request";
    assert_eq!(query(folder.path(), sql), [format!("{LINES}|{LINES}|1|{LINES}")]);
}

#[test]
fn an_interruption_before_the_first_line_that_counts_goes_not_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_memtap"));
    command.arg("import").arg(format!("--store=sqlite:{}", folder.path().join("memtap.db").display()));
    command.args(["--from-line", "1000"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_until_ctrl_c_is_caught(child.id());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    // The signal is handled before the next line is read.
    writeln!(child.stdin.take().unwrap(), "{LINE}").unwrap();
    let done = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(1) && stderr.contains("continue with --from-line 1000"), "{stderr}");
}

fn wait_until_ctrl_c_is_caught(pid: u32) {
    let begin = std::time::Instant::now();
    let is_caught = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() >> (libc::SIGINT - 1) & 1 == 1
    };
    while !is_caught() {
        assert!(begin.elapsed() < support::PATIENCE, "import does not watch for Ctrl-C");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn watch(folder: &Path, source: &Path) -> Memtap {
    watch_with(folder, source, &[])
}

fn watch_with(folder: &Path, source: &Path, arguments: &[&str]) -> Memtap {
    let source = format!("--source=systemtap:{}", source.display());
    Memtap::start_from(folder, &[&[source.as_str()], arguments].concat())
}

#[test]
fn a_file_of_lines_is_a_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.csv");
    let text = "mmap,400111,a,8192,Sat Jun  1 09:05:03 2024\nmunmap,400111,a,4096,Sat Jun  1 09:05:03 2024\ndamaged\n\
        mmap,400111,b,4096,Sat Jun  1 09:05:04 2024\nmmap,400222,<i>,1048576,Sat Jun  1 09:05:04 2024\n";
    std::fs::write(&file, text).unwrap();
    let memtap = watch(folder.path(), &file);
    let health = memtap.wait_for("/api/v1/health", "all is booked", |health| health["requests"]["made"] == 4);
    assert_eq!((&health["source"], &health["requests"]["seen"]), (&"systemtap".into(), &4.into()));
    assert_eq!(health["requests"]["lost_by_cause"]["damaged_line"], 1, "{health}");
    let process = memtap.process(400_111);
    assert_eq!((&process["name"], &process["requested_bytes"]), (&"b".into(), &12_288.into()), "{process}");
    assert_eq!(process["calls"]["munmap"]["requested_bytes"], 4096);
    let share = memtap.get("/api/v1/share");
    let slices: Vec<_> =
        share["slices"].as_array().unwrap().iter().map(|slice| (&slice["name"], &slice["bytes"])).collect();
    assert_eq!(
        format!("{slices:?}"),
        r#"[(String("<i>"), Number(1048576)), (String("a"), Number(8192)), (String("b"), Number(4096))]"#,
        "{share}"
    );
    let path = "/api/v1/requests?pid=400222";
    let stored =
        memtap.wait_for(path, "it is in the history", |page| page["requests"][0]["memory_size"] == 1_048_576);
    assert_eq!(
        (&stored["requests"][0]["timestamp"], &stored["requests"][0]["arguments"]),
        (&"2024-06-01T09:05:04.000Z".into(), &"".into())
    );
}

#[test]
fn a_source_has_its_columns_and_its_clock() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.tsv");
    std::fs::write(&file, "400111\tmy prog\tmmap\t8192\tSat Jun  1 03:05:03 2024\n").unwrap();
    let columns = "--columns=pid\\tname\\tcall\\tlength\\ttime";
    let memtap = watch_with(folder.path(), &file, &[columns, "--utc-offset=-06:00"]);
    let path = "/api/v1/requests?pid=400111";
    let page = memtap.wait_for(path, "it is in the history", |page| page["requests"][0].is_object());
    let request = &page["requests"][0];
    assert_eq!((&request["process_name"], &request["memory_size"]), (&"my prog".into(), &8192.into()));
    assert_eq!(request["timestamp"], "2024-06-01T09:05:03.000Z");
}

#[test]
fn a_pipe_is_read_as_its_lines_come() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let memtap = watch(folder.path(), &fifo);
    let mut pipe = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    for n in 1..=3 {
        // A line may arrive in two pieces.
        pipe.write_all(&LINE.as_bytes()[..20]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        pipe.write_all(&LINE.as_bytes()[20..]).unwrap();
        // An empty line follows. It must not be waited for.
        pipe.write_all(b"\n\n").unwrap();
        memtap.wait_for("/api/v1/health", "the line is booked", |health| health["requests"]["made"] == n);
    }
    drop(pipe);
    memtap.settle();
    assert_eq!(
        memtap.process(4211)["requested_bytes"],
        3 << 20,
        "the page goes on after the end of the lines"
    );
}

#[test]
fn an_input_that_cannot_be_read_shows() {
    let folder = tempfile::tempdir().unwrap();
    for (source, why) in [("/nonexistent", "No such file"), ("/tmp", "directory")] {
        let source = format!("--source=systemtap:{source}");
        let (code, stderr) = support::run(support::command(folder.path(), support::free_port(), &[&source]));
        assert!(code == Some(1) && stderr.contains(why), "{stderr}");
    }
    // The file can be opened, but nothing is mapped at its start, so reading fails.
    let memtap = watch(folder.path(), Path::new("/proc/self/mem"));
    memtap.wait_for("/api/v1/health", "it is told", |health| {
        health["requests"]["lost_by_cause"]["unreadable_input"] == 1
    });
    assert!(memtap.log().contains("can no longer be read"), "{}", memtap.log());
}
