//! Deletes requests, samples and processes that exceed the age or size limit, a bounded number at a
//! time.

use crate::sqlite::error::Done;
use std::time::{Duration, Instant};

use memtap_model::WallClock;
use rusqlite::Connection;

use super::deletion::{
    Deletions, REQUESTS, Sweep, delete_oom_kills, delete_processes, delete_requests, first_time, first_young,
};
use super::samples;
use super::space::{Bounds, give_back, used_bytes};
use memtap_history::Settings;

/// Time limit for deleting requests in one step: new data waits meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);
/// While requests are being deleted, only one in this many steps searches for unused rows: that
/// reads whole tables.
const SWEEP_EVERY: u64 = 8;
/// Approximate size of a captured request, including its index entry.
const REQUEST_BYTES: i64 = 60;
/// Minimum and maximum number of requests deleted at once. Their index entries are spread over the
/// pages of all threads, and each deletion writes all these pages.
const AT_ONCE: [i64; 2] = [5_000, 50_000];
/// Between these bounds, one part in this many of the requests that fit in the size limit.
const PIECES: i64 = 64;

#[derive(Debug)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_sample_age_ns: i64,
    bounds: Bounds,
    /// Number of requests deleted at once.
    at_once: i64,
    steps: u64,
    sweep: Sweep,
    /// Requests were deleted for space since the last step. The rows they leave unused take space
    /// as well.
    is_pressed: bool,
}

impl Retention {
    pub(super) fn new(settings: &Settings) -> Self {
        let nanoseconds = |age: Duration| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        let bounds = Bounds::new(settings.max_bytes);
        Self {
            max_age_ns: nanoseconds(settings.max_age),
            max_sample_age_ns: nanoseconds(settings.max_sample_age),
            bounds,
            at_once: (bounds.data / REQUEST_BYTES / PIECES).clamp(AT_ONCE[0], AT_ONCE[1]),
            steps: 0,
            sweep: Sweep::default(),
            is_pressed: false,
        }
    }

    /// Deletes old requests to make room for `requests` new ones, so that the file stays within its
    /// limit. Deletes at most about twice as many, which also shrinks a history that is too large.
    pub(super) fn make_room(&mut self, connection: &Connection, requests: usize) -> Done<Deletions> {
        let requests = i64::try_from(requests).unwrap_or(i64::MAX);
        let needed = requests.saturating_mul(REQUEST_BYTES);
        let mut deletions = Deletions::default();
        for _ in 0..=requests.saturating_mul(2) / self.at_once {
            let most = self.bounds.data.saturating_sub(needed);
            if used_bytes(connection)? <= most || !self.delete_oldest(connection, &mut deletions)? {
                break;
            }
            self.is_pressed = true;
        }
        Ok(deletions)
    }

    /// Runs one step: deletes until nothing exceeds a limit or the time is up. `run` is the run
    /// that is being written.
    pub(super) fn step(&mut self, connection: &Connection, now: WallClock, run: i64) -> Done<Deletions> {
        let begin = Instant::now();
        let horizon = now.0.saturating_sub(self.max_age_ns);
        let mut deletions = Deletions::default();
        while self.piece(connection, [now.0, horizon], &mut deletions)? && begin.elapsed() < PATIENCE {}
        let to_seconds = |ns: i64| ns.div_euclid(1_000_000_000);
        deletions.samples |=
            samples::keep(connection, run, to_seconds(now.0), to_seconds(self.max_sample_age_ns))?;
        self.steps += 1;
        if deletions.requests == 0 || self.steps.is_multiple_of(SWEEP_EVERY) {
            let long = now.0.saturating_sub(self.max_sample_age_ns.max(self.max_age_ns));
            deletions.processes.extend(delete_processes(connection, horizon, long)?);
            deletions.shared += self.sweep.step(connection)?;
            delete_oom_kills(connection, horizon)?;
        }
        give_back(connection, self.bounds)?;
        Ok(deletions)
    }

    /// Deletes one piece and returns whether there was any. If the history is too large, first
    /// deletes rows that requests left unused (names, call arguments, short-lived processes without
    /// requests), then the oldest requests; otherwise, requests that are too old.
    fn piece(
        &mut self,
        connection: &Connection,
        [now, horizon]: [i64; 2],
        deletions: &mut Deletions,
    ) -> Done<bool> {
        let is_much = used_bytes(connection)? > self.bounds.data;
        if is_much || self.is_pressed {
            self.is_pressed = self.delete_unused(connection, deletions)?;
            if self.is_pressed {
                return Ok(true);
            }
        }
        if is_much {
            return self.delete_oldest(connection, deletions);
        }
        let Some(end) = first_young(connection, now, horizon)? else { return Ok(false) };
        let deleted = delete_requests(connection, end, self.at_once)?;
        deletions.requests += deleted;
        Ok(deleted > 0)
    }

    fn delete_unused(&mut self, connection: &Connection, deletions: &mut Deletions) -> Done<bool> {
        let shared = self.sweep.step(connection)?;
        let lives = delete_processes(connection, first_time(connection)?, i64::MIN)?;
        let some = shared > 0 || !lives.is_empty();
        deletions.shared += shared;
        deletions.processes.extend(lives);
        Ok(some)
    }

    /// Deletes requests until they use half of the limit, then samples of individual processes.
    /// Once those are at their minimum, deletes requests again. Returns whether there was anything
    /// to delete.
    fn delete_oldest(&self, connection: &Connection, deletions: &mut Deletions) -> Done<bool> {
        let few = request_bytes(connection)? < self.bounds.data / 2;
        if few && samples::delete_oldest(connection)? > 0 {
            deletions.samples = true;
            return Ok(true);
        }
        let deleted = delete_requests(connection, i64::MAX, self.at_once)?;
        deletions.requests += deleted;
        Ok(deleted > 0)
    }
}

fn request_bytes(connection: &Connection) -> Done<i64> {
    let rows = connection.prepare_cached(REQUESTS)?.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(rows.saturating_mul(REQUEST_BYTES))
}
