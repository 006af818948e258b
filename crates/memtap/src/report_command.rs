//! `memtap report`: a report on a range of the history, on the terminal or in one file.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use memtap_history::{Clock, Range, Reader};
use memtap_model::{Tgid, WallClock};
use memtap_report::Lang;
use memtap_report::report::{self, Ask, At, Audience, Format, Report, Span};
use memtap_store::StoreUrl;

use crate::cli::{Compared, ReportArguments};
use crate::engine;
use crate::settings_file::SettingsFile;
use crate::{config, limits, output, replay, terminal};

/// Default range without `--last` or `--from`.
const HOUR: Duration = Duration::from_secs(3600);
/// Progress is shown only after this time.
const SOON: Duration = Duration::from_secs(1);

pub(crate) fn run(arguments: &ReportArguments, file: &SettingsFile) -> anyhow::Result<()> {
    if let Some(recording) = &arguments.recording {
        return report_on_recording(recording, arguments);
    }
    let url = config::store(arguments.which.store.as_ref(), file)?;
    let name = url.to_string();
    report_on_history(
        &url,
        Timestamp::now(),
        HOUR,
        arguments,
        &HistorySource { name, clock: Clock::Machine, damaged: None },
    )
}

/// Description of the history for the report.
struct HistorySource {
    /// File of the recording, or the store. Never the temporary database of a recording.
    name: String,
    clock: Clock,
    /// Requests in damaged parts of a recording.
    damaged: Option<u64>,
}

/// Reports on a recording, through a temporary history. Its end counts as the present, and the
/// default range is the whole recording.
fn report_on_recording(recording: &Path, arguments: &ReportArguments) -> anyhow::Result<()> {
    let (url, _folder) = config::temporary_store()?;
    let replayed = replay::into_store(recording, &url, &config::KEPT_FOR_EVER)?;
    let end = replayed.end.0.saturating_add(1_000_000_000);
    let length = u64::try_from(end.saturating_sub(replayed.machine.began.0)).unwrap_or_default();
    report_on_history(
        &url,
        Timestamp::from_nanosecond(end.into())?,
        Duration::from_nanos(length),
        arguments,
        &HistorySource {
            name: recording.display().to_string(),
            clock: Clock::LastSample,
            damaged: replayed.damaged,
        },
    )
}

/// Reports on a range before `now`. `last` is the default length of the range.
fn report_on_history(
    url: &StoreUrl,
    now: Timestamp,
    last: Duration,
    arguments: &ReportArguments,
    source: &HistorySource,
) -> anyhow::Result<()> {
    let zone = TimeZone::system();
    let mut ask = ask(arguments, now, last, &zone)?;
    let lang = arguments.lang.map_or_else(terminal::lang, Lang::from);
    let reader = engine::block_on(url.open_reader(source.clock))?
        .context("--store none keeps no history. Name the history with --store")?;
    if let Some(path) = &arguments.output {
        output::is_not_the_history(path, url)?;
    }
    ask.damaged_recording = source.damaged;
    ask.limits = Some(engine::block_on(limits::of_history(&*reader, &ask.range))?);
    let report = make(&*reader, &ask)?;
    explain_if_empty(&report, &source.name);
    let audience = Audience { lang, zone };
    match &arguments.output {
        Some(path) => {
            let format = arguments.format.unwrap_or_else(|| format_of(path));
            let text = report::render(&report, format, &audience);
            output::to_file(path, |mut file| Ok(file.write_all(text.as_bytes())?))
        }
        None => {
            let stdout = std::io::stdout();
            let text = match arguments.format {
                None | Some(Format::Text) => report::on_screen(&report, &audience, terminal::screen(&stdout)),
                Some(format) => report::render(&report, format, &audience),
            };
            let mut stdout = stdout.lock();
            let done = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
            output::unless_closed(done.map_err(anyhow::Error::from))
        }
    }
}

fn ask(arguments: &ReportArguments, now: Timestamp, last: Duration, zone: &TimeZone) -> anyhow::Result<Ask> {
    let at = |moment: crate::moment::Moment| moment.when(now, zone).map_err(|error| anyhow!(error));
    let now_at = at(crate::moment::Moment::Ago(Duration::ZERO))?;
    let (from, to) = match arguments.from {
        Some(from) => (at(from)?, arguments.to.map_or(Ok(now_at), at)?),
        None => (earlier(now_at, arguments.last.unwrap_or(last)), now_at),
    };
    if from >= to {
        bail!("the range is empty: --from must be before --to, and in the past");
    }
    let compare = match arguments.compare {
        None => None,
        Some(Compared::Last) => Some((WallClock(from.0.saturating_sub(to.0 - from.0)), from)),
        Some(Compared::Earlier(age)) => Some((earlier(from, age), earlier(to, age))),
        Some(Compared::Between(from, to)) => Some((at(from)?, at(to)?)),
    };
    if compare.is_some_and(|(from, to)| from >= to) {
        bail!("the range of --compare is empty: its start must be before its end");
    }
    Ok(Ask {
        range: Range { host: arguments.host.clone(), from, to },
        name: arguments.name.clone(),
        pid: arguments.pid.map(Tgid),
        compare: compare.map(|(from, to)| Span { from: At(from), to: At(to) }),
        now: now_at,
        limits: None,
        damaged_recording: None,
    })
}

