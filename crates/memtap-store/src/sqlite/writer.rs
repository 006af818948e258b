//! Writes deliveries, one transaction each.

use crate::sqlite::error::Done;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};
use memtap_ledger::BookedRequest;
use memtap_model::{Call, Comm, Errno, Outcome, ProcessId, Tid, WallClock, to_text};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::deletion::{Deletions, REQUESTS};
use super::retention::Retention;
use super::rows::Rows;
use super::samples;
use memtap_history::{Appended, Delivery, Run};

const NEXT_REQUEST: &str = "SELECT 1 + max(coalesce((SELECT max(id) FROM request), 0), \
    coalesce((SELECT max(first_id) FROM batch), 0))";
const NEXT_PROCESS: &str = "SELECT 1 + coalesce(max(id), 0) FROM process";

/// Maximum number of cached ids. Beyond that, the cache is cleared and ids are looked up again.
const IDS_KEPT: usize = 100_000;
/// State of the writer between two transactions.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    next_request: i64,
    rows: u64,
    pub(super) ids: Ids,
    /// Second at which each process's call totals were last written.
    pub(super) calls_written: HashMap<i64, i64>,
    /// SQLite's data version, which changes when another connection has written.
    seen_version: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    pub(super) processes: HashMap<ProcessId, i64>,
    names: HashMap<Vec<u8>, i64>,
    who: HashMap<Who, CachedRow>,
    what: HashMap<What, CachedRow>,
    /// Ids of who and what that this transaction has used.
    used: [Vec<i64>; 2],
    /// Number of the transaction.
    transaction: u64,
    next_process: i64,
    /// Run of all cached ids.
    pub(super) run: i64,
}

/// Process, name and thread id of a request.
type Who = (ProcessId, Comm, Tid);
/// Call, arguments, file and errno of a request.
type What = (Call, (Option<u64>, Option<u64>), Option<Arc<str>>, Option<Errno>);

/// Cached row of who or what.
#[derive(Debug, Clone, Copy)]
struct CachedRow {
    id: i64,
    /// Last transaction that used it.
    used_in: u64,
}

impl CachedRow {
    /// Returns the id. The first use in a transaction is recorded in `used`.
    fn mark_used(&mut self, transaction: u64, used: &mut Vec<i64>) -> i64 {
        if std::mem::replace(&mut self.used_in, transaction) != transaction {
            used.push(self.id);
        }
        self.id
    }
}

impl Writer {
    pub(super) fn open(connection: &Connection) -> Done<Self> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(Self {
            // The last batch row stays when all requests are deleted, so no id is used twice.
            next_request: number(NEXT_REQUEST)?,
            rows: number(REQUESTS)?.cast_unsigned(),
            ids: Ids::default(),
            calls_written: HashMap::new(),
            seen_version: 0,
        })
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn apply(&mut self, deletions: &Deletions) {
        self.rows = self.rows.saturating_sub(deletions.requests);
        if !deletions.processes.is_empty() {
            self.ids.processes.retain(|_, id| !deletions.processes.contains(id));
        }
        if deletions.shared > 0 {
            self.forget();
        }
    }

    /// Clears the cache, because rows may have been deleted.
    pub(super) fn forget(&mut self) {
        self.ids = Ids { run: self.ids.run, ..Ids::default() };
    }

    /// Run of the last delivery.
    pub(super) fn run(&self) -> i64 {
        self.ids.run
    }

    /// Writes a delivery in one transaction, which also deletes the oldest requests if space is
    /// needed. On failure, the writer's state is unchanged too.
    pub(super) fn append(
        &mut self,
        connection: &mut Connection,
        delivery: &Delivery,
        retention: &mut Retention,
    ) -> Done<Appended> {
        let before = (self.next_request, self.rows);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = self.deliver(&transaction, delivery, retention).and_then(|()| Ok(transaction.commit()?));
        if done.is_err() {
            (self.next_request, self.rows) = before;
            self.ids = Ids::default();
            self.calls_written.clear();
        }
        done.map(|()| Appended::default())
    }

    fn deliver(
        &mut self,
        transaction: &Transaction<'_>,
        delivery: &Delivery,
        retention: &mut Retention,
    ) -> Done<()> {
        let run = delivery.run.id.cast_signed();
        if self.ids.run != run {
            self.ids = Ids { run, ..Ids::default() };
            self.calls_written.clear();
        }
        if !begin_delivery(transaction, &delivery.run, delivery.sequence)? {
            return Ok(());
        }
        retention.make_room(transaction, delivery.requests())?;
        self.write(transaction, delivery)
    }

