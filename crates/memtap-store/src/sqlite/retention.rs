//! What is too old or too much goes, in bounded pieces.

use crate::sqlite::error::Done;
use std::time::{Duration, Instant};

use memtap_model::WallClock;
use rusqlite::Connection;

use super::deletion::{
    Gone, REQUESTS, Sweep, delete_oom_kills, delete_processes, delete_requests, first_time, first_young,
};
use super::samples;
use super::space::{Bounds, give_back, used_bytes};
use memtap_history::Settings;

/// How long one step may go on with its pieces: what comes meanwhile waits.
const PATIENCE: Duration = Duration::from_millis(200);
/// Where requests go at each step, one of so many looks for what belongs to none: that reads whole tables.
const REST_EVERY: u64 = 8;
/// What a captured request takes with its index, about.
const REQUEST_BYTES: i64 = 60;
/// Requests deleted at once: at least, and at most. Their index entries lie on pages of all threads, and each piece writes all these pages.
const AT_ONCE: [i64; 2] = [5_000, 50_000];
/// Between these bounds, this part of what the limit has room for.
const PIECES: i64 = 64;

#[derive(Debug)]
pub(super) struct Retention {
    max_age_ns: i64,
    max_sample_age_ns: i64,
    bounds: Bounds,
    /// Requests deleted at once.
    at_once: i64,
    steps: u64,
    sweep: Sweep,
    /// Requests had to go for others since the last step: what they leave behind takes room as well.
    is_pressed: bool,
}

impl Retention {
    pub(super) fn new(settings: &Settings) -> Self {
        let nanoseconds = |age: Duration| i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        let bounds = Bounds::of(settings.max_bytes);
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

    /// Makes room for `requests` that come now, so that the file does not grow beyond its bound, however many they are. At most about twice
    /// as many go, which also brings a history back that has become too large.
    pub(super) fn make_room(&mut self, connection: &Connection, requests: usize) -> Done<Gone> {
        let requests = i64::try_from(requests).unwrap_or(i64::MAX);
        let needed = requests.saturating_mul(REQUEST_BYTES);
        let mut gone = Gone::default();
        for _ in 0..=requests.saturating_mul(2) / self.at_once {
            let most = self.bounds.data.saturating_sub(needed);
            if used_bytes(connection)? <= most || !self.delete_oldest(connection, &mut gone)? {
                break;
            }
            self.is_pressed = true;
        }
        Ok(gone)
    }

    /// One step: pieces of what is too much or too old, as long as there are some and patience lasts. `run` is the one that writes.
    pub(super) fn step(&mut self, connection: &Connection, now: WallClock, run: i64) -> Done<Gone> {
        let begin = Instant::now();
        let horizon = now.0.saturating_sub(self.max_age_ns);
        let mut gone = Gone::default();
        while self.piece(connection, [now.0, horizon], &mut gone)? && begin.elapsed() < PATIENCE {}
        let to_seconds = |ns: i64| ns.div_euclid(1_000_000_000);
        gone.samples |=
            samples::keep(connection, run, to_seconds(now.0), to_seconds(self.max_sample_age_ns))?;
        self.steps += 1;
        if gone.requests == 0 || self.steps.is_multiple_of(REST_EVERY) {
            let long = now.0.saturating_sub(self.max_sample_age_ns.max(self.max_age_ns));
            gone.processes.extend(delete_processes(connection, horizon, long)?);
            gone.shared += self.sweep.step(connection)?;
            delete_oom_kills(connection, horizon)?;
        }
        give_back(connection, self.bounds)?;
        Ok(gone)
    }

    /// Of what is too much, first what requests have left behind (names, words, short lives without requests), then the oldest; of the others
    /// what is too old. Gives whether there was some.
    fn piece(&mut self, connection: &Connection, [now, horizon]: [i64; 2], gone: &mut Gone) -> Done<bool> {
        let is_much = used_bytes(connection)? > self.bounds.data;
        if is_much || self.is_pressed {
            self.is_pressed = self.leftovers(connection, gone)?;
            if self.is_pressed {
                return Ok(true);
            }
        }
        if is_much {
            return self.delete_oldest(connection, gone);
        }
        let Some(end) = first_young(connection, now, horizon)? else { return Ok(false) };
        let deleted = delete_requests(connection, end, self.at_once)?;
        gone.requests += deleted;
        Ok(deleted > 0)
    }

    fn leftovers(&mut self, connection: &Connection, gone: &mut Gone) -> Done<bool> {
        let shared = self.sweep.step(connection)?;
        let lives = delete_processes(connection, first_time(connection)?, i64::MIN)?;
        let some = shared > 0 || !lives.is_empty();
        gone.shared += shared;
        gone.processes.extend(lives);
        Ok(some)
    }

    /// Deletes requests, down to half of what is allowed; then samples of single processes; and when those are at their least, requests all
    /// the same. Returns whether there was something to delete.
    fn delete_oldest(&self, connection: &Connection, gone: &mut Gone) -> Done<bool> {
        let few = request_bytes(connection)? < self.bounds.data / 2;
        if few && samples::delete_oldest(connection)? > 0 {
            gone.samples = true;
            return Ok(true);
        }
        let deleted = delete_requests(connection, i64::MAX, self.at_once)?;
        gone.requests += deleted;
        Ok(deleted > 0)
    }
}

fn request_bytes(connection: &Connection) -> Done<i64> {
    let rows = connection.prepare_cached(REQUESTS)?.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(rows.saturating_mul(REQUEST_BYTES))
}