fn earlier(at: WallClock, age: Duration) -> WallClock {
    WallClock(at.0.saturating_sub(i64::try_from(age.as_nanos()).unwrap_or(i64::MAX)))
}

/// Format for the file name's extension.
fn format_of(path: &Path) -> Format {
    let end = path.extension().and_then(|end| end.to_str());
    match end.map(str::to_ascii_lowercase).as_deref() {
        Some("markdown") => Format::Markdown,
        Some(end) => end.parse().unwrap_or_default(),
        None => Format::default(),
    }
}

/// Makes the report. If that takes long, progress is drawn on standard error if it is a terminal.
fn make(reader: &dyn Reader, ask: &Ask) -> anyhow::Result<Report> {
    let begin = Instant::now();
    let bar = ProgressBar::hidden();
    let mut watch = |progress: report::Progress| {
        if bar.is_hidden() && begin.elapsed() > SOON {
            draw(&bar);
        }
        bar.set_length(progress.of as u64);
        bar.set_position(progress.done as u64);
        ControlFlow::Continue(())
    };
    let made = engine::block_on(report::make(reader, ask, &mut watch));
    bar.finish_and_clear();
    made
}

fn draw(bar: &ProgressBar) {
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} queries done, {elapsed}") {
        bar.set_style(style);
    }
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
}

/// Explains on standard error why the report is empty. An empty report is not a failure.
fn explain_if_empty(report: &Report, history: &str) {
    if !report.totals.is_empty() {
        return;
    }
    if report.matches_nothing() {
        let asked = &report.asked;
        let pid = asked.pid.map(|pid| format!("-p {pid}"));
        let filter =
            asked.name.as_ref().map(|name| format!("--name {}", memtap_model::visible(name))).or(pid);
        let filter = filter.unwrap_or_default();
        return output::tell(format_args!("memtap: no process matches {filter} in this range"));
    }
    let last = report.hosts.iter().map(|host| host.last_time).max();
    match last.and_then(|At(last)| Timestamp::from_nanosecond(last.0.into()).ok()) {
        Some(last) => output::tell(format_args!(
            "memtap: {history} has no data in this range; its latest data is from {last:.0}. Choose another range with --from and --to, or --last"
        )),
        None => output::tell(format_args!("memtap: {history} has no data in this range")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    const NOON: &str = "2026-11-24T12:00:00Z";

    /// Hours before noon of the range and the compared range of a command line.
    fn hours(typed: &str) -> anyhow::Result<Vec<i64>> {
        let words = ["memtap", "report"].into_iter().chain(typed.split_whitespace());
        let Some(Command::Report(arguments)) = Cli::try_parse_from(words)?.command else {
            bail!("another command")
        };
        let now: Timestamp = NOON.parse()?;
        let ask = ask(&arguments, now, HOUR, &TimeZone::UTC)?;
        let compared = ask.compare.into_iter().flat_map(|span| [span.from.0, span.to.0]);
        let hour = 3_600_000_000_000;
        let before = |at: WallClock| (now.as_nanosecond() as i64 - at.0) / hour;
        Ok([ask.range.from, ask.range.to].into_iter().chain(compared).map(before).collect())
    }

    #[test]
    fn ranges_follow_from_the_options() {
        for (typed, expected) in [
            ("", vec![1, 0]),
            ("--last 24h", vec![24, 0]),
            ("--last 2h --compare last", vec![2, 0, 4, 2]),
            ("--last 2h --compare 1d", vec![2, 0, 26, 24]),
            ("--from yesterday --to today", vec![36, 12]),
            ("--from 09:00 --compare yesterday..today", vec![3, 0, 36, 12]),
        ] {
            assert_eq!(hours(typed).unwrap(), expected, "{typed}");
        }
    }

    #[test]
    fn invalid_ranges_and_filters_are_errors() {
        for typed in [
            "--from 11:00 --to 10:00",
            "--last 1h --from 10:00",
            "--to 10:00",
            "--name a -p 1",
            "--compare 11:00..10:00",
            "--format pdf",
        ] {
            assert!(hours(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn the_format_is_the_files() {
        for (path, format) in [
            ("a", Format::Html),
            ("a.MD", Format::Markdown),
            ("a.json", Format::Json),
            ("a.txt", Format::Text),
            ("a.page", Format::Html),
        ] {
            assert_eq!(format_of(Path::new(path)), format, "{path}");
        }
    }
}
