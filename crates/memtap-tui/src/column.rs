//! Columns of the process table. To add a column, add a row here: widths, the column panel, sorting
//! and the help follow from it.

use std::str::FromStr;

use jiff::Timestamp;

use crate::model::age_s;
use crate::rows::Row;
use crate::text;

/// Description of a column.
#[derive(Debug)]
pub struct ColumnRow {
    /// The column.
    pub column: Column,
    /// Title, which is also the name on the command line.
    pub title: &'static str,
    /// Width in cells.
    pub width: u16,
    /// True if the column shows numbers.
    pub number: bool,
    /// Priority when not all columns fit: higher ones stay.
    pub weight: u8,
    /// True if the column is shown by default.
    pub shown: bool,
    /// Description for the help.
    pub about: &'static str,
}

macro_rules! columns {
    ($($column:ident $title:literal $width:literal $number:literal $weight:literal $shown:literal $about:literal;)*) => {
        /// A column of the process table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Column { $(#[doc = $about] $column,)* }

        /// All columns, in their order on the screen.
        pub const COLUMNS: &[ColumnRow] = &[
            $(ColumnRow {
                column: Column::$column, title: $title, width: $width, number: $number, weight: $weight, shown: $shown, about: $about,
            },)*
        ];
    };
}

#[rustfmt::skip]
columns! {
    Pid         "PID"       7  true  100 true  "process id";
    User        "USER"      8  false 60  true  "user name";
    Name        "NAME"      15 false 99  true  "process name, as in the kernel";
    Virtual     "VIRT"      6  true  90  true  "virtual size";
    Resident    "RES"       6  true  95  true  "resident set: its pages in RAM";
    Swap        "SWAP"      6  true  40  true  "swapped-out memory";
    Peak        "PEAK"      6  true  50  true  "peak of the resident set";
    Share       "MEM%"      5  true  30  false "resident set as a percentage of the machine's memory";
    Rate        "REQ/s"     6  true  85  true  "memory requests per second, since the previous update";
    Requests    "REQUESTS"  8  true  28  false "all memory requests, including refused ones";
    Requested   "REQSIZE"   7  true  27  false "requested bytes, of granted requests";
    Refused     "REFUSED"   7  true  80  true  "memory requests that the kernel refused";
    Unexplained "UNEXPL"    6  true  26  false "virtual size without a recorded cause";
    Lost        "LOST"      7  true  25  false "requests missing from the stream; the sums include them";
    MinorFaults "MINFLT"    7  true  38  true  "page faults that did not read from disk";
    MajorFaults "MAJFLT"    7  true  24  false "page faults that read from disk";
    Threads     "THR"       4  true  23  false "threads";
    Age         "AGE"       6  true  45  true  "time since it started";
    Trend       "TREND"     10 false 35  true  "recent resident set, since it appeared on the screen";
    Container   "CONTAINER" 16 false 22  false "container, from its cgroup";
    Unit        "UNIT"      18 false 21  false "systemd unit, from its cgroup";
    Command     "COMMAND"   12 false 70  true  "command line; uses the remaining width";
}

impl Column {
    /// Returns the column's description.
    #[must_use]
    pub fn row(self) -> &'static ColumnRow {
        &COLUMNS[self as usize]
    }

    /// Returns whether sorting by this column starts with the largest values.
    #[must_use]
    pub fn largest_first(self) -> bool {
        self.row().number && self != Self::Pid
    }

    /// Returns whether the column shows data about requests, which not every source has.
    #[must_use]
    pub(crate) fn is_of_requests(self) -> bool {
        matches!(
            self,
            Self::Rate | Self::Requests | Self::Requested | Self::Refused | Self::Unexplained | Self::Lost
        )
    }

    /// Returns the cell's text, for a cell of this width. `now` and `total_bytes` are the machine's
    /// time and memory.
    #[must_use]
    pub(crate) fn text(self, row: &Row, now: Timestamp, total_bytes: u64, width: usize) -> String {
        let process = &row.process;
        match self {
            Self::Pid => process.pid.to_string(),
            Self::User => text::fit(&process.user, width),
            Self::Name => text::fit(&process.name, width),
            Self::Virtual => text::narrow_size(process.virtual_bytes),
            Self::Resident => text::narrow_size(process.resident_bytes),
            Self::Swap => text::narrow_size(process.swap_bytes),
            Self::Peak => text::narrow_size(process.peak_resident_bytes),
            Self::Share => {
                format!("{:.1}", process.resident_bytes as f64 * 100.0 / total_bytes.max(1) as f64)
            }
            Self::Rate => text::rate(row.requests_per_second),
            Self::Requests => text::narrow_count(process.requests),
            Self::Requested => text::narrow_size(process.requested_bytes),
            Self::Refused => text::narrow_count(process.refused),
            Self::Unexplained => unexplained(process.unexplained_bytes),
            Self::Lost => text::narrow_count(process.lost),
            Self::MinorFaults => text::narrow_count(process.minor_faults),
            Self::MajorFaults => text::narrow_count(process.major_faults),
            Self::Threads => process.threads.to_string(),
            Self::Age => text::duration(age_s(process, now)),
            // The trend is drawn from the process's track.
            Self::Trend => String::new(),
            Self::Container => text::fit(process.container.as_deref().unwrap_or_default(), width),
            Self::Unit => text::fit(process.unit.as_deref().unwrap_or_default(), width),
            Self::Command => text::fit(&process.command, width),
        }
    }

    /// Returns the sort key of a process.
    #[must_use]
    pub(crate) fn key(self, row: &Row) -> Key<'_> {
        let process = &row.process;
        Key::Number(match self {
            Self::User => return Key::Text(&process.user),
            Self::Name => return Key::Text(&process.name),
            Self::Container => return Key::Text(process.container.as_deref().unwrap_or_default()),
            Self::Unit => return Key::Text(process.unit.as_deref().unwrap_or_default()),
            Self::Command => return Key::Text(&process.command),
            Self::Pid => process.pid.into(),
            Self::Virtual => process.virtual_bytes,
            Self::Resident | Self::Share | Self::Trend => process.resident_bytes,
            Self::Swap => process.swap_bytes,
            Self::Peak => process.peak_resident_bytes,
            // The bits of nonnegative floating-point numbers sort like the numbers.
            Self::Rate => row.requests_per_second.to_bits(),
            Self::Requests => process.requests,
            Self::Requested => process.requested_bytes,
            Self::Refused => process.refused,
            Self::Unexplained => process.unexplained_bytes.unsigned_abs(),
            Self::Lost => process.lost,
            Self::MinorFaults => process.minor_faults,
            Self::MajorFaults => process.major_faults,
            Self::Threads => process.threads.into(),
            // An older process has a larger key.
            Self::Age => u64::MAX - process.start_time.timestamp().as_millisecond().unsigned_abs(),
        })
    }
}

