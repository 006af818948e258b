//! Writes process rows, their accounts and samples, and OOM kills.

use crate::sqlite::error::Done;
use std::sync::Arc;

use memtap_ledger::{Moment, OomReport, ProcessSummary};
use memtap_model::WallClock;
use rusqlite::{Transaction, params};

use super::samples;
use super::writer::Writer;

const UPDATE: &str = "UPDATE process SET name = ?2, command = ?3, user = ?4, parent_pid = ?5, ended_at_ns = ?6, \
    started_at_ns = ?7, seen_ns = max(seen_ns, ?8), virtual_bytes = ?9, resident_bytes = ?10, swap_bytes = ?11, \
    peak_virtual_bytes = ?12, peak_resident_bytes = ?13, minor_faults = ?14, major_faults = ?15, cgroup = ?16, container = ?17, \
    pod = ?18, unit = ?19, session = ?20, inner_pid = ?21 WHERE id = ?1";
const UPDATE_BOOKS: &str = "UPDATE process SET requests = ?2, refused = ?3, requested_bytes = ?4, opening_bytes = ?5, granted_bytes = ?6, \
    released_bytes = ?7, exec_bytes = ?8, stack_bytes = ?9, kernel_bytes = ?10, shared_bytes = ?11, unexplained_bytes = ?12, \
    ended_bytes = ?13, lost = ?14 WHERE id = ?1";
const INSERT_CALL: &str = "INSERT OR REPLACE INTO process_call (process_id, call_id, count, requested_bytes, refused) \
    VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_OOM_KILL: &str = "INSERT INTO oom_kill (time_ns, process_id, victim_pid, victim_name, asker_pid, asker_name, virtual_bytes, \
    anonymous_bytes, file_bytes, shmem_bytes, swap_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const INSERT_OOM_BEFORE: &str = "INSERT INTO oom_before (oom_id, time_ns, available_bytes, pid, name, virtual_bytes, resident_bytes) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Minimum time between two writes of a running process's call totals.
const CALLS_EVERY_S: i64 = 10;

impl Writer {
    pub(super) fn update(
        &mut self,
        transaction: &Transaction<'_>,
        summary: &ProcessSummary,
        tick: Option<WallClock>,
        at_s: Option<i64>,
    ) -> Done<()> {
        let name = summary.name.to_text();
        let id = self.ids.row(transaction, summary.process, &name, tick.unwrap_or_default())?;
        if let Some(at_s) = at_s {
            samples::process(transaction, [self.ids.run, at_s, id], summary)?;
            self.calls(transaction, id, summary, at_s)?;
        }
        let runs_in = &summary.runs_in;
        let container = runs_in.container.as_ref();
        transaction.prepare_cached(UPDATE)?.execute(params![
            id,
            name,
            summary.command,
            summary.user,
            summary.parent.0,
            summary.ended_at.map(|time| time.0),
            summary.started_at.0,
            tick.map_or(0, |time| time.0),
            summary.virtual_bytes.cast_signed(),
            summary.resident.set_bytes().cast_signed(),
            summary.resident.swap_bytes.cast_signed(),
            summary.peaks.virtual_bytes.cast_signed(),
            summary.peaks.resident_bytes.cast_signed(),
            summary.faults.minor.cast_signed(),
            summary.faults.major.cast_signed(),
            runs_in.cgroup,
            container.map(|container| format!("{}:{}", container.runtime.name(), container.id)),
            container.and_then(|container| container.pod.as_ref()),
            runs_in.unit,
            runs_in.session,
            summary.inner_pid,
        ])?;
        books(transaction, id, summary)?;
        if summary.ended_at.is_some() {
            self.ids.processes.remove(&summary.process);
        }
        Ok(())
    }

    fn calls(
        &mut self,
        transaction: &Transaction<'_>,
        id: i64,
        summary: &ProcessSummary,
        at_s: i64,
    ) -> Done<()> {
        let ended = summary.ended_at.is_some();
        if !ended && self.calls_written.get(&id).is_some_and(|last| at_s - last < CALLS_EVERY_S) {
            return Ok(());
        }
        if ended {
            self.calls_written.remove(&id);
        } else {
            self.calls_written.insert(id, at_s);
        }
        calls(transaction, id, summary)
    }

    pub(super) fn oom_kill(&mut self, transaction: &Transaction<'_>, report: &OomReport) -> Done<()> {
        let kill = &report.kill;
        // The victim may have ended in this tick.
        let row = |victim: &Arc<ProcessSummary>| {
            self.ids.row(transaction, victim.process, &victim.name.to_text(), kill.time)
        };
        let process = report.victim.as_ref().map(row).transpose()?;
        transaction.prepare_cached(INSERT_OOM_KILL)?.execute(params![
            kill.time.0,
            process,
            kill.victim.0,
            kill.victim_name.to_text(),
            kill.asker.0,
            kill.asker_name.to_text(),
            kill.virtual_bytes.cast_signed(),
            kill.resident.anonymous_bytes.cast_signed(),
            kill.resident.file_bytes.cast_signed(),
            kill.resident.shmem_bytes.cast_signed(),
            kill.resident.swap_bytes.cast_signed(),
        ])?;
        let id = transaction.last_insert_rowid();
        report.before.iter().try_for_each(|moment| oom_before(transaction, id, moment))
    }
}

fn oom_before(transaction: &Transaction<'_>, id: i64, moment: &Moment) -> Done<()> {
    let mut insert = transaction.prepare_cached(INSERT_OOM_BEFORE)?;
    for summary in &moment.largest {
        insert.execute(params![
            id,
            moment.at.0,
            moment.host.available_bytes.cast_signed(),
            summary.process.tgid.0,
            summary.name.to_text(),
            summary.virtual_bytes.cast_signed(),
            summary.resident.set_bytes().cast_signed(),
        ])?;
    }
    Ok(())
}

fn books(transaction: &Transaction<'_>, id: i64, summary: &ProcessSummary) -> Done<()> {
    let books = &summary.books;
    transaction.prepare_cached(UPDATE_BOOKS)?.execute(params![
        id,
        books.requests().cast_signed(),
        books.refused().cast_signed(),
        summary.requested_bytes.cast_signed(),
        books.opening_bytes.cast_signed(),
        books.granted_bytes.cast_signed(),
        books.released_bytes.cast_signed(),
        books.exec_bytes,
        books.stack_bytes,
        books.kernel_bytes,
        books.shared_bytes,
        books.unexplained_bytes,
        books.ended_bytes.cast_signed(),
        books.lost.cast_signed(),
    ])?;
    Ok(())
}

fn calls(transaction: &Transaction<'_>, id: i64, summary: &ProcessSummary) -> Done<()> {
    let mut insert = transaction.prepare_cached(INSERT_CALL)?;
    for (index, call) in summary.books.calls.iter().enumerate().filter(|(_, call)| call.count > 0) {
        let (count, bytes) = (call.count.cast_signed(), call.requested_bytes.cast_signed());
        insert.execute(params![id, index as i64, count, bytes, call.refused.cast_signed()])?;
    }
    Ok(())
}
