//! Batches in, rows out: one transaction at a time.

use std::collections::HashMap;
use std::sync::Arc;

use memtap_ledger::{BookedRequest, ProcessSummary};
use memtap_model::{Call, Comm, Outcome, ProcessId, WallClock};
use rusqlite::{Connection, OptionalExtension as _, Statement, Transaction, TransactionBehavior, params};

use super::retention::Gone;
use crate::{Batch, StoreError};

const INSERT_REQUEST: &str = "INSERT INTO request (id, time_ns, process_id, name_id, tid, call_id, size, address, \
    delta_bytes, errno, virtual_bytes, protection, flags) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
const UPDATE_PROCESS: &str = "UPDATE process SET name = ?2, command = ?3, user = ?4, parent_pid = ?5, ended_at_ns = ?6, \
    virtual_bytes = ?7, resident_bytes = ?8, swap_bytes = ?9, requests = ?10, refused = ?11, requested_bytes = ?12, \
    granted_bytes = ?13, released_bytes = ?14, unexplained_bytes = ?15, started_at_ns = ?16, seen_ns = max(seen_ns, ?17) WHERE id = ?1";
const NEXT_REQUEST: &str = "SELECT 1 + max(coalesce((SELECT max(id) FROM request), 0), \
    coalesce((SELECT max(first_id) FROM batch), 0))";
const NEXT_PROCESS: &str = "SELECT 1 + coalesce(max(id), 0) FROM process";
const INSERT_SAMPLE: &str = "INSERT OR REPLACE INTO usage_sample (process_id, time_ns, virtual_bytes, anonymous_bytes, file_bytes, \
    shmem_bytes, swap_bytes, requests, requested_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Ids kept in memory; beyond that they are looked up anew.
const IDS_KEPT: usize = 100_000;
/// Between two samples of a process that lives.
const SAMPLE_EVERY_NS: i64 = 10_000_000_000;

/// What the writer knows between two transactions.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    next_request: i64,
    rows: u64,
    /// Since housekeeping asked last.
    written: u64,
    ids: Ids,
    /// When each process was sampled last.
    sampled: HashMap<i64, i64>,
}

#[derive(Debug, Clone, Default)]
struct Ids {
    processes: HashMap<ProcessId, i64>,
    names: HashMap<Comm, i64>,
    next_process: i64,
    /// Rows from here on are of this run.
    run: i64,
}

