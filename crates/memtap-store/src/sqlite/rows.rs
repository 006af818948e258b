//! Inserts requests, several per statement: executing a statement costs about as much as inserting
//! a row.

use crate::sqlite::error::Done;
use memtap_ledger::BookedRequest;
use rusqlite::{CachedStatement, Transaction};

/// Rows per statement.
const ROWS_PER_INSERT: usize = 64;
/// Number of columns without the id.
const COLUMNS: usize = 7;

/// Requests of one transaction. Only the first gets an explicit id; SQLite assigns the following
/// ones in order. With explicit ids, a multi-row statement would need a statement journal, which
/// costs more than it saves.
pub(super) struct Rows<'t> {
    first_id: Option<i64>,
    first: CachedStatement<'t>,
    one: CachedStatement<'t>,
    many: CachedStatement<'t>,
    waiting: Vec<[i64; COLUMNS]>,
}

impl<'t> Rows<'t> {
    /// Starts with the id `first_id`, which must be larger than all existing ids.
    pub(super) fn from(first_id: i64, transaction: &'t Transaction<'_>) -> Done<Self> {
        let insert = |columns: &str, values: &str| {
            let columns =
                format!("{columns}time_ns, who_id, what_id, size, address, delta_bytes, virtual_bytes");
            transaction.prepare_cached(&format!("INSERT OR FAIL INTO request ({columns}) VALUES {values}"))
        };
        let row = "(?, ?, ?, ?, ?, ?, ?)";
        Ok(Self {
            first_id: Some(first_id),
            first: insert("id, ", "(?8, ?1, ?2, ?3, ?4, ?5, ?6, ?7)")?,
            one: insert("", row)?,
            many: insert("", &vec![row; ROWS_PER_INSERT].join(", "))?,
            waiting: Vec::with_capacity(ROWS_PER_INSERT),
        })
    }

    pub(super) fn push(&mut self, [who, what]: [i64; 2], booked: &BookedRequest) -> Done<()> {
        let request = &booked.request;
        let row = [
            request.time.0,
            who,
            what,
            request.requested_bytes.cast_signed(),
            booked.address().cast_signed(),
            request.delta_bytes,
            request.virtual_bytes.cast_signed(),
        ];
        if let Some(id) = self.first_id.take() {
            self.first.raw_bind_parameter(COLUMNS + 1, id)?;
            return insert(&mut self.first, &[row]);
        }
        self.waiting.push(row);
        if self.waiting.len() == ROWS_PER_INSERT {
            insert(&mut self.many, &self.waiting)?;
            self.waiting.clear();
        }
        Ok(())
    }

    /// Inserts the remaining rows.
    pub(super) fn finish(mut self) -> Done<()> {
        self.waiting.iter().try_for_each(|row| insert(&mut self.one, std::slice::from_ref(row)))
    }
}

fn insert(statement: &mut CachedStatement<'_>, rows: &[[i64; COLUMNS]]) -> Done<()> {
    for (value, place) in rows.as_flattened().iter().zip(1..) {
        statement.raw_bind_parameter(place, value)?;
    }
    statement.raw_execute()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use memtap_model::{MemoryRequest, ProcessId, ScriptReader};
    use rusqlite::Connection;

    use super::super::schema;
    use super::*;

    #[test]
    fn ids_follow_the_first_whatever_the_number_of_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare(&mut connection, Path::new("memory")).unwrap();
        let mut first_id = 1;
        for count in
            [0, 1, 2, ROWS_PER_INSERT, ROWS_PER_INSERT + 1, 3 * ROWS_PER_INSERT, 3 * ROWS_PER_INSERT + 5]
        {
            // Ids of deleted rows are not used again.
            first_id += 1000;
            let transaction = connection.transaction().unwrap();
            let mut rows = Rows::from(first_id, &transaction).unwrap();
            for n in 0..count {
                let line = format!("mmap,7,perl,{n},Sat Jun  1 09:05:03 2024");
                let request = MemoryRequest::from(&ScriptReader::default().read(line.as_bytes()).unwrap());
                let booked = BookedRequest { process: ProcessId::default(), request, lost_before: 0 };
                rows.push([3, 4], &booked).unwrap();
            }
            rows.finish().unwrap();
            transaction.commit().unwrap();
            let sql = "SELECT count(*), coalesce(sum(size = id - ?1 AND who_id = 3 AND what_id = 4), 0) FROM request WHERE id >= ?1";
            let counts: [i64; 2] =
                connection.query_row(sql, [first_id], |row| Ok([row.get(0)?, row.get(1)?])).unwrap();
            assert_eq!(counts, [count as i64; 2]);
        }
    }
}
