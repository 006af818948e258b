//! Measurements of the stores for `cargo xtask bench`. Prints tables of BENCHMARKS.md as JSON:
//! importing a million lines into SQLite and MariaDB compared with one INSERT per line, and the
//! page's queries with few and with many stored requests. `stores MILLIONS` sets how many are many.

#![expect(clippy::unwrap_used, reason = "a measurement that fails says where")]

#[expect(dead_code, reason = "the store's own tests use more of it")]
#[path = "../../memtap-store/tests/support/mariadb.rs"]
mod mariadb;

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mariadb::Server;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

const LINES: u64 = 1_000_000;
const ONE_BY_ONE: u64 = 20_000;
const ROUNDS: usize = 3;
const ASKED: usize = 21;

fn main() {
    let millions: u64 = std::env::args().nth(1).map_or(5, |text| text.parse().expect("a number of millions"));
    let folder = tempfile::tempdir().unwrap();
    let tables = [imports(folder.path()), pages(folder.path(), millions)];
    println!("{}", serde_json::to_string(&tables).unwrap());
}

/// Table in the format of xtask's `bench/section.rs`. `None` stands for an empty cell.
fn table(title: &str, columns: &[(&str, &str)], rows: Vec<(&str, Vec<Option<f64>>)>, notes: &str) -> Value {
    let columns: Vec<_> = columns.iter().map(|(name, unit)| json!({ "name": name, "unit": unit })).collect();
    let figure = |value: Option<f64>| value.map(|value| json!({ "value": value }));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, figures)| json!({ "name": name, "figures": figures.into_iter().map(figure).collect::<Vec<_>>() }))
        .collect();
    json!({ "title": title, "columns": columns, "rows": rows, "notes": notes })
}

/// Writes lines of 200 processes with 6 names, 1,500 per second.
fn lines(path: &Path, count: u64) {
    const NAMES: [&str; 6] = ["bash", "perl", "sort", "find", "a,b \"c\" %s", "Web Content"];
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(path).unwrap());
    let mut random = 1_u64;
    for n in 0..count {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (second, call) = (n / 1500, if n % 2 == 0 { "mmap" } else { "munmap" });
        let (day, pid) = (1 + second / 86_400, 1000 + (random >> 33) % 200);
        let (name, size) = (NAMES[(random >> 41) as usize % 6], 4096 * (1 + (random >> 50) % 400));
        let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
        writeln!(out, "{call},{pid},{name},{size},Sat Jun {day:2} {hour:02}:{minute:02}:{second:02} 2024")
            .unwrap();
    }
    out.flush().unwrap();
}

fn memtap() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().with_file_name("memtap")
}

/// Returns the elapsed seconds and the CPU seconds of an import.
fn import(store: &str, file: &Path) -> (f64, f64) {
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        seconds(usage.user_time()) + seconds(usage.system_time())
    };
    let (begin, before) = (Instant::now(), cpu());
    let done =
        Command::new(memtap()).args(["import", "--store", store]).arg(file).stderr(Stdio::null()).status();
    assert!(done.unwrap().success(), "{store}");
    (begin.elapsed().as_secs_f64(), cpu() - before)
}

