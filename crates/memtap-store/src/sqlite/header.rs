//! Recognizes a memtap history by the first bytes of the file, without SQLite.

use super::schema::APPLICATION;

/// First bytes of a database file (<https://www.sqlite.org/fileformat.html>).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Offset of the schema cookie, which counts schema changes. 0: no table was written to the file.
const SCHEMA_COOKIE: usize = 40;
const APPLICATION_ID: usize = 68;

/// Number of bytes that [`is_history`] needs.
pub const HEADER_BYTES: usize = 100;

/// Returns whether a database file that begins with `header` belongs to memtap or has no tables
/// yet. The tables of a new history may be in its log only.
#[must_use]
pub fn is_history(header: &[u8]) -> bool {
    let number = |at: usize| {
        let bytes: Option<[u8; 4]> = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes).map(i64::from)
    };
    header.starts_with(MAGIC)
        && match number(APPLICATION_ID) {
            Some(APPLICATION) => true,
            Some(0) => number(SCHEMA_COOKIE) == Some(0),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::sqlite::schema;

    /// Returns the file's content while the database is open, and after it is closed.
    fn headers(prepare: impl FnOnce(&mut Connection, &std::path::Path)) -> [Vec<u8>; 2] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut connection = Connection::open(&path).unwrap();
        prepare(&mut connection, &path);
        let open = std::fs::read(&path).unwrap();
        drop(connection);
        [open, std::fs::read(&path).unwrap()]
    }

    #[test]
    fn a_history_is_recognised_from_its_beginning_to_its_end() {
        for header in headers(|connection, path| schema::prepare(connection, path).unwrap()) {
            assert!(is_history(&header), "{:?}", &header[..header.len().min(HEADER_BYTES)]);
        }
    }

    #[test]
    fn other_files_are_rejected() {
        let others = headers(|connection, _| connection.execute_batch("CREATE TABLE a (b)").unwrap());
        for header in others.iter().map(Vec::as_slice).chain([&b""[..], b"SQLite", b"#!/bin/sh\n", MAGIC]) {
            assert!(!is_history(header), "{header:?}");
        }
    }
}
