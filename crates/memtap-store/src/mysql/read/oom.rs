//! Reads OOM kills and the readings before them.

use memtap_history::rows::OomReading;
use memtap_history::{Range, StoredOomKill};
use memtap_model::{Resident, Tgid};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use super::{Done, time};
use crate::mysql::rows::format_time;

pub(super) async fn kills(
    connection: &mut impl Queryable,
    range: &Range,
    limit: usize,
) -> Done<Vec<(u64, StoredOomKill)>> {
    let mut sql = "SELECT oom_kill.id, host, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), victim_pid, victim_name, command, \
        container, oom_kill.virtual_bytes, anonymous_bytes, file_bytes, shmem_bytes, oom_kill.swap_bytes, asker_pid, asker_name \
        FROM oom_kill LEFT JOIN process ON process.id = process_id WHERE timestamp >= ? AND timestamp < ?"
        .to_owned();
    let mut values: Vec<Value> = vec![format_time(range.from).into(), format_time(range.to).into()];
    if let Some(host) = &range.host {
        sql.push_str(" AND host = ?");
        values.push(host.as_str().into());
    }
    sql.push_str(" ORDER BY timestamp DESC, oom_kill.id DESC LIMIT ?");
    values.push(super::limit(limit).into());
    let rows: Vec<Row> = connection.exec(sql, values).await?;
    Ok(rows.iter().filter_map(kill).collect())
}

/// Reads an OOM kill. Returns `None` if a column has a value that memtap does not write.
fn kill(row: &Row) -> Option<(u64, StoredOomKill)> {
    let kill = StoredOomKill {
        host: row.get::<String, _>(1)?.into(),
        time: time(row.get(2)?),
        victim: Tgid(row.get(3)?),
        victim_name: row.get(4)?,
        command: row.get::<Option<String>, _>(5)?.unwrap_or_default(),
        container: row.get(6)?,
        virtual_bytes: row.get(7)?,
        resident: Resident {
            anonymous_bytes: row.get(8)?,
            file_bytes: row.get(9)?,
            shmem_bytes: row.get(10)?,
            swap_bytes: row.get(11)?,
        },
        asker: Tgid(row.get(12)?),
        asker_name: row.get(13)?,
        before: Vec::new(),
    };
    Some((row.get(0)?, kill))
}

pub(super) async fn readings(connection: &mut impl Queryable, kill: u64) -> Done<Vec<OomReading>> {
    let sql = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), available_bytes, pid, name, virtual_bytes, resident_bytes \
        FROM oom_before WHERE oom_id = ? ORDER BY timestamp, resident_bytes DESC, pid";
    let rows: Vec<(i64, u64, u32, String, u64, u64)> = connection.exec(sql, (kill,)).await?;
    let reading = |(microseconds, available_bytes, pid, name, virtual_bytes, resident_bytes)| OomReading {
        time: time(microseconds),
        available_bytes,
        pid: Tgid(pid),
        name,
        virtual_bytes,
        resident_bytes,
    };
    Ok(rows.into_iter().map(reading).collect())
}
