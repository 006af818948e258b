//! Reads requests: pages, sizes, refused requests, and requests of imports as samples.

use memtap_history::rows::{Names, RefusedRow, SampleRow, SizedRow, Take};
use memtap_history::{Range, RequestQuery, StoreError, StoredRequest, UsagePoint};
use memtap_model::{Call, Comm, Errno, Tgid, Tid};
use mysql_async::Row;
use mysql_async::prelude::{FromValue, Queryable};

use super::filter::Filter;
use super::{Done, limit, time};
use crate::mysql::rows::format_time;

/// In rows of the original system, values may be NULL, and a time or a pid may be invalid.
const COLUMNS: &str = "SELECT id, COALESCE(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), 0), \
    CAST(LEAST(GREATEST(COALESCE(pid, 0), 0), 4294967295) AS UNSIGNED), tid, COALESCE(process_name, ''), name_bytes, my_call, \
    COALESCE(memory_size, 0), requested_bytes, address, delta_bytes, errno, virtual_bytes, protection, flags, file, lost_before, host \
    FROM memory_usage WHERE true";

/// Columns that [`sized_row`] reads. In rows of the original system they may be NULL.
const SIZED: &str = "my_call, COALESCE(memory_size, 0), requested_bytes, COALESCE(errno, 0), \
    COALESCE(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', timestamp), 0)";

/// Reads a page of requests. The outer result is an error of the query, the inner one an error of
/// the server. A row is `None` if it has a value that memtap does not write.
pub(super) async fn requests(
    connection: &mut impl Queryable,
    query: &RequestQuery,
) -> Result<Done<Option<Vec<(u64, StoredRequest)>>>, StoreError> {
    let (sql, values) = Filter::new(query, COLUMNS)?.newest_first(limit(query.limit));
    let rows: Done<Vec<Row>> = connection.exec(sql, values).await;
    Ok(rows.map(|rows| rows.into_iter().map(stored).collect()))
}

fn stored(mut row: Row) -> Option<(u64, StoredRequest)> {
    fn get<T: FromValue>(row: &mut Row, index: usize) -> Option<T> {
        row.take_opt(index)?.ok()
    }
    let name: Vec<u8> = match get::<Option<Vec<u8>>>(&mut row, 5)? {
        Some(bytes) => bytes,
        None => get(&mut row, 4)?,
    };
    let pid: u32 = get(&mut row, 2)?;
    let size: i64 = get(&mut row, 7)?;
    let exact_size: Option<u64> = get(&mut row, 8)?;
    let request = StoredRequest {
        host: get::<String>(&mut row, 17)?.into(),
        time: time(get(&mut row, 1)?),
        pid: Tgid(pid),
        tid: Tid(get::<Option<u32>>(&mut row, 3)?.unwrap_or(pid)),
        name: Comm::new(&name),
        call: Call::from_name(&get::<String>(&mut row, 6)?)?,
        protection: get(&mut row, 13)?,
        flags: get(&mut row, 14)?,
        file: get::<Option<String>>(&mut row, 15)?.map(Into::into),
        requested_bytes: exact_size.unwrap_or(size.max(0).cast_unsigned()),
        address: get::<Option<u64>>(&mut row, 9)?.unwrap_or(0),
        delta_bytes: get::<Option<i64>>(&mut row, 10)?.unwrap_or(0),
        errno: get::<Option<u16>>(&mut row, 11)?.map(Errno),
        virtual_bytes: get::<Option<u64>>(&mut row, 12)?.unwrap_or(0),
        lost_before: get(&mut row, 16)?,
    };
    Some((get(&mut row, 0)?, request))
}

