//! Outline of a report: its words in order, for every format that people read. It consists of
//! sections with sentences, figures, charts and tables, which are in `outline/`.

mod figures;
mod memory;
mod missing;
mod programs;
mod requests;
mod words;

use super::chart::Chart;
use super::{At, Audience, Report, when};
use crate::{Lang, Severity};
pub(super) use figures::bytes_explained;
use memtap_model::visible;
pub(super) use words::not_visible;

/// The whole report.
pub(super) struct Outline {
    pub(super) title: String,
    /// Scope of the report, as pairs of label and value.
    pub(super) facts: Vec<(String, String)>,
    pub(super) sections: Vec<Section>,
    pub(super) made: String,
}

pub(super) struct Section {
    /// Stable id for links.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

pub(super) enum Block {
    /// A plain sentence.
    Say(String),
    /// A sentence that the reader must not miss.
    Warn(String),
    Tiles(Vec<Tile>),
    Findings(Vec<FindingBlock>),
    Chart(Chart),
    Table(Table),
    /// Small tables that can be placed side by side.
    Tables(Vec<Table>),
}

/// A key figure.
pub(super) struct Tile {
    pub(super) label: &'static str,
    pub(super) cell: Cell,
    /// Value in the range to compare with, and the change.
    pub(super) compared: Option<(Cell, Cell)>,
}

impl Tile {
    /// Change, if both values are known: `+5 against 10`.
    pub(super) fn compared_text(&self, audience: &Audience) -> Option<String> {
        let (before, change) = self.compared.as_ref().filter(|(_, change)| *change != Cell::None)?;
        let against = audience.lang.pick("against", "frente a");
        Some(format!("{} {against} {}", change.text(audience), before.text(audience)))
    }
}

/// A finding in one language. Sentences may contain untrusted names. Text in backticks is to be
/// typed.
pub(super) struct FindingBlock {
    pub(super) severity: Severity,
    pub(super) severity_word: &'static str,
    pub(super) sentence: String,
    pub(super) evidence: Vec<(String, String)>,
    pub(super) advice: String,
}

pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Returns whether the table needs more than half of a page's width.
    pub(super) fn is_broad(&self) -> bool {
        self.columns.len() > 5
    }
}

/// A column: its title, and whether it contains numbers.
pub(super) struct Column(pub(super) String, pub(super) bool);

/// Contents of a table cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Untrusted text.
    Name(String),
    /// Text of memtap.
    Words(String),
    /// A name from the kernel, such as a call.
    Code(String),
    Bytes(u64),
    /// Change from one size to another.
    BytesChange(u64, u64),
    Count(u64),
    CountChange(u64, u64),
    Percent(f64),
    PercentChange(f64, f64),
    PerSecond(f64),
    Time(At),
    /// Share of the largest value, shown as a bar if the format has bars.
    Share(f64),
    None,
}

impl Cell {
    /// Formats the cell as plain text, without escapes of any format.
    pub(super) fn text(&self, audience: &Audience) -> String {
        let lang = audience.lang;
        match self {
            Self::Name(name) => visible(name),
            Self::Words(text) | Self::Code(text) => text.clone(),
            Self::Bytes(bytes) => crate::bytes(*bytes, lang),
            Self::BytesChange(from, to) => signed(*from, *to, |change| crate::bytes(change, lang)),
            Self::Count(count) => crate::count(*count, lang),
            Self::CountChange(from, to) => signed(*from, *to, |change| crate::count(change, lang)),
            Self::Percent(part) => format!("{} %", crate::decimal(*part, 1, lang)),
            Self::PercentChange(from, to) => {
                let sign = if to < from { "−" } else { "+" };
                format!("{sign}{} %", crate::decimal((to - from).abs(), 1, lang))
            }
            Self::PerSecond(rate) => format!("{}/s", crate::rate(*rate, lang)),
            Self::Time(at) => when::second(*at, audience),
            Self::Share(part) => format!("{} %", crate::decimal(part * 100.0, 0, lang)),
            Self::None => "–".to_owned(),
        }
    }
}

