//! Requests as lines for people: columns that fit the terminal, or all details in a pipe.

use std::io::{self, BufWriter, Write};

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use memtap_api::{Address, Request, Time};
use memtap_model::visible;
use memtap_report::{Lang, bytes, count};
use unicode_width::UnicodeWidthChar as _;

use super::loss::Cause;
use crate::rows::BUFFER;

/// Minimum width for all columns, except long arguments.
const WIDE: usize = 110;
/// Width of the name in narrow lines.
const SHORT_NAME: usize = 12;

const HEADING: Style = Style::new().bold();
const REFUSED: Style = AnsiColor::Red.on_default();
const LOST: Style = AnsiColor::Yellow.on_default();

/// Style of the output.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// Width of the terminal; `None` without a terminal.
    pub(super) width: Option<usize>,
    pub(super) colours: bool,
    pub(super) zone: TimeZone,
}

pub(super) struct Text<W: Write> {
    output: BufWriter<W>,
    look: Look,
}

impl<W: Write> Text<W> {
    pub(super) fn new(output: W, look: Look) -> io::Result<Self> {
        let mut text = Self { output: BufWriter::with_capacity(BUFFER, output), look };
        let heading = text.look.heading();
        text.line(&heading, HEADING)?;
        text.output.flush()?;
        Ok(text)
    }

    pub(super) fn request(&mut self, request: &Request) -> io::Result<()> {
        let line = self.look.line(request);
        self.line(&line, if request.errno.is_some() { REFUSED } else { Style::new() })
    }

    pub(super) fn lost(&mut self, cause: Cause, lost: u64) -> io::Result<()> {
        self.line(&format!("{} requests lost here: {}", count(lost, Lang::En), cause.words()), LOST)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Adapts to the terminal's current width.
    pub(super) fn fit(&mut self, width: Option<usize>) {
        self.look.width = width;
    }

    fn line(&mut self, line: &str, style: Style) -> io::Result<()> {
        let line = cut(line.trim_end(), self.look.width.unwrap_or(usize::MAX));
        if self.look.colours {
            writeln!(self.output, "{style}{line}{style:#}")
        } else {
            writeln!(self.output, "{line}")
        }
    }
}

impl Look {
    fn is_wide(&self) -> bool {
        self.width.is_none_or(|width| width >= WIDE)
    }

    fn heading(&self) -> String {
        let (time, pid, name, call, size, delta) = ("TIME", "PID", "PROCESS", "CALL", "SIZE", "DELTA");
        if self.is_wide() {
            format!(
                "{time:<12} {pid:>7} {:>7} {name:<15} {call:<8} {size:>8} {delta:>9} {:<14} ARGUMENTS",
                "THREAD", "RESULT"
            )
        } else {
            format!("{time:<12} {pid:>7} {name:<SHORT_NAME$} {call:<8} {size:>8} {delta:>9} ARGUMENTS")
        }
    }

    fn line(&self, request: &Request) -> String {
        let (time, pid, call) = (self.clock(request.timestamp), request.pid, &request.call);
        let name = visible(&request.process_name);
        let (size, delta) = (bytes(request.memory_size, Lang::En), signed(request.delta_bytes));
        let error = request.error.as_deref();
        let address = || request.address.to_string();
        let words = &request.arguments;
        let file = request.file.as_deref().map(visible).unwrap_or_default();
        if self.is_wide() {
            let name = pad(&name, 15);
            let result = error.map_or_else(address, str::to_owned);
            let tid = request.tid;
            format!(
                "{time} {pid:>7} {tid:>7} {name} {call:<8} {size:>8} {delta:>9} {result:<14} {words} {file}"
            )
        } else {
            let name = pad(&cut(&name, SHORT_NAME), SHORT_NAME);
            let mut brief = brief(words, &file);
            if brief.is_empty() && request.address != Address(0) {
                brief = address();
            }
            let result = error.map(|error| format!("{error} ")).unwrap_or_default();
            format!("{time} {pid:>7} {name} {call:<8} {size:>8} {delta:>9} {result}{brief}")
        }
    }

