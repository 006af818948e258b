//! Formats a request as a row of `memory_usage`, for LOAD DATA and for INSERT.

use std::fmt::Write as _;

use memtap_ledger::BookedRequest;
use memtap_model::{Comm, Outcome, WallClock};

/// Columns in the order of [`fields`].
pub(super) const COLUMNS: [&str; 18] = [
    "host",
    "pid",
    "process_name",
    "my_call",
    "memory_size",
    "timestamp",
    "process_id",
    "tid",
    "address",
    "delta_bytes",
    "errno",
    "virtual_bytes",
    "protection",
    "flags",
    "file",
    "lost_before",
    "requested_bytes",
    "name_bytes",
];

/// Value of a column. Text and bytes are not trusted.
enum Field<'a> {
    Null,
    Signed(i64),
    Unsigned(u64),
    /// A number in a column whose default is 0.
    Count(u32),
    Text(&'a str),
    Time(WallClock),
    Bytes(&'a [u8]),
}

impl Field<'_> {
    fn optional(number: Option<u64>) -> Self {
        number.map_or(Self::Null, Self::Unsigned)
    }
}

/// Formats rows. Caches the text of the last second and of the last name.
pub(super) struct Rows<'a> {
    host: &'a str,
    clock: Clock,
    name: (Comm, String),
    /// For each of [`COLUMNS`], whether lines contain it.
    has: [bool; COLUMNS.len()],
}

impl<'a> Rows<'a> {
    pub(super) fn new(host: &'a str) -> Self {
        Self {
            host,
            clock: Clock::default(),
            name: (Comm::default(), String::new()),
            has: [true; COLUMNS.len()],
        }
    }

    /// Selects the columns for lines of these requests: columns in which all values are the default
    /// are omitted, since the server parses each. Returns the selected columns.
    pub(super) fn select_columns(&mut self, requests: &[(&BookedRequest, u64)]) -> Vec<&'static str> {
        let mut has = [false; COLUMNS.len()];
        for (booked, process) in requests {
            let mut has = has.iter_mut();
            fields(self.host, &mut self.name, booked, *process, |field| {
                if let Some(has) = has.next() {
                    *has |= !matches!(field, Field::Null | Field::Count(0));
                }
            });
        }
        self.has = has;
        COLUMNS.into_iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| name).collect()
    }

    /// Appends a line for LOAD DATA: columns separated by tabs, `\N` for NULL, name bytes in
    /// hexadecimal.
    pub(super) fn line(&mut self, booked: &BookedRequest, process: u64, out: &mut String) {
        let (mut first, clock, mut has) = (true, &mut self.clock, self.has.iter());
        fields(self.host, &mut self.name, booked, process, |field| {
            if has.next() == Some(&false) {
                return;
            }
            if !std::mem::take(&mut first) {
                out.push('\t');
            }
            match field {
                Field::Null => out.push_str("\\N"),
                Field::Signed(number) => write_number(out, number),
                Field::Unsigned(number) => write_number(out, number),
                Field::Count(number) => write_number(out, number),
                Field::Time(time) => clock.write(time, out),
                Field::Text(text) => write_escaped(text, out),
                Field::Bytes(bytes) => write_hex(bytes, out),
            }
        });
        out.push('\n');
    }

    /// Appends the values for INSERT, in parentheses. Text is written in hexadecimal, so it cannot
    /// end the literal.
    pub(super) fn values(&mut self, booked: &BookedRequest, process: u64, out: &mut String) {
        let (mut first, clock) = (true, &mut self.clock);
        out.push('(');
        fields(self.host, &mut self.name, booked, process, |field| {
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            match field {
                Field::Null => out.push_str("NULL"),
                Field::Signed(number) => write_number(out, number),
                Field::Unsigned(number) => write_number(out, number),
                Field::Count(number) => write_number(out, number),
                Field::Time(time) => {
                    out.push('\'');
                    clock.write(time, out);
                    out.push('\'');
                }
                Field::Text(text) => {
                    out.push_str("_utf8mb4 X'");
                    write_hex(text.as_bytes(), out);
                    out.push('\'');
                }
                Field::Bytes(bytes) => {
                    out.push_str("X'");
                    write_hex(bytes, out);
                    out.push('\'');
                }
            }
        });
        out.push(')');
    }
}