/// A change with its sign. The minus is U+2212, which is as wide as a plus.
fn signed(from: u64, to: u64, write: impl Fn(u64) -> String) -> String {
    match from.cmp(&to) {
        std::cmp::Ordering::Less => format!("+{}", write(to - from)),
        std::cmp::Ordering::Equal => "0".to_owned(),
        std::cmp::Ordering::Greater => format!("−{}", write(from - to)),
    }
}

/// A piece of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Plain(&'a str),
    /// Text between backticks, to be typed as it is.
    Typed(&'a str),
}

pub(super) fn pieces(sentence: &str) -> Vec<Piece<'_>> {
    let (mut pieces, mut remaining) = (Vec::new(), sentence);
    while let Some((plain, (typed, after))) =
        remaining.split_once('`').and_then(|(plain, after)| Some((plain, after.split_once('`')?)))
    {
        pieces.extend([Piece::Plain(plain), Piece::Typed(typed)]);
        remaining = after;
    }
    pieces.push(Piece::Plain(remaining));
    pieces.retain(|piece| *piece != Piece::Plain(""));
    pieces
}

/// Input of the sections.
struct Page<'a> {
    report: &'a Report,
    audience: &'a Audience,
    lang: Lang,
    /// True if processes must be shown with the name of their machine.
    several_hosts: bool,
}

impl Page<'_> {
    fn say<T>(&self, english: T, spanish: T) -> T {
        self.lang.pick(english, spanish)
    }

    fn bytes(&self, bytes: u64) -> String {
        crate::bytes(bytes, self.lang)
    }

    fn count(&self, count: u64) -> String {
        crate::count(count, self.lang)
    }

    /// Name of a process, with its machine if there are several.
    fn process(&self, host: &str, name: &str) -> Cell {
        if self.several_hosts { Cell::Name(format!("{name} @ {host}")) } else { Cell::Name(name.to_owned()) }
    }

    fn text_column(&self, english: &str, spanish: &str) -> Column {
        Column(self.say(english, spanish).to_owned(), false)
    }

    fn number_column(&self, english: &str, spanish: &str) -> Column {
        Column(self.say(english, spanish).to_owned(), true)
    }

    fn section(&self, id: &'static str, title: (&'static str, &'static str), blocks: Vec<Block>) -> Section {
        Section { id, title: self.say(title.0, title.1), blocks }
    }
}

pub(super) fn outline(report: &Report, audience: &Audience) -> Outline {
    let several_hosts = report.hosts.len() > 1;
    let page = Page { report, audience, lang: audience.lang, several_hosts };
    let sections = [
        Some(figures::summary(&page)),
        Some(figures::findings(&page)),
        figures::comparison(&page),
        memory::machine(&page),
        requests::by_call(&page),
        programs::resident(&page),
        programs::rankings(&page),
        programs::processes(&page),
        programs::requesters(&page),
        requests::largest(&page),
        requests::sizes(&page),
        Some(requests::refusals(&page)),
        Some(memory::oom_kills(&page)),
        programs::short_lived(&page),
    ];
    Outline {
        title: words::title(&page),
        facts: words::facts(&page),
        sections: sections.into_iter().flatten().collect(),
        made: words::made(&page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_backtick_is_plain() {
        use Piece::{Plain, Typed};
        assert_eq!(pieces("see `a`, `b`"), [Plain("see "), Typed("a"), Plain(", "), Typed("b")]);
        assert_eq!(pieces("odd ` one"), [Plain("odd ` one")]);
    }

    #[test]
    fn changes_have_a_sign() {
        let audience = Audience { lang: Lang::Es, zone: jiff::tz::TimeZone::UTC };
        for (cell, text) in [
            (Cell::BytesChange(0, 1536), "+1,50 KiB"),
            (Cell::BytesChange(2 << 20, 1 << 20), "−1,00 MiB"),
            (Cell::CountChange(5, 5), "0"),
            (Cell::PercentChange(1.0, 0.5), "−0,5 %"),
            (Cell::Name("a\nb".to_owned()), "a\\nb"),
        ] {
            assert_eq!(cell.text(&audience), text);
        }
    }
}