    fn write(&mut self, transaction: &Transaction<'_>, delivery: &Delivery) -> Done<()> {
        let batches = &delivery.batches;
        // Another program (an import, a second memtap) may have written or deleted rows.
        let version = transaction.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if std::mem::replace(&mut self.seen_version, version) != version {
            self.forget();
        }
        self.next_request = transaction.prepare_cached(NEXT_REQUEST)?.query_row([], |row| row.get(0))?;
        self.rows =
            transaction.prepare_cached(REQUESTS)?.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned();
        self.ids.next_process = transaction.prepare_cached(NEXT_PROCESS)?.query_row([], |row| row.get(0))?;
        self.mark(transaction, delivery)?;
        let mut rows = Rows::from(self.next_request, transaction)?;
        for booked in batches.iter().flat_map(|batch| &batch.requests) {
            let (who, what) = self.ids.who_and_what(transaction, booked)?;
            rows.push([who, what], booked)?;
            if booked.refused() {
                transaction
                    .prepare_cached("INSERT INTO refused VALUES (?1)")?
                    .execute([self.next_request])?;
            }
            if booked.lost_before > 0 {
                let sql = "INSERT INTO gap VALUES (?1, ?2)";
                transaction.prepare_cached(sql)?.execute(params![self.next_request, booked.lost_before])?;
            }
            self.next_request += 1;
            self.rows += 1;
        }
        rows.finish()?;
        self.ids.store_use(transaction, self.next_request - 1)?;
        for batch in batches {
            let at_s =
                batch.tick.map(|tick| samples::second(transaction, self.ids.run, tick.0)).transpose()?;
            if let (Some(at_s), Some(all)) = (at_s, &batch.all) {
                samples::all(transaction, self.ids.run, at_s, all)?;
            }
            for summary in &batch.processes {
                self.update(transaction, summary, batch.tick, at_s)?;
            }
            for report in &batch.oom_kills {
                self.oom_kill(transaction, report)?;
            }
        }
        self.ids.limit_cache();
        if self.calls_written.len() > IDS_KEPT {
            self.calls_written.clear();
        }
        Ok(())
    }

    /// Records which times the requests of this transaction have.
    fn mark(&self, transaction: &Transaction<'_>, delivery: &Delivery) -> Done<()> {
        let batches = &delivery.batches;
        let times = batches.iter().flat_map(|batch| &batch.requests).map(|booked| booked.request.time.0);
        let bounds = times.fold(None, |bounds: Option<(i64, i64)>, time| {
            Some(bounds.map_or((time, time), |(from, to)| (from.min(time), to.max(time))))
        });
        if let Some((from, to)) = bounds {
            let sql =
                "INSERT INTO batch (first_id, from_ns, to_ns, aged_from_ns) VALUES (?1, ?2, ?3, max(?3, ?4))";
            transaction.prepare_cached(sql)?.execute(params![
                self.next_request,
                from,
                to,
                delivery.run.began.0
            ])?;
        }
        Ok(())
    }
}

impl Ids {
    /// Returns the ids of a request's rows in who and what.
    fn who_and_what(&mut self, transaction: &Transaction<'_>, booked: &BookedRequest) -> Done<(i64, i64)> {
        let request = &booked.request;
        let who = (booked.process, request.name, request.tid);
        let errno = match request.outcome {
            Outcome::Refused(errno) => Some(errno),
            Outcome::Granted(_) => None,
        };
        let what = (request.call, request.words(), request.file.clone(), errno);
        Ok((self.who(transaction, who, booked)?, self.what(transaction, what)?))
    }

    /// Stores the last request that uses each row of who and what. Once all requests up to it are
    /// deleted, the row may be deleted.
    fn store_use(&mut self, transaction: &Transaction<'_>, last_request: i64) -> Done<()> {
        for (table, used) in ["who", "what"].into_iter().zip(&mut self.used) {
            let mut update =
                transaction.prepare_cached(&format!("UPDATE {table} SET last_id = ?2 WHERE id = ?1"))?;
            for id in used.drain(..) {
                update.execute([id, last_request])?;
            }
        }
        self.transaction += 1;
        Ok(())
    }

    fn who(&mut self, transaction: &Transaction<'_>, who: Who, booked: &BookedRequest) -> Done<i64> {
        if let Some(known) = self.who.get_mut(&who) {
            return Ok(known.mark_used(self.transaction, &mut self.used[0]));
        }
        let process = self.process(transaction, booked)?;
        let name = self.name(transaction, who.1.bytes())?;
        let sql = "INSERT INTO who (process_id, name_id, tid) VALUES (?1, ?2, ?3) \
            ON CONFLICT (process_id, name_id, tid) DO UPDATE SET tid = tid RETURNING id";
        let values = params![process, name, who.2.0];
        let id = transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        self.who.insert(who, CachedRow { id, used_in: self.transaction });
        self.used[0].push(id);
        Ok(id)
    }