fn imports(folder: &Path) -> Value {
    let file = folder.join("lines.csv");
    lines(&file, LINES);
    // Durability, buffer pool and log size as in the server's defaults.
    let server = Server::start(&[
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-buffer-pool-size=128M",
        "--loose-innodb-log-file-size=96M",
    ]);
    let (mut sqlite, mut maria, mut single) = (Vec::new(), Vec::new(), Vec::new());
    let [mut keys, mut bare] = [Vec::new(), Vec::new()];
    let mut bytes = 0;
    for round in 0..ROUNDS {
        let database = folder.join(format!("{round}.db"));
        sqlite.push(import(&format!("sqlite:{}", database.display()), &file));
        bytes = database.metadata().unwrap().len();
        std::fs::remove_file(&database).unwrap();
        let database = server.database();
        maria.push(import(&server.text(&database), &file));
        let [with_keys, without] = loads(&server, &database);
        keys.push(with_keys);
        bare.push(without);
        single.push(one_by_one(&server));
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let of = |times: &[(f64, f64)]| {
        let wall = median(times.iter().map(|(wall, _)| LINES as f64 / wall).collect());
        (wall, median(times.iter().map(|(_, cpu)| LINES as f64 / cpu).collect()))
    };
    let ((sqlite, sqlite_cpu), (maria, maria_cpu), single) = (of(&sqlite), of(&maria), median(single));
    let (keys, bare) = (median(keys), median(bare));
    table(
        &format!("`memtap import` of {LINES} lines, and one INSERT a line on the same MariaDB"),
        &[
            ("rows", "/s"),
            ("rows for memtap's CPU", "/s"),
            ("against one INSERT a line", "times"),
            ("bytes a row on disk", ""),
        ],
        vec![
            (
                "SQLite",
                vec![
                    Some(sqlite),
                    Some(sqlite_cpu),
                    Some(sqlite / single),
                    Some(bytes as f64 / LINES as f64),
                ],
            ),
            ("MariaDB, LOAD DATA", vec![Some(maria), Some(maria_cpu), Some(maria / single), None]),
            (
                "MariaDB alone: the same rows out of a file, memtap not there",
                vec![Some(keys), None, Some(keys / single), None],
            ),
            (
                "the same, and the table without its three secondary keys",
                vec![Some(bare), None, Some(bare / single), None],
            ),
            ("MariaDB, one INSERT a line", vec![Some(single), None, Some(1.0), None]),
        ],
        &format!(
            "Medians of {ROUNDS} rounds that take turns. One INSERT a line: {ONE_BY_ONE} of them, each its own transaction, through the server's own \
             client and socket: as many commits a second as its disk takes. What the server does alone bounds what any client can bring through one \
             connection; more of them do not help, since LOAD DATA gives the rows' numbers to one statement at a time."
        ),
    )
}

/// Returns the rows per second of LOAD DATA from a file on the server: into a table like memtap's,
/// and into one without secondary keys.
fn loads(server: &Server, database: &str) -> [f64; 2] {
    let columns = "host, pid, process_name, my_call, memory_size, timestamp, process_id, tid, address, delta_bytes, virtual_bytes";
    let file = server.folder().join(format!("{database}.tsv"));
    let ready = format!("SELECT {columns} FROM memory_usage ORDER BY id INTO OUTFILE '{}'", file.display());
    server.sql(database, &ready);
    let without = "DROP KEY memtap_timestamp, DROP KEY memtap_pid, DROP KEY memtap_host";
    let speeds = [("alone", None), ("bare", Some(without))].map(|(table, keys)| {
        server.sql(database, &format!("CREATE TABLE {table} LIKE memory_usage"));
        if let Some(keys) = keys {
            server.sql(database, &format!("ALTER TABLE {table} {keys}"));
        }
        let load = format!("LOAD DATA INFILE '{}' INTO TABLE {table} ({columns})", file.display());
        let begin = Instant::now();
        server.sql(database, &load);
        let seconds = begin.elapsed().as_secs_f64();
        assert_eq!(server.sql(database, &format!("SELECT COUNT(*) FROM {table}")), LINES.to_string());
        LINES as f64 / seconds
    });
    std::fs::remove_file(file).unwrap();
    server.sql("", &format!("DROP DATABASE {database}"));
    speeds
}

/// Returns the rows per second when written like the original system did.
fn one_by_one(server: &Server) -> f64 {
    let database = server.database();
    server.sql("", &format!("CREATE DATABASE {database}"));
    let table =
        "pid INT, process_name VARCHAR(255), my_call VARCHAR(50), memory_size BIGINT, timestamp DATETIME";
    server.sql(&database, &format!("CREATE TABLE memory_usage ({table})"));
    let file = server.folder().join("one-by-one.sql");
    let mut out = BufWriter::new(std::fs::File::create(&file).unwrap());
    for n in 0..ONE_BY_ONE {
        writeln!(
            out,
            "INSERT INTO memory_usage VALUES ({}, 'perl', 'mmap', 4096, '2024-06-01 09:05:03');",
            1000 + n % 200
        )
        .unwrap();
    }
    out.flush().unwrap();
    let begin = Instant::now();
    server.sql(&database, &format!("source {}", file.display()));
    let seconds = begin.elapsed().as_secs_f64();
    assert_eq!(server.sql(&database, "SELECT COUNT(*) FROM memory_usage"), ONE_BY_ONE.to_string());
    ONE_BY_ONE as f64 / seconds
}

/// Queries of the page to the history.
const QUESTIONS: [(&str, &str); 6] = [
    ("latest 100 requests", "/api/v1/requests?limit=100"),
    ("of one pid", "/api/v1/requests?limit=100&pid=1100"),
    ("of one name", "/api/v1/requests?limit=100&name=perl"),
    ("refused ones (none)", "/api/v1/requests?limit=100&refused=true"),
    (
        "of one minute in the middle",
        "/api/v1/requests?limit=100&from=2024-06-01T00:05:00Z&to=2024-06-01T00:06:00Z",
    ),
    ("processes and sums (the event update reads the same)", "/api/v1/processes?limit=100"),
];

fn pages(folder: &Path, millions: u64) -> Value {
    let mut columns = Vec::new();
    for (name, count) in [("few", 1_000), ("many", millions * 1_000_000)] {
        let (file, database) = (folder.join("lines.csv"), folder.join(format!("{name}.db")));
        lines(&file, count);
        let store = format!("sqlite:{}", database.display());
        import(&store, &file);
        std::fs::remove_file(&file).unwrap();
        columns.push(answers(&store));
    }
    let rows = QUESTIONS.iter().enumerate();
    let rows = rows
        .map(|(index, (question, _))| (*question, columns.iter().map(|times| Some(times[index])).collect()));
    table(
        "What the page asks for, by how many requests are stored",
        &[("1 thousand", "ms"), (&format!("{millions} million"), "ms")],
        rows.collect(),
        &format!("Medians of {ASKED}."),
    )
}

fn answers(store: &str) -> Vec<f64> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut serve = Command::new(memtap());
    serve.args([
        "serve",
        "--source=procfs",
        "--max-size=1TiB",
        "--store",
        store,
        &format!("--listen=127.0.0.1:{port}"),
    ]);
    let mut child = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ask = |path: &str| {
        let begin = Instant::now();
        let answer = ureq::get(format!("http://127.0.0.1:{port}{path}")).call();
        (answer.is_ok_and(|answer| answer.into_body().read_to_string().is_ok()), begin.elapsed())
    };
    while !ask("/api/v1/health").0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let times = QUESTIONS.map(|(question, path)| {
        let mut times: Vec<_> = (0..ASKED)
            .map(|_| {
                let (done, took) = ask(path);
                assert!(done, "{question}");
                took.as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[ASKED / 2]
    });
    child.kill().unwrap();
    child.wait().unwrap();
    times.to_vec()
}
