//! Lines printed by the original system's SystemTap script, `call,pid,execname,length,ctime`, and
//! their older forms.
//!
//! Processes choose their names, which may contain any byte but NUL and newline, including
//! separators. The columns before the name are therefore read from the left and those after it from
//! the right. The name is everything in between.

use std::fmt;
use std::str::FromStr;

use crate::{Call, Comm, MemoryRequest, Outcome, Tgid, Tid, WallClock};

/// One parsed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLine {
    /// The system call.
    pub call: Call,
    /// The process.
    pub pid: u32,
    /// Its name.
    pub name: Comm,
    /// Requested length, bytes.
    pub length: u64,
    /// Time of the call.
    pub time: WallClock,
}

/// Builds a request of which only the line's columns are known. The script prints no outcome, so
/// the request counts as granted.
impl From<&ScriptLine> for MemoryRequest {
    fn from(line: &ScriptLine) -> Self {
        Self {
            time: line.time,
            tgid: Tgid(line.pid),
            tid: Tid(line.pid),
            name: line.name,
            call: line.call,
            whole: false,
            arguments: [0, line.length, 0, 0, 0],
            outcome: Outcome::Granted(0),
            requested_bytes: line.length,
            delta_bytes: 0,
            virtual_bytes: 0,
            file: None,
            lost: 0,
        }
    }
}

/// Reason why a line cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// Fewer columns than the layout has.
    TooFewColumns,
    /// The call is not in the call table.
    Call,
    /// The pid is not a number.
    Pid,
    /// The length is not a number.
    Length,
    /// The time has no known form, or does not exist.
    Time,
    /// The line contains a NUL byte, which the script never prints.
    Nul,
    /// The line is longer than any line of the script can be.
    TooLong,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFewColumns => "too few columns",
            Self::Call => "unknown call",
            Self::Pid => "the pid is not a number",
            Self::Length => "the length is not a number",
            Self::Time => "the time is invalid",
            Self::Nul => "it contains a NUL byte",
            Self::TooLong => "too long",
        })
    }
}

/// Content of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Call,
    Pid,
    Name,
    Length,
    Time,
}

/// Separator between two columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Byte(u8),
    /// Any number of blanks and tabs.
    Blanks,
}

/// Order of a line's columns, and the separator between them: `call,pid,name,length,time`, or the
/// same words in another order, also with tabs or blanks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    separator: Separator,
    columns: [Column; 5],
}

impl Default for Layout {
    fn default() -> Self {
        use Column::{Call, Length, Name, Pid, Time};
        Self { separator: Separator::Byte(b','), columns: [Call, Pid, Name, Length, Time] }
    }
}

impl FromStr for Layout {
    type Err = String;

    /// Parses a layout, which is written like its lines: the five words with the separator between
    /// them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.replace("\\t", "\t");
        let separator = match text.chars().find(|c| !c.is_ascii_alphabetic()) {
            Some(' ') => Separator::Blanks,
            Some(c @ (',' | ';' | '|' | '\t')) => Separator::Byte(c as u8),
            _ => {
                return Err("expected the five columns with a separator, such as call,pid,name,length,time"
                    .to_owned());
            }
        };
        let words: Vec<&str> = match separator {
            Separator::Blanks => text.split_whitespace().collect(),
            Separator::Byte(byte) => text.split(char::from(byte)).map(str::trim).collect(),
        };
        let column = |word: &str| match word {
            "call" => Ok(Column::Call),
            "pid" => Ok(Column::Pid),
            "name" => Ok(Column::Name),
            "length" => Ok(Column::Length),
            "time" => Ok(Column::Time),
            other => Err(format!("unknown column '{other}'; expected call, pid, name, length or time")),
        };
        let columns = words.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let columns: [Column; 5] =
            columns.try_into().map_err(|_| "expected five columns: call, pid, name, length and time")?;
        match columns.iter().enumerate().find(|(index, column)| columns[..*index].contains(column)) {
            Some(_) => Err("each column may be named only once".to_owned()),
            None => Ok(Self { separator, columns }),
        }
    }
}

/// Parser for lines of one layout. It caches the last time, because most lines have the same time
/// as the line before.
#[derive(Debug, Clone, Default)]
pub struct ScriptReader {
    layout: Layout,
    /// Seconds by which the script's clock was ahead of UTC.
    offset: i64,
    last: Option<([u8; 24], WallClock)>,
}

