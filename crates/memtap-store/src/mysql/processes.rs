//! Writes process rows, their accounts and samples, and OOM kills.

use memtap_ledger::{OomReport, ProcessSummary};
use memtap_model::{CALLS, WallClock};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, params};

use super::rows::format_time;
use super::samples;
use super::writer::Writer;

type Done<T> = mysql_async::Result<T>;

const UPDATE: &str = "UPDATE process SET name = :name, command = :command, user = :user, parent_pid = :parent, ended_at = :ended, \
    started_at = :started, seen = GREATEST(seen, :seen), virtual_bytes = :virtual, resident_bytes = :resident, swap_bytes = :swap, \
    peak_virtual_bytes = :peak_virtual, peak_resident_bytes = :peak_resident, minor_faults = :minor, major_faults = :major, \
    cgroup = :cgroup, container = :container, pod = :pod, unit = :unit, session = :session, inner_pid = :inner WHERE id = :id";
const UPDATE_BOOKS: &str = "UPDATE process SET requests = :requests, refused = :refused, lost = :lost, requested_bytes = :requested, \
    opening_bytes = :opening, granted_bytes = :granted, released_bytes = :released, exec_bytes = :exec, stack_bytes = :stack, \
    kernel_bytes = :kernel, shared_bytes = :shared, unexplained_bytes = :unexplained, ended_bytes = :ended WHERE id = :id";
const OOM_KILL: &str = "INSERT INTO oom_kill (timestamp, host, process_id, victim_pid, victim_name, asker_pid, asker_name, virtual_bytes, \
    anonymous_bytes, file_bytes, shmem_bytes, swap_bytes) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Minimum time between two writes of a running process's call totals.
const CALLS_EVERY_S: i64 = 10;

pub(super) async fn update(
    writer: &mut Writer,
    connection: &mut Conn,
    id: u64,
    summary: &ProcessSummary,
    tick: Option<WallClock>,
    sampled: Option<(u64, i64)>,
) -> Done<()> {
    if let Some((run, at_s)) = sampled {
        samples::process(connection, run, id, at_s, summary).await?;
    }
    let runs_in = &summary.runs_in;
    let container = runs_in.container.as_ref();
    let values = params! {
        "id" => id,
        "name" => summary.name.to_text(),
        "command" => cut(&summary.command, 16_000),
        "user" => cut(&summary.user, 255),
        "parent" => summary.parent.0,
        "ended" => summary.ended_at.map(format_time),
        "started" => format_time(summary.started_at),
        "seen" => format_time(tick.unwrap_or_default()),
        "virtual" => summary.virtual_bytes,
        "resident" => summary.resident.set_bytes(),
        "swap" => summary.resident.swap_bytes,
        "peak_virtual" => summary.peaks.virtual_bytes,
        "peak_resident" => summary.peaks.resident_bytes,
        "minor" => summary.faults.minor,
        "major" => summary.faults.major,
        "cgroup" => cut(&runs_in.cgroup, 16_000),
        "container" => container.map(|container| cut(&format!("{}:{}", container.runtime.name(), container.id), 255).to_owned()),
        "pod" => container.and_then(|container| container.pod.as_deref()).map(|pod| cut(pod, 255)),
        "unit" => runs_in.unit.as_deref().map(|unit| cut(unit, 255)),
        "session" => runs_in.session.as_deref().map(|session| cut(session, 255)),
        "inner" => summary.inner_pid,
    };
    connection.exec_drop(UPDATE, values).await?;
    let books = &summary.books;
    let values = params! {
        "id" => id,
        "requests" => books.requests(),
        "refused" => books.refused(),
        "lost" => books.lost,
        "requested" => summary.requested_bytes,
        "opening" => books.opening_bytes,
        "granted" => books.granted_bytes,
        "released" => books.released_bytes,
        "exec" => books.exec_bytes,
        "stack" => books.stack_bytes,
        "kernel" => books.kernel_bytes,
        "shared" => books.shared_bytes,
        "unexplained" => books.unexplained_bytes,
        "ended" => books.ended_bytes,
    };
    connection.exec_drop(UPDATE_BOOKS, values).await?;
    if summary.ended_at.is_some() {
        writer.ids.remove(&summary.process);
    }
    let Some((_, at_s)) = sampled else { return Ok(()) };
    let ended = summary.ended_at.is_some();
    if !ended && writer.calls_written.get(&id).is_some_and(|last| at_s - last < CALLS_EVERY_S) {
        return Ok(());
    }
    if ended {
        writer.calls_written.remove(&id);
    } else {
        writer.calls_written.insert(id, at_s);
    }
    let made = CALLS.iter().zip(&summary.books.calls).filter(|(_, call)| call.count > 0);
    let made = made.map(|(row, call)| (id, row.name, call.count, call.requested_bytes, call.refused));
    let sql = "REPLACE INTO process_call (process_id, my_call, count, requested_bytes, refused) VALUES (?, ?, ?, ?, ?)";
    connection.exec_batch(sql, made.collect::<Vec<_>>()).await
}

pub(super) async fn oom_kill(
    connection: &mut Conn,
    host: &str,
    victim: Option<u64>,
    report: &OomReport,
) -> Done<()> {
    let kill = &report.kill;
    let values = (
        format_time(kill.time),
        host,
        victim,
        kill.victim.0,
        kill.victim_name.to_text(),
        kill.asker.0,
        kill.asker_name.to_text(),
        kill.virtual_bytes,
        kill.resident.anonymous_bytes,
        kill.resident.file_bytes,
        kill.resident.shmem_bytes,
        kill.resident.swap_bytes,
    );
    connection.exec_drop(OOM_KILL, values).await?;
    let id = connection.last_insert_id();
    let before =
        report.before.iter().flat_map(|moment| moment.largest.iter().map(move |summary| (moment, summary)));
    let before = before.map(|(moment, summary)| {
        let resident = summary.resident.set_bytes();
        let name = summary.name.to_text();
        (
            id,
            format_time(moment.at),
            moment.host.available_bytes,
            summary.process.tgid.0,
            name,
            summary.virtual_bytes,
            resident,
        )
    });
    let sql = "INSERT INTO oom_before (oom_id, timestamp, available_bytes, pid, name, virtual_bytes, resident_bytes) \
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    connection.exec_batch(sql, before.collect::<Vec<_>>()).await
}

/// Truncates a text to the number of characters that its column holds.
fn cut(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(at, _)| &text[..at])
}