fn fields(
    host: &str,
    name: &mut (Comm, String),
    booked: &BookedRequest,
    process: u64,
    mut visit: impl FnMut(Field<'_>),
) {
    let request = &booked.request;
    if name.0 != request.name {
        *name = (request.name, request.name.to_text());
    }
    let (_, text) = name;
    let errno = match request.outcome {
        Outcome::Refused(errno) => Some(u64::from(errno.0)),
        Outcome::Granted(_) => None,
    };
    let (protection, flags) = request.words();
    let size = i64::try_from(request.requested_bytes);
    visit(Field::Text(host));
    visit(Field::Unsigned(request.tgid.0.into()));
    visit(Field::Text(text));
    visit(Field::Text(request.call.name()));
    visit(Field::Signed(size.unwrap_or(i64::MAX)));
    visit(Field::Time(request.time));
    visit(Field::Unsigned(process));
    visit(Field::Unsigned(request.tid.0.into()));
    visit(Field::Unsigned(booked.address()));
    visit(Field::Signed(request.delta_bytes));
    visit(Field::optional(errno));
    visit(Field::Unsigned(request.virtual_bytes));
    visit(Field::optional(protection));
    visit(Field::optional(flags));
    visit(request.file.as_deref().map_or(Field::Null, Field::Text));
    visit(Field::Count(booked.lost_before));
    visit(if size.is_err() { Field::Unsigned(request.requested_bytes) } else { Field::Null });
    visit(if text.as_bytes() == request.name.bytes() {
        Field::Null
    } else {
        Field::Bytes(request.name.bytes())
    });
}

fn write_number(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}

fn write_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Escapes text for LOAD DATA.
fn write_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
}

/// Formats times as `2026-01-01 00:00:00.000000` in UTC. Caches the text of the last second.
#[derive(Default)]
pub(super) struct Clock {
    second: i64,
    text: String,
}

impl Clock {
    pub(super) fn write(&mut self, time: WallClock, out: &mut String) {
        // Clamped to 1900, so that a DATETIME holds it. Only hostile times are earlier.
        let microseconds = time.0.div_euclid(1000).max(-2_208_988_800_000_000);
        let second = microseconds.div_euclid(1_000_000);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = jiff::Timestamp::from_second(second)
                .unwrap_or_default()
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string();
        }
        let _ = write!(out, "{}.{:06}", self.text, microseconds.rem_euclid(1_000_000));
    }
}

/// Formats a time for SQL.
pub(super) fn format_time(time: WallClock) -> String {
    let mut text = String::new();
    Clock::default().write(time, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use memtap_ledger::BookedRequest;
    use memtap_model::{MemoryRequest, ProcessId, ScriptReader};

    use super::*;

    fn booked(line: &[u8], lost_before: u32) -> BookedRequest {
        let request = MemoryRequest::from(&ScriptReader::default().read(line).unwrap());
        BookedRequest { process: ProcessId::default(), request, lost_before }
    }

    #[test]
    fn lines_have_the_columns_that_some_request_has_something_in() {
        let plain = booked(b"mmap,7,a b,4096,Sat Jun  1 09:05:03 2024", 0);
        let odd = booked(b"mmap,7,\xff,18446744073709551615,Sat Jun  1 09:05:03 2024", 3);
        let mut rows = Rows::new("vm");
        let columns = rows.select_columns(&[(&plain, 1)]);
        assert_eq!((columns.first(), columns.last()), (Some(&"host"), Some(&"virtual_bytes")));
        let mut line = String::new();
        rows.line(&plain, 1, &mut line);
        assert_eq!(line, "vm\t7\ta b\tmmap\t4096\t2024-06-01 09:05:03.000000\t1\t7\t0\t0\t0\n");
        let columns = rows.select_columns(&[(&plain, 1), (&odd, 1)]);
        assert_eq!(columns[columns.len() - 3..], ["lost_before", "requested_bytes", "name_bytes"]);
        line.clear();
        rows.line(&plain, 1, &mut line);
        assert_eq!(line.matches('\t').count() + 1, columns.len());
        assert!(line.ends_with("\t0\t\\N\t\\N\n"), "{line}");
    }
}