/// Sort key of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    Number(u64),
    Text(&'a str),
}

fn unexplained(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    format!("{sign}{}", text::narrow_size(bytes.unsigned_abs()))
}

impl FromStr for Column {
    type Err = String;

    /// Parses a title, ignoring case: `res`, `REQ/s`.
    fn from_str(name: &str) -> Result<Self, String> {
        let matching = COLUMNS.iter().find(|row| row.title.eq_ignore_ascii_case(name));
        matching.map(|row| row.column).ok_or_else(|| {
            let titles = COLUMNS.iter().map(|row| row.title.to_lowercase()).collect::<Vec<_>>();
            format!("unknown column '{name}'; expected one of {}", titles.join(", "))
        })
    }
}

/// Maximum number of additional cells for names in a tree.
const TREE: u16 = 20;

/// Returns those columns of `shown` that fit into `width` cells, in their order and with their
/// widths. The command gets the remaining cells. In a `tree`, the name gets half of them.
#[must_use]
pub(crate) fn laid_out(shown: &[Column], width: u16, tree: bool) -> Vec<(Column, u16)> {
    let mut by_weight: Vec<Column> = shown.to_vec();
    by_weight.sort_by_key(|column| std::cmp::Reverse(column.row().weight));
    let mut left = width;
    by_weight.retain(|column| {
        // Include the blank before the next column.
        let fits = column.row().width < left;
        left -= if fits { column.row().width + 1 } else { 0 };
        fits
    });
    let for_name = if tree { (left / 2).min(TREE) } else { 0 };
    let more = |column: &Column| match column {
        Column::Name => for_name,
        Column::Command => left - for_name,
        _ => 0,
    };
    let fitting = shown.iter().filter(|column| by_weight.contains(column));
    fitting.map(|column| (*column, column.row().width + more(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown() -> Vec<Column> {
        COLUMNS.iter().filter(|row| row.shown).map(|row| row.column).collect()
    }

    #[test]
    fn rows_are_in_the_order_of_their_columns() {
        for (index, row) in COLUMNS.iter().enumerate() {
            assert_eq!(row.column as usize, index);
            assert_eq!(row.title.to_lowercase().parse(), Ok(row.column));
            assert!(usize::from(row.width) >= row.title.len());
        }
        assert!("colour".parse::<Column>().is_err_and(|told| told.contains("res, ")));
    }

    #[test]
    fn the_least_important_columns_give_way() {
        let titles = |width| -> Vec<&str> {
            laid_out(&shown(), width, false).iter().map(|(column, _)| column.row().title).collect()
        };
        assert_eq!(titles(80), ["PID", "USER", "NAME", "VIRT", "RES", "REQ/s", "REFUSED", "COMMAND"]);
        assert_eq!(titles(40), ["PID", "NAME", "VIRT", "RES"]);
        assert_eq!(titles(200).len(), shown().len());
        assert_eq!(titles(3), [""; 0]);
        for width in 0..200 {
            for tree in [false, true] {
                let sum: u16 = laid_out(&shown(), width, tree).iter().map(|(_, cells)| cells + 1).sum();
                assert!(sum <= width + 1, "{sum} cells in {width}");
            }
        }
    }
}