impl Writer {
    pub(super) fn open(connection: &Connection) -> Result<Self, StoreError> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        // Processes of an earlier run get new rows: within one run the identity is exact, and lives are not mixed up.
        let next_process = number(NEXT_PROCESS)?;
        Ok(Self {
            // The last mark stays when all requests have gone, so that no id is given twice.
            next_request: number(NEXT_REQUEST)?,
            rows: number("SELECT count(*) FROM request")?.cast_unsigned(),
            written: 0,
            ids: Ids { next_process, run: next_process, ..Ids::default() },
            sampled: HashMap::new(),
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    pub(super) fn deleted(&mut self, gone: &Gone) {
        self.rows = self.rows.saturating_sub(gone.requests);
        if !gone.processes.is_empty() {
            self.ids.processes.retain(|_, id| !gone.processes.contains(id));
        }
    }

    /// Writes the batches in one transaction; when it fails, nothing has changed here either.
    pub(super) fn append(
        &mut self,
        connection: &mut Connection,
        batches: &[Batch],
    ) -> Result<(), StoreError> {
        let before = (self.next_request, self.rows, self.ids.next_process);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = self.write(&transaction, batches).and_then(|()| Ok(transaction.commit()?));
        if done.is_err() {
            (self.next_request, self.rows) = (before.0, before.1);
            self.ids = Ids { next_process: before.2, run: self.ids.run, ..Ids::default() };
            self.sampled.clear();
        } else {
            self.written += self.rows - before.1;
        }
        done
    }

    fn write(&mut self, transaction: &Transaction<'_>, batches: &[Batch]) -> Result<(), StoreError> {
        // Another program (an import) may have written since.
        self.next_request = transaction.prepare_cached(NEXT_REQUEST)?.query_row([], |row| row.get(0))?;
        self.ids.next_process = transaction.prepare_cached(NEXT_PROCESS)?.query_row([], |row| row.get(0))?;
        self.mark(transaction, batches)?;
        let mut insert = transaction.prepare_cached(INSERT_REQUEST)?;
        for booked in batches.iter().flat_map(|batch| &batch.requests) {
            let process = self.ids.process(transaction, booked)?;
            let name = self.ids.name(transaction, booked.request.name)?;
            insert_request(&mut insert, self.next_request, process, name, booked)?;
            self.next_request += 1;
            self.rows += 1;
        }
        for batch in batches {
            for summary in &batch.processes {
                self.update(transaction, summary, batch.tick)?;
            }
        }
        self.ids.bound();
        if self.sampled.len() > IDS_KEPT {
            self.sampled.clear();
        }
        Ok(())
    }

    /// Where in `request` the times of this transaction are.
    fn mark(&self, transaction: &Transaction<'_>, batches: &[Batch]) -> Result<(), StoreError> {
        let times = batches.iter().flat_map(|batch| &batch.requests).map(|booked| booked.request.time.0);
        let bounds = times.fold(None, |bounds: Option<(i64, i64)>, time| {
            Some(bounds.map_or((time, time), |(from, to)| (from.min(time), to.max(time))))
        });
        if let Some((from, to)) = bounds {
            let sql = "INSERT INTO batch (first_id, from_ns, to_ns) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(sql)?.execute(params![self.next_request, from, to])?;
        }
        Ok(())
    }

    fn update(
        &mut self,
        transaction: &Transaction<'_>,
        summary: &Arc<ProcessSummary>,
        tick: Option<WallClock>,
    ) -> Result<(), StoreError> {
        let name = summary.name.to_text();
        let id = self.ids.row(transaction, summary.process, &name, tick.unwrap_or_default())?;
        let books = &summary.books;
        transaction.prepare_cached(UPDATE_PROCESS)?.execute(params![
            id,
            name,
            summary.command,
            summary.user,
            summary.parent.0,
            summary.ended_at.map(|time| time.0),
            summary.virtual_bytes.cast_signed(),
            summary.resident.set_bytes().cast_signed(),
            summary.resident.swap_bytes.cast_signed(),
            books.requests().cast_signed(),
            books.refused().cast_signed(),
            summary.requested_bytes.cast_signed(),
            books.granted_bytes.cast_signed(),
            books.released_bytes.cast_signed(),
            books.unexplained_bytes,
            summary.started_at.0,
            tick.map_or(0, |time| time.0),
        ])?;
        if summary.ended_at.is_some() {
            self.ids.processes.remove(&summary.process);
            self.sampled.remove(&id);
        }
        match summary.ended_at.or(tick) {
            Some(at) => self.sample(transaction, id, summary, at),
            None => Ok(()),
        }
    }

    fn sample(
        &mut self,
        transaction: &Transaction<'_>,
        id: i64,
        summary: &ProcessSummary,
        at: WallClock,
    ) -> Result<(), StoreError> {
        let ended = summary.ended_at.is_some();
        if !ended {
            let last = self.sampled.entry(id).or_insert(i64::MIN);
            if at.0.saturating_sub(*last) < SAMPLE_EVERY_NS && at.0 >= *last {
                return Ok(());
            }
            *last = at.0;
        }
        transaction.prepare_cached(INSERT_SAMPLE)?.execute(params![
            id,
            at.0,
            summary.virtual_bytes.cast_signed(),
            summary.resident.anonymous_bytes.cast_signed(),
            summary.resident.file_bytes.cast_signed(),
            summary.resident.shmem_bytes.cast_signed(),
            summary.resident.swap_bytes.cast_signed(),
            summary.books.requests().cast_signed(),
            summary.requested_bytes.cast_signed(),
        ])?;
        Ok(())
    }
}

impl Ids {
    fn process(&mut self, transaction: &Transaction<'_>, booked: &BookedRequest) -> Result<i64, StoreError> {
        match self.processes.get(&booked.process) {
            Some(id) => Ok(*id),
            None => {
                let request = &booked.request;
                self.row(transaction, booked.process, &request.name.to_text(), request.time)
            }
        }
    }

    /// The row of a process life, made when it has none.
    fn row(
        &mut self,
        transaction: &Transaction<'_>,
        process: ProcessId,
        name: &str,
        seen: WallClock,
    ) -> Result<i64, StoreError> {
        if let Some(id) = self.processes.get(&process) {
            return Ok(*id);
        }
        let (pid, start) = (process.tgid.0, process.start.0.cast_signed());
        // Forgotten here (a failed transaction, a flood of processes), but this run has made its row already.
        let known = "SELECT id FROM process WHERE pid = ?1 AND start_ns = ?2 AND id >= ?3";
        let mut known = transaction.prepare_cached(known)?;
        if let Some(id) = known.query_row(params![pid, start, self.run], |row| row.get(0)).optional()? {
            self.processes.insert(process, id);
            return Ok(id);
        }
        let id = self.next_process;
        let sql = "INSERT INTO process (id, pid, start_ns, started_at_ns, name, seen_ns) VALUES (?1, ?2, ?3, 0, ?4, ?5)";
        transaction.prepare_cached(sql)?.execute(params![id, pid, start, name, seen.0])?;
        self.next_process += 1;
        self.processes.insert(process, id);
        Ok(id)
    }

    fn name(&mut self, transaction: &Transaction<'_>, name: Comm) -> Result<i64, StoreError> {
        if let Some(id) = self.names.get(&name) {
            return Ok(*id);
        }
        let sql = "INSERT INTO name (bytes, text) VALUES (?1, ?2) ON CONFLICT (bytes) DO UPDATE SET text = text RETURNING id";
        let id = transaction
            .prepare_cached(sql)?
            .query_row(params![name.bytes(), name.to_text()], |row| row.get(0))?;
        self.names.insert(name, id);
        Ok(id)
    }

    /// Names can be looked up again; a living process's row must be remembered, so only a flood of them is cut.
    fn bound(&mut self) {
        if self.names.len() > IDS_KEPT {
            self.names.clear();
        }
        if self.processes.len() > IDS_KEPT {
            self.processes.clear();
        }
    }
}

fn insert_request(
    insert: &mut Statement<'_>,
    id: i64,
    process: i64,
    name: i64,
    booked: &BookedRequest,
) -> Result<(), StoreError> {
    let request = &booked.request;
    let errno = match request.outcome {
        Outcome::Refused(errno) => Some(errno.0),
        Outcome::Granted(_) => None,
    };
    // Kept of the arguments: what `Call::describe` reads.
    let (protection, flags) = match request.call {
        Call::Mmap => (Some(request.arguments[2]), Some(request.arguments[3])),
        Call::Mremap => (None, Some(request.arguments[3])),
        Call::Munmap | Call::Brk => (None, None),
    };
    insert.execute(params![
        id,
        request.time.0,
        process,
        name,
        request.tid.0,
        request.call.index() as i64,
        booked.requested_bytes.cast_signed(),
        booked.address().cast_signed(),
        booked.delta_bytes,
        errno,
        request.virtual_bytes.cast_signed(),
        protection.map(u64::cast_signed),
        flags.map(u64::cast_signed),
    ])?;
    Ok(())
}
