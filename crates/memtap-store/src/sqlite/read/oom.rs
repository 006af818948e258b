//! Reads OOM kills and the readings before them.

use memtap_history::rows::OomReading;
use memtap_history::{Range, StoredOomKill};
use memtap_model::{Resident, Tgid, WallClock};
use rusqlite::{Connection, Row, params};

use super::unsigned;
use crate::sqlite::error::Done;

/// If a kill's process is unknown, the host is taken from the run that started last before it.
const KILLS: &str = "SELECT oom_kill.id, \
    coalesce(run.hostname, (SELECT hostname FROM run WHERE began_ns <= time_ns ORDER BY began_ns DESC LIMIT 1), '') AS host, \
    time_ns, victim_pid, victim_name, coalesce(command, ''), container, oom_kill.virtual_bytes, anonymous_bytes, file_bytes, shmem_bytes, \
    oom_kill.swap_bytes, asker_pid, asker_name FROM oom_kill LEFT JOIN process ON process.id = process_id \
    LEFT JOIN run ON run.id = process.run_id \
    WHERE time_ns >= ?1 AND time_ns < ?2 AND (?3 IS NULL OR host = ?3) ORDER BY time_ns DESC, oom_kill.id DESC LIMIT ?4";

pub(super) fn kills(connection: &Connection, range: &Range, limit: usize) -> Done<Vec<(u64, StoredOomKill)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(KILLS)?;
    let kills = statement.query_map(params![range.from.0, range.to.0, range.host, limit], kill)?;
    Ok(kills.collect::<Result<_, _>>()?)
}

fn kill(row: &Row<'_>) -> rusqlite::Result<(u64, StoredOomKill)> {
    let kill = StoredOomKill {
        host: row.get(1)?,
        time: WallClock(row.get(2)?),
        victim: Tgid(row.get(3)?),
        victim_name: row.get(4)?,
        command: row.get(5)?,
        container: row.get(6)?,
        virtual_bytes: unsigned(row, 7)?,
        resident: Resident {
            anonymous_bytes: unsigned(row, 8)?,
            file_bytes: unsigned(row, 9)?,
            shmem_bytes: unsigned(row, 10)?,
            swap_bytes: unsigned(row, 11)?,
        },
        asker: Tgid(row.get(12)?),
        asker_name: row.get(13)?,
        before: Vec::new(),
    };
    Ok((unsigned(row, 0)?, kill))
}

pub(super) fn readings(connection: &Connection, kill: u64) -> Done<Vec<OomReading>> {
    let sql = "SELECT time_ns, available_bytes, pid, name, virtual_bytes, resident_bytes FROM oom_before WHERE oom_id = ?1 \
        ORDER BY time_ns, resident_bytes DESC, pid";
    let mut statement = connection.prepare_cached(sql)?;
    let readings = statement.query_map([kill.cast_signed()], |row| {
        Ok(OomReading {
            time: WallClock(row.get(0)?),
            available_bytes: unsigned(row, 1)?,
            pid: Tgid(row.get(2)?),
            name: row.get(3)?,
            virtual_bytes: unsigned(row, 4)?,
            resident_bytes: unsigned(row, 5)?,
        })
    })?;
    Ok(readings.collect::<Result<_, _>>()?)
}