impl ScriptReader {
    /// Creates a parser for lines from a clock that was `offset` seconds ahead of UTC.
    #[must_use]
    pub fn new(layout: Layout, offset: i64) -> Self {
        Self { layout, offset, last: None }
    }

    /// Parses one line, which is passed without its newline.
    ///
    /// # Errors
    /// Fails if the line is damaged.
    pub fn read(&mut self, line: &[u8]) -> Result<ScriptLine, LineError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&0) {
            return Err(LineError::Nul);
        }
        let columns = self.layout.columns;
        let name_at = columns.iter().position(|column| *column == Column::Name).unwrap_or(0);
        let mut values = [&b""[..]; 5];
        let mut remaining = line;
        for index in 0..name_at {
            (values[index], remaining) =
                self.split_first(columns[index], remaining).ok_or(LineError::TooFewColumns)?;
        }
        for index in (name_at + 1..columns.len()).rev() {
            (remaining, values[index]) =
                self.split_last(columns[index], remaining).ok_or(LineError::TooFewColumns)?;
        }
        values[name_at] = remaining;
        let value = |column: Column| values[columns.iter().position(|one| *one == column).unwrap_or(0)];
        Ok(ScriptLine {
            call: std::str::from_utf8(value(Column::Call))
                .ok()
                .and_then(Call::from_name)
                .ok_or(LineError::Call)?,
            pid: number(value(Column::Pid)).and_then(|pid| u32::try_from(pid).ok()).ok_or(LineError::Pid)?,
            name: Comm::new(value(Column::Name)),
            length: number(value(Column::Length)).ok_or(LineError::Length)?,
            time: self.time(value(Column::Time)).ok_or(LineError::Time)?,
        })
    }

    /// Splits off the first column. Returns it and the text after its separator.
    fn split_first<'a>(&self, column: Column, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        match self.layout.separator {
            Separator::Byte(byte) => {
                let at = text.iter().position(|candidate| *candidate == byte)?;
                Some((&text[..at], &text[at + 1..]))
            }
            Separator::Blanks => {
                let text = text.trim_ascii_start();
                let mut end = 0;
                for _ in 0..words_from_left(column, text) {
                    end += text[end..].iter().position(|byte| !is_blank(*byte))?;
                    end += text[end..].iter().position(|byte| is_blank(*byte))?;
                }
                let next = text[end..].iter().position(|byte| !is_blank(*byte))?;
                Some((&text[..end], &text[end + next..]))
            }
        }
    }

    /// Splits off the last column. Returns the text before its separator, and the column.
    fn split_last<'a>(&self, column: Column, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        match self.layout.separator {
            Separator::Byte(byte) => {
                let at = text.iter().rposition(|candidate| *candidate == byte)?;
                Some((&text[..at], &text[at + 1..]))
            }
            Separator::Blanks => {
                let text = text.trim_ascii_end();
                let mut begin = text.len();
                for _ in 0..words_from_right(column, text) {
                    begin = text[..begin].iter().rposition(|byte| !is_blank(*byte))? + 1;
                    begin = text[..begin].iter().rposition(|byte| is_blank(*byte))? + 1;
                }
                let before = text[..begin].iter().rposition(|byte| !is_blank(*byte))? + 1;
                Some((&text[..before], &text[begin..]))
            }
        }
    }

    fn time(&mut self, text: &[u8]) -> Option<WallClock> {
        if let Some((last, time)) = self.last
            && text == last
        {
            return Some(time);
        }
        let seconds = parse_seconds(text)?.checked_sub(self.offset)?;
        let time = WallClock(seconds.checked_mul(1_000_000_000)?);
        if let Ok(text) = text.try_into() {
            self.last = Some((text, time));
        }
        Some(time)
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Number of words of the first column. A ctime begins with a letter, and a date contains a dash.
fn words_from_left(column: Column, text: &[u8]) -> usize {
    let word = text.split(|byte| is_blank(*byte)).next().unwrap_or_default();
    match column {
        Column::Time if word.first().is_some_and(u8::is_ascii_alphabetic) => 5,
        Column::Time if word.contains(&b'-') && !word.contains(&b'T') => 2,
        _ => 1,
    }
}

/// Number of words of the last column. A ctime ends with the year after the time of day, and a date
/// ends with the time of day.
fn words_from_right(column: Column, text: &[u8]) -> usize {
    let mut words = text.rsplit(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    let (last, before) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match column {
        Column::Time if last.contains(&b':') && !last.contains(&b'T') => 2,
        Column::Time if last.len() == 4 && before.contains(&b':') => 5,
        _ => 1,
    }
}

/// Parses a number that consists of digits only.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// Parses a ctime (`Sat Jun  1 09:05:03 2024`), a date and time (`2024-06-01 09:05:03`, also with a
/// T), or seconds since 1970. Returns seconds since 1970.
fn parse_seconds(text: &[u8]) -> Option<i64> {
    let mut words = text
        .split(|byte| is_blank(*byte) || *byte == b'T' && text.contains(&b'-'))
        .filter(|word| !word.is_empty());
    let first = words.next()?;
    let (date, clock) = if DAYS.contains(&first) {
        let month = words.next()?;
        let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
        let (day, clock) = (number(words.next()?)?, words.next()?);
        ([number(words.next()?)?, month, day], clock)
    } else if first.contains(&b'-') {
        (parse_three(first, b'-')?, words.next()?)
    } else {
        let seconds = number(first)?;
        return words.next().is_none().then(|| i64::try_from(seconds).ok())?;
    };
    if words.next().is_some() {
        return None;
    }
    let [hour, minute, second] = parse_three(clock, b':')?;
    let days = days_since_1970(date)?;
    // A leap second counts as the first second of the next minute.
    let fits = hour < 24 && minute < 60 && second <= 60;
    fits.then(|| days * 86_400 + (hour * 3600 + minute * 60 + second).cast_signed())
}

fn parse_three(text: &[u8], separator: u8) -> Option<[u64; 3]> {
    let mut parts = text.split(|byte| *byte == separator).map(number);
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// Returns `None` for a date that does not exist in the Gregorian calendar.
fn days_since_1970([year, month, day]: [u64; 3]) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month.checked_sub(1)?).ok()?;
    if !(1..=*lengths.get(index)?).contains(&day) || !(1900..=9999).contains(&year) {
        return None;
    }
    let before: u64 = lengths[..index].iter().sum();
    let years = year.cast_signed() - 1970;
    let leaps = |year: u64| (year / 4 - year / 100 + year / 400).cast_signed();
    Some(years * 365 + leaps(year - 1) - leaps(1969) + (before + day).cast_signed() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &[u8]) -> Result<ScriptLine, LineError> {
        ScriptReader::default().read(line)
    }

    fn seconds(text: &str) -> Option<i64> {
        parse_seconds(text.as_bytes())
    }

    #[test]
    fn the_originals_lines() {
        let line = read(b"mmap,4211,Web Content,1048576,Sat Jun  1 09:05:03 2024").unwrap();
        assert_eq!((line.call, line.pid, line.length), (Call::Mmap, 4211, 1 << 20));
        assert_eq!((line.name.bytes(), line.time.0), (&b"Web Content"[..], 1_717_232_703_000_000_000));
        let line = read(b"munmap,1,a,b \"c\" %s,4096,Sat Jun 01 09:05:03 2024\r").unwrap();
        assert_eq!((line.call, line.name.bytes()), (Call::Munmap, &b"a,b \"c\" %s"[..]));
        let shifted = ScriptReader::new(Layout::default(), -21_600)
            .read(b"mmap,1,x,1,Sat Jun  1 03:05:03 2024")
            .unwrap();
        assert_eq!(shifted.time.0, 1_717_232_703_000_000_000);
    }

    #[test]
    fn damaged_lines_say_why() {
        for (line, why) in [
            (&b""[..], LineError::TooFewColumns),
            (b"mmap,1,x,4096", LineError::TooFewColumns),
            (b"mmap 1 x 4096 Sat Jun  1 09:05:03 2024", LineError::TooFewColumns),
            (b"open,1,x,4096,Sat Jun  1 09:05:03 2024", LineError::Call),
            (b"mmap,-1,x,4096,Sat Jun  1 09:05:03 2024", LineError::Pid),
            (b"mmap,4294967296,x,4096,Sat Jun  1 09:05:03 2024", LineError::Pid),
            (b"mmap,1,x,4096.5,Sat Jun  1 09:05:03 2024", LineError::Length),
            (b"mmap,1,x,99999999999999999999,Sat Jun  1 09:05:03 2024", LineError::Length),
            (b"mmap,1,x,4096,Sat Jun 31 09:05:03 2024", LineError::Time),
            (b"mmap,1,x,4096,Sat Jun  1 24:05:03 2024", LineError::Time),
            (b"mmap,1,x,4096,S\xe1b Jun  1 09:05:03 2024", LineError::Time),
            (b"mmap,1,x\0y,4096,Sat Jun  1 09:05:03 2024", LineError::Nul),
            (b"mm\0ap,1,x,4096,Sat Jun  1 09:05:03 2024", LineError::Nul),
            (b"mmap,1,x,4096,Sat Jun  1 09:05:03 2024\0", LineError::Nul),
            (b"\0\0\0\0", LineError::Nul),
            // The text has the length of a cached time, but no time has been read yet.
            (b"mmap,1,x,4096,\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", LineError::Nul),
        ] {
            assert_eq!(read(line), Err(why), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("Thu Jan  1 00:00:00 1970"), Some(0));
        assert_eq!(seconds("1970-01-01T00:00:01"), Some(1));
        assert_eq!(seconds("2024-02-29 12:00:00"), Some(1_709_208_000));
        assert_eq!(seconds("Wed Dec 31 23:59:59 1969"), Some(-1));
        assert_eq!(seconds("Fri Dec 31 23:59:60 1999"), seconds("Sat Jan  1 00:00:00 2000"));
        assert_eq!(seconds("1717232703"), Some(1_717_232_703));
        for none in [
            "2023-02-29 12:00:00",
            "2024-13-01 12:00:00",
            "2024-06-01",
            "2024-06-01 12:00",
            "12:00:00",
            "Sat Jun  1 09:05:03",
            "Sat Jun  1 09:05:03 2024 x",
            "",
            "now",
        ] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }

    #[test]
    fn other_layouts() {
        for (layout, line) in [
            ("pid\tname\tcall\tlength\ttime", &b"7\ta\tb c\tmmap\t4096\tSat Jun  1 09:05:03 2024"[..]),
            ("pid\\tname\\tcall\\tlength\\ttime", b"7\ta\tb c\tmmap\t4096\t2024-06-01 09:05:03"),
            ("time pid name call length", b"Sat Jun  1 09:05:03 2024   7 a\tb c  mmap 4096 "),
            ("time pid name call length", b"2024-06-01 09:05:03 7 a\tb c mmap 4096"),
            ("call pid name length time", b" mmap 7 a\tb c 4096 Sat Jun  1 09:05:03 2024"),
            ("call pid name length time", b"mmap 7 a\tb c 4096 2024-06-01 09:05:03"),
            ("call pid name length time", b"mmap 7 a\tb c 4096 2024-06-01T09:05:03"),
            ("call pid name length time", b"mmap 7 a\tb c 4096 1717232703"),
            ("name;pid;call;length;time", b"a\tb c;7;mmap;4096;1717232703"),
        ] {
            let actual = ScriptReader::new(layout.parse().unwrap(), 0).read(line);
            let expected = ScriptLine {
                call: Call::Mmap,
                pid: 7,
                name: Comm::new(b"a\tb c"),
                length: 4096,
                time: WallClock(1_717_232_703_000_000_000),
            };
            assert_eq!(actual, Ok(expected), "{layout}: {}", String::from_utf8_lossy(line));
        }
        for wrong in
            ["", "call", "call,pid,name,length", "call,pid,name,length,when", "call,call,name,length,time"]
        {
            assert!(wrong.parse::<Layout>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_parsed(name in prop::collection::vec(any::<u8>().prop_filter("no NUL", |byte| !matches!(byte, 0 | b'\n')), 0..16), pid: u32, length: u64) {
            let mut line = format!("mmap,{pid},").into_bytes();
            line.extend(&name);
            line.extend(format!(",{length},Sat Jun  1 09:05:03 2024").into_bytes());
            let parsed = read(&line).unwrap();
            prop_assert_eq!(parsed.name, Comm::new(&name));
            prop_assert_eq!((parsed.pid, parsed.length), (pid, length));
        }

        #[test]
        fn no_line_causes_a_panic(line: Vec<u8>, layout in prop::sample::select(vec!["call,pid,name,length,time", "time pid name call length", "name length pid call time"])) {
            let _ = ScriptReader::new(layout.parse().unwrap(), 0).read(&line);
        }
    }
}