pub(super) async fn sized(
    connection: &mut impl Queryable,
    query: &RequestQuery,
    names: Names,
    take: Take<'_, SizedRow>,
) -> Result<Done<()>, StoreError> {
    // A row without a thread id counts as one of the first thread.
    let name = match names {
        Names::Omitted => "",
        Names::OfProcess => ", COALESCE(tid = pid, true), process_name, name_bytes",
    };
    let filter = Filter::new(query, &format!("SELECT {SIZED}{name} FROM memory_usage WHERE true"))?;
    let (sql, values) = filter.newest_first(limit(query.limit));
    let each = |(), row: Row| {
        if let Some((sized, _)) = sized_row(&row) {
            let is_first_thread = names == Names::OfProcess && row.get(5) == Some(true);
            take(SizedRow { name: is_first_thread.then(|| thread_name(&row, 6)).flatten(), ..sized });
        }
    };
    Ok(connection.exec_fold(sql, values, (), each).await)
}

/// Reads the columns [`SIZED`] and the errno. The caller adds the name.
fn sized_row(row: &Row) -> Option<(SizedRow, Errno)> {
    let size: i64 = row.get(1)?;
    let exact_size: Option<u64> = row.get(2)?;
    let errno: u16 = row.get(3)?;
    let sized = SizedRow {
        call: Call::from_name(&row.get::<String, _>(0)?)?,
        size: exact_size.unwrap_or(size.max(0).cast_unsigned()),
        is_refused: errno != 0,
        time: time(row.get(4)?),
        name: None,
    };
    Some((sized, Errno(errno)))
}

/// Reads a thread name: from its bytes if the text is not exact, otherwise from the text.
fn thread_name(row: &Row, text: usize) -> Option<Comm> {
    let bytes: Vec<u8> = match row.get::<Option<Vec<u8>>, _>(text + 1)? {
        Some(bytes) => bytes,
        None => row.get::<Option<Vec<u8>>, _>(text)??,
    };
    Some(Comm::new(&bytes))
}

pub(super) async fn refused(
    connection: &mut impl Queryable,
    query: &RequestQuery,
    take: Take<'_, RefusedRow>,
) -> Result<Done<()>, StoreError> {
    let columns = format!(
        "SELECT {SIZED}, process_id, process_name, name_bytes FROM memory_usage WHERE process_id IS NOT NULL"
    );
    let Filter { sql, values } = Filter::new(query, &columns)?;
    let each = |(), row: Row| {
        if let Some(row) = refused_row(&row) {
            take(row);
        }
    };
    Ok(connection.exec_fold(format!("{sql} ORDER BY id DESC"), values, (), each).await)
}

fn refused_row(row: &Row) -> Option<RefusedRow> {
    let (SizedRow { call, size, time, .. }, errno) = sized_row(row)?;
    Some(RefusedRow { process: row.get(5)?, call, errno, size, time, name: thread_name(row, 6)? })
}

pub(super) async fn as_samples(
    connection: &mut impl Queryable,
    run: u64,
    range: &Range,
    take: Take<'_, SampleRow>,
) -> Done<()> {
    let sql = "SELECT process_id, TIMESTAMPDIFF(SECOND, '1970-01-01', timestamp), my_call, errno IS NOT NULL, memory_size, \
        memory_usage.requested_bytes, delta_bytes, memory_usage.virtual_bytes FROM memory_usage JOIN process ON process.id = process_id \
        WHERE run_id = ? AND timestamp >= ? AND timestamp < ?";
    let values = (run, format_time(range.from), format_time(range.to));
    type Request = (u64, i64, String, bool, i64, Option<u64>, Option<i64>, Option<u64>);
    let each = |(), row: Request| {
        let (process, at_s, call, is_refused, size, exact_size, delta, virtual_bytes) = row;
        let Some(call) = Call::from_name(&call) else { return };
        let size = exact_size.unwrap_or(size.max(0).cast_unsigned());
        let (delta, virtual_bytes) = (delta.unwrap_or(0), virtual_bytes.unwrap_or(0));
        let point = UsagePoint::from_request(call, is_refused, size, delta, virtual_bytes);
        take(SampleRow { process, at_s, point });
    };
    connection.exec_fold(sql, values, (), each).await
}
