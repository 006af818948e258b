//! Writes deliveries, one transaction each.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use memtap_ledger::BookedRequest;
use memtap_model::{ProcessId, WallClock};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, params};

use super::link::is_row_error;
use super::rows::{COLUMNS, Rows, format_time};
use super::{processes, samples};
use memtap_history::{Appended, Delivery, Run};

type Done<T> = mysql_async::Result<T>;

/// Maximum number of cached ids. Beyond that, the cache is cleared and ids are looked up again.
const IDS_KEPT: usize = 100_000;
/// Approximate size of an INSERT statement. Servers accept at least 1 MiB.
const INSERT_BYTES: usize = 512 << 10;
/// Size of a piece handed to the driver.
const PIECE: usize = 64 << 10;

/// State of the writer between two deliveries.
#[derive(Default)]
pub(super) struct Writer {
    /// Ids of process rows of `run`.
    pub(super) ids: HashMap<ProcessId, u64>,
    pub(super) run: Option<u64>,
    /// Second at which each process's call totals were last written.
    pub(super) calls_written: HashMap<u64, i64>,
    /// False once the server has rejected LOAD DATA LOCAL.
    pub(super) loads: bool,
}

impl Writer {
    /// Clears the state: after a failure, the outcome of the transaction is unknown.
    pub(super) fn forget(&mut self) {
        *self = Self { loads: self.loads, ..Self::default() };
    }

    /// Writes a delivery. Returns its outcome and the number of written requests.
    pub(super) async fn deliver(
        &mut self,
        connection: &mut Conn,
        delivery: &Delivery,
    ) -> Done<(Appended, u64)> {
        if self.run != Some(delivery.run.id) {
            self.forget();
            self.run = Some(delivery.run.id);
        }
        connection.query_drop("START TRANSACTION").await?;
        if !begin_delivery(connection, &delivery.run, delivery.sequence).await? {
            connection.query_drop("ROLLBACK").await?;
            return Ok((Appended::default(), 0));
        }
        let mut appended = Appended::default();
        let mut requests = Vec::new();
        for booked in delivery.batches.iter().flat_map(|batch| &batch.requests) {
            let process = self.process(connection, &delivery.run, booked).await?;
            requests.push((booked, process));
        }
        self.requests(connection, &delivery.run, &requests, &mut appended).await?;
        for batch in &delivery.batches {
            let sampled = match batch.tick {
                Some(tick) => {
                    Some((delivery.run.id, samples::second(connection, delivery.run.id, tick).await?))
                }
                None => None,
            };
            if let (Some((run, at_s)), Some(all)) = (sampled, &batch.all) {
                samples::all(connection, run, at_s, all).await?;
            }
            for summary in &batch.processes {
                let name = summary.name.to_text();
                let id = self
                    .row(connection, &delivery.run, summary.process, &name, batch.tick.unwrap_or_default())
                    .await?;
                processes::update(self, connection, id, summary, batch.tick, sampled).await?;
            }
            for report in &batch.oom_kills {
                // The victim may have ended in this tick.
                let victim = match &report.victim {
                    Some(victim) => {
                        let (process, name) = (victim.process, victim.name.to_text());
                        Some(self.row(connection, &delivery.run, process, &name, report.kill.time).await?)
                    }
                    None => None,
                };
                processes::oom_kill(connection, &delivery.run.hostname, victim, report).await?;
            }
        }
        let written = requests.len() as u64 - appended.refused;
        let sql = "UPDATE run SET last_sequence = :sequence, `rows` = `rows` + :written WHERE id = :id";
        let values = params! { "sequence" => delivery.sequence, "written" => written.cast_signed(), "id" => delivery.run.id };
        connection.exec_drop(sql, values).await?;
        connection.query_drop("COMMIT").await?;
        if self.ids.len() > IDS_KEPT {
            self.ids.clear();
            self.calls_written.clear();
        }
        Ok((appended, written))
    }

    async fn process(&mut self, connection: &mut Conn, run: &Run, booked: &BookedRequest) -> Done<u64> {
        match self.ids.get(&booked.process) {
            Some(id) => Ok(*id),
            None => {
                let request = &booked.request;
                self.row(connection, run, booked.process, &request.name.to_text(), request.time).await
            }
        }
    }

    /// Returns the row id of a process, and creates the row if there is none.
    async fn row(
        &mut self,
        connection: &mut Conn,
        run: &Run,
        process: ProcessId,
        name: &str,
        seen: WallClock,
    ) -> Done<u64> {
        if let Some(id) = self.ids.get(&process) {
            return Ok(*id);
        }
        let sql = "INSERT INTO process (run_id, pid, start_ns, name, seen) VALUES (?, ?, ?, ?, ?) \
            ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)";
        let values = (run.id, process.tgid.0, process.start.0, name, format_time(seen));
        connection.exec_drop(sql, values).await?;
        let id = connection.last_insert_id().unwrap_or_default();
        self.ids.insert(process, id);
        Ok(id)
    }