    fn what(&mut self, transaction: &Transaction<'_>, what: What) -> Done<i64> {
        if let Some(known) = self.what.get_mut(&what) {
            return Ok(known.mark_used(self.transaction, &mut self.used[1]));
        }
        let (call, (protection, flags), file, errno) = &what;
        let file = file.as_ref().map(|file| self.name(transaction, file.as_bytes())).transpose()?;
        let values = params![
            call.index() as i64,
            protection.map(u64::cast_signed),
            flags.map(u64::cast_signed),
            file,
            errno.map(|errno| errno.0),
        ];
        let known = "SELECT id FROM what WHERE call_id = ?1 AND protection IS ?2 AND flags IS ?3 AND file_id IS ?4 AND errno IS ?5";
        let known = transaction.prepare_cached(known)?.query_row(values, |row| row.get(0)).optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                let sql = "INSERT INTO what (call_id, protection, flags, file_id, errno) VALUES (?1, ?2, ?3, ?4, ?5)";
                transaction.prepare_cached(sql)?.execute(values)?;
                transaction.last_insert_rowid()
            }
        };
        self.what.insert(what, CachedRow { id, used_in: self.transaction });
        self.used[1].push(id);
        Ok(id)
    }

    fn process(&mut self, transaction: &Transaction<'_>, booked: &BookedRequest) -> Done<i64> {
        match self.processes.get(&booked.process) {
            Some(id) => Ok(*id),
            None => {
                let request = &booked.request;
                self.row(transaction, booked.process, &request.name.to_text(), request.time)
            }
        }
    }

    /// Returns the row id of a process, and creates the row if there is none.
    pub(super) fn row(
        &mut self,
        transaction: &Transaction<'_>,
        process: ProcessId,
        name: &str,
        seen: WallClock,
    ) -> Done<i64> {
        if let Some(id) = self.processes.get(&process) {
            return Ok(*id);
        }
        let (pid, start) = (process.tgid.0, process.start.0.cast_signed());
        // The id may be missing from the cache (after a failed transaction, or with very many
        // processes) although the row exists. A row of another run is another process, since start
        // times count from boot.
        let known = "SELECT id FROM process WHERE pid = ?1 AND start_ns = ?2 AND run_id = ?3";
        let mut known = transaction.prepare_cached(known)?;
        if let Some(id) = known.query_row(params![pid, start, self.run], |row| row.get(0)).optional()? {
            self.processes.insert(process, id);
            return Ok(id);
        }
        let id = self.next_process;
        let sql = "INSERT INTO process (id, pid, start_ns, started_at_ns, name, seen_ns, run_id) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)";
        transaction.prepare_cached(sql)?.execute(params![id, pid, start, name, seen.0, self.run])?;
        self.next_process += 1;
        self.processes.insert(process, id);
        Ok(id)
    }

    /// Returns the row id of a process or file name.
    fn name(&mut self, transaction: &Transaction<'_>, name: &[u8]) -> Done<i64> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        let sql = "INSERT INTO name (bytes, text) VALUES (?1, ?2) ON CONFLICT (bytes) DO UPDATE SET text = text RETURNING id";
        let id =
            transaction.prepare_cached(sql)?.query_row(params![name, to_text(name)], |row| row.get(0))?;
        self.names.insert(name.to_vec(), id);
        Ok(id)
    }

    /// Limits the cache. All ids can be looked up again.
    fn limit_cache(&mut self) {
        if self.names.len() > IDS_KEPT {
            self.names.clear();
        }
        if self.who.len() > IDS_KEPT {
            self.who.clear();
        }
        if self.what.len() > IDS_KEPT {
            self.what.clear();
        }
        if self.processes.len() > IDS_KEPT {
            self.processes.clear();
        }
    }
}

/// Records the delivery as written. Returns `false` if it already was.
fn begin_delivery(transaction: &Transaction<'_>, run: &Run, sequence: u64) -> Done<bool> {
    let (id, sequence) = (run.id.cast_signed(), sequence.cast_signed());
    let last: Option<i64> = transaction
        .prepare_cached("SELECT last_sequence FROM run WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match last {
        Some(last) if last >= sequence => return Ok(false),
        Some(_) => {}
        None => {
            let page_size = run.page_size.cast_signed();
            transaction.execute(
                "INSERT INTO run (id, hostname, kernel, boot_id, page_size, began_ns, last_sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                params![id, run.hostname, run.kernel, run.boot_id, page_size, run.began.0],
            )?;
        }
    }
    transaction.prepare_cached("UPDATE run SET last_sequence = ?2 WHERE id = ?1")?.execute([id, sequence])?;
    Ok(true)
}