    /// Formats the time of day.
    fn clock(&self, time: Time) -> String {
        let at = self.zone.to_datetime(time.timestamp());
        let milliseconds = at.subsec_nanosecond() / 1_000_000;
        format!("{:02}:{:02}:{:02}.{milliseconds:03}", at.hour(), at.minute(), at.second())
    }
}

fn signed(delta: i64) -> String {
    let size = bytes(delta.unsigned_abs(), Lang::En);
    match delta {
        0 => "0".to_owned(),
        1.. => format!("+{size}"),
        _ => format!("-{size}"),
    }
}

/// Describes a mapping like /proc/PID/maps: `rw- private anon`.
fn brief(words: &str, file: &str) -> String {
    let mut parts = Vec::new();
    for part in words.split(", ").filter(|part| !part.is_empty()) {
        if part.starts_with("PROT_") {
            let letter = |name: &str, letter| if part.contains(name) { letter } else { '-' };
            let letters = [letter("READ", 'r'), letter("WRITE", 'w'), letter("EXEC", 'x')];
            parts.push(letters.iter().collect());
            if !file.is_empty() {
                parts.push(file.to_owned());
            }
        } else if part.starts_with("MAP_") {
            let flags = part.replace("MAP_", "").replace("ANONYMOUS", "anon").replace('|', " ");
            parts.push(flags.to_lowercase());
        } else {
            parts.push(part.to_owned());
        }
    }
    parts.join(" ")
}

/// Pads the text with blanks to this many columns.
fn pad(text: &str, columns: usize) -> String {
    let used = text.chars().map(|c| c.width().unwrap_or(0)).sum();
    format!("{text}{:1$}", "", columns.saturating_sub(used))
}

/// Cuts the text to this many columns. A cut text ends with an ellipsis.
fn cut(text: &str, columns: usize) -> String {
    let (mut used, mut room) = (0, 0);
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return format!("{}…", &text[..room]);
        }
        if used < columns {
            room = at + c.len_utf8();
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use memtap_model::{Call, WallClock};

    use super::*;

    fn request() -> Request {
        Request {
            host: None,
            timestamp: Time(WallClock(1_795_428_000_123_999_999)),
            pid: 4_194_303,
            tid: 4_194_304,
            process_name: "postgres".to_owned(),
            call: Call::Mmap.into(),
            memory_size: 1 << 20,
            address: Address(0x7f12_3456_7000),
            delta_bytes: 1 << 20,
            errno: None,
            error: None,
            virtual_bytes: 1 << 30,
            arguments: "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS".to_owned(),
            file: None,
            lost_before: 0,
        }
    }

    fn refused() -> Request {
        Request { errno: Some(12), error: Some("ENOMEM".into()), ..request() }
    }

    fn shown(width: Option<usize>, colours: bool, request: &Request) -> Vec<String> {
        let mut written = Vec::new();
        let mut text = Text::new(&mut written, Look { width, colours, zone: TimeZone::UTC }).unwrap();
        text.request(request).unwrap();
        text.flush().unwrap();
        drop(text);
        String::from_utf8(written).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_pipe_gets_all_columns_and_a_terminal_those_that_fit() {
        assert_eq!(
            shown(None, false, &request()),
            [
                "TIME             PID  THREAD PROCESS         CALL         SIZE     DELTA RESULT         ARGUMENTS",
                "10:00:00.123 4194303 4194304 postgres        mmap     1.00 MiB +1.00 MiB 0x7f1234567000 PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS",
            ]
        );
        assert_eq!(
            shown(Some(80), false, &request()),
            [
                "TIME             PID PROCESS      CALL         SIZE     DELTA ARGUMENTS",
                "10:00:00.123 4194303 postgres     mmap     1.00 MiB +1.00 MiB rw- private anon",
            ]
        );
    }

    #[test]
    fn lines_fit_the_terminal_and_untrusted_text_does_not_control_it() {
        let hostile = Request {
            process_name: "\x1b[2J\u{202e}語語".to_owned(),
            file: Some("a\nb\x1b]0;x\x07.so".into()),
            delta_bytes: -4096,
            ..refused()
        };
        for width in [80, 100, 120] {
            for line in shown(Some(width), false, &hostile) {
                let columns: usize = line.chars().map(|c| c.width().expect("no control character")).sum();
                assert!(columns <= width && !line.contains('\u{202e}'), "{columns} columns: {line}");
            }
        }
        let all = shown(None, false, &hostile).join("\n");
        assert!(all.contains("\\x1b[2J\\u{202e}語語") && all.contains("a\\nb\\x1b]0;x\\x07.so"), "{all}");
        assert!(all.contains(" -4.00 KiB ENOMEM "), "{all}");
    }

    #[test]
    fn colours_are_around_the_line_and_only_where_they_are_wanted() {
        let lines = shown(Some(200), true, &refused());
        assert!(lines[1].starts_with("\x1b[31m10:00") && lines[1].ends_with("\x1b[0m"), "{lines:?}");
    }

    #[test]
    fn cut_text_fits_and_ends_with_an_ellipsis() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("語語語", 5), "語語…");
        assert_eq!(
            brief("PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED", "libc.so.6"),
            "r-x libc.so.6 private fixed"
        );
        assert_eq!(brief("PROT_NONE", ""), "---");
        assert_eq!(brief("MADV_DONTNEED", ""), "MADV_DONTNEED");
    }
}