    /// Inserts requests with LOAD DATA if the server allows it and accepts every row unchanged,
    /// otherwise with INSERT.
    async fn requests(
        &mut self,
        connection: &mut Conn,
        run: &Run,
        requests: &[(&BookedRequest, u64)],
        appended: &mut Appended,
    ) -> Done<()> {
        if requests.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::new(&run.hostname);
        if self.loads {
            connection.query_drop("SAVEPOINT before_load").await?;
            match load(connection, &mut rows, requests).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                // 1148, 3948, 4166: LOAD DATA LOCAL is not allowed here.
                Err(Error::Server(error)) => self.loads = !matches!(error.code, 1148 | 3948 | 4166),
                Err(error) => return Err(error),
            }
            connection.query_drop("ROLLBACK TO SAVEPOINT before_load").await?;
        }
        let mut values: Vec<String> = Vec::with_capacity(requests.len());
        for (booked, process) in requests {
            let mut one = String::new();
            rows.values(booked, *process, &mut one);
            values.push(one);
        }
        let mut remaining = &values[..];
        while !remaining.is_empty() {
            let mut bytes = 0;
            let fits = remaining.iter().take_while(|value| {
                bytes += value.len();
                bytes <= INSERT_BYTES
            });
            let (chunk, later) = remaining.split_at(fits.count().max(1));
            insert(connection, chunk, appended).await?;
            remaining = later;
        }
        Ok(())
    }
}

/// Begins a delivery: locks the run's row until the end of the transaction, and creates it if
/// needed. Returns `false` if the delivery was already written.
async fn begin_delivery(connection: &mut Conn, run: &Run, sequence: u64) -> Done<bool> {
    let last: Option<u64> =
        connection.exec_first("SELECT last_sequence FROM run WHERE id = ? FOR UPDATE", (run.id,)).await?;
    if let Some(last) = last {
        return Ok(last < sequence);
    }
    let sql = "INSERT INTO run (id, hostname, kernel, boot_id, page_size, began, last_sequence) VALUES (?, ?, ?, ?, ?, ?, 0)";
    let values = (run.id, &run.hostname, &run.kernel, &run.boot_id, run.page_size, format_time(run.began));
    connection.exec_drop(sql, values).await?;
    Ok(true)
}

/// Loads the rows. Returns `false` if any row was changed or skipped: with LOCAL, the server turns
/// errors into warnings and adjusts the values.
async fn load(connection: &mut Conn, rows: &mut Rows<'_>, requests: &[(&BookedRequest, u64)]) -> Done<bool> {
    let columns = rows.select_columns(requests);
    let mut pieces = vec![String::with_capacity(PIECE + 1024)];
    for (booked, process) in requests {
        if pieces.last().is_some_and(|piece| piece.len() >= PIECE) {
            pieces.push(String::with_capacity(PIECE + 1024));
        }
        if let Some(piece) = pieces.last_mut() {
            rows.line(booked, *process, piece);
        }
    }
    let pieces = pieces.into_iter().map(|piece| Ok(Bytes::from(piece)));
    connection.set_infile_handler(async move { Ok(stream::iter(pieces).boxed()) });
    let set = if columns.contains(&"name_bytes") { "SET name_bytes = UNHEX(@name_bytes)" } else { "" };
    let columns: Vec<String> = columns
        .into_iter()
        .map(|name| if name == "name_bytes" { "@name_bytes".to_owned() } else { format!("`{name}`") })
        .collect();
    let sql = format!(
        "LOAD DATA LOCAL INFILE 'memtap' INTO TABLE memory_usage CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' \
         LINES TERMINATED BY '\\n' ({}) {set}",
        columns.join(", ")
    );
    connection.query_drop(sql).await?;
    Ok(connection.affected_rows() == requests.len() as u64 && connection.get_warnings() == 0)
}

/// Inserts rows. If the server refuses one because of its content, all others are still inserted.
async fn insert(connection: &mut Conn, values: &[String], appended: &mut Appended) -> Done<()> {
    let columns = COLUMNS.map(|name| format!("`{name}`")).join(", ");
    let mut parts = vec![values];
    while let Some(part) = parts.pop() {
        let sql = format!("INSERT INTO memory_usage ({columns}) VALUES {}", part.join(","));
        match connection.query_drop(sql).await {
            Ok(()) => {}
            Err(error) if is_row_error(&error) => match part.len() {
                1 => {
                    appended.refused += 1;
                    appended.reason.get_or_insert_with(|| error.to_string());
                }
                many => {
                    let (first, second) = part.split_at(many / 2);
                    parts.extend([second, first]);
                }
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
