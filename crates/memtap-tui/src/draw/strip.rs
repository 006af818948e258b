//! The strip at the top: the machine's memory as a bar of parts that add up, requests, refused and
//! lost requests, and the source.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::App;
use crate::text;
use crate::track::bars;

/// Number of lines of the strip.
pub(super) fn height(brief: bool) -> u16 {
    if brief { 3 } else { 4 }
}

/// Minimum width for sizes with full units.
const ROOMY: usize = 100;
/// Minimum width for bars beside the requests per second.
const WIDE: u16 = 140;
/// Width of the bars in cells.
const BARS: u16 = 50;

/// Maximum number of notice lines.
const NOTICE_LINES: usize = 5;

pub(super) fn draw(app: &App, frame: &mut Frame, area: Rect, brief: bool) {
    let rows = area.rows().collect::<Vec<_>>();
    title(app, frame, rows[0]);
    bar(app, frame, rows[1]);
    if !brief {
        frame.render_widget(legend(app, area.width.into()), rows[2]);
    }
    figures(app, frame, rows[rows.len() - 1]);
}

/// Draws the source and the time.
fn title(app: &App, frame: &mut Frame, area: Rect) {
    let look = app.settings.look;
    let about = &app.model.about;
    let plan = about.plan.as_ref().map(|plan| format!(" {plan}")).unwrap_or_default();
    let via = about.via.as_ref().map(|url| format!(" via {url}")).unwrap_or_default();
    let held = if app.paused { "PAUSED  ".to_owned() } else { String::new() };
    let stale = app.stale.map(|seconds| format!("no update for {seconds} s  ")).unwrap_or_default();
    let clock = text::clock(app.model.at, &app.settings.zone);
    let right = vec![
        Span::styled(format!("{stale}{held}"), look.bad()),
        Span::raw(format!("{clock}  every {} s", app.settings.pace.name())),
    ];
    let right = Line::from(right).right_aligned();
    let cells = u16::try_from(right.width()).unwrap_or(area.width).min(area.width);
    let [left, place] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(cells)]).areas(area);
    let source = format!("  {}  {}{plan}{via}", about.hostname, about.source);
    let source = text::fit(&source, usize::from(left.width).saturating_sub(11));
    frame.render_widget(Line::from(vec![Span::styled("memtap top", look.strong()), Span::raw(source)]), left);
    frame.render_widget(right, place);
}

/// Parts of the machine's memory: symbol, style, name, bytes. They add up to the total.
fn parts(app: &App) -> [(&'static str, Style, &'static str, u64); 4] {
    let look = app.settings.look;
    let host = &app.model.host;
    [
        ("█", look.first(), "programs", host.programs_bytes),
        ("▓", look.second(), "cache", host.cached_bytes),
        ("▒", look.plain(), "kernel", host.kernel_bytes),
        ("░", look.faint(), "free", host.free_bytes),
    ]
}

fn bar(app: &App, frame: &mut Frame, area: Rect) {
    let total = format!("{} ", text::size(app.model.host.total_bytes));
    let cells = usize::from(area.width).saturating_sub(total.len());
    let parts = parts(app);
    let shares = shares(parts.map(|(.., bytes)| bytes), cells);
    let pieces =
        parts.iter().zip(shares).map(|((sign, style, ..), cells)| Span::styled(sign.repeat(cells), *style));
    let spans: Vec<Span> =
        std::iter::once(Span::styled(total, app.settings.look.strong())).chain(pieces).collect();
    frame.render_widget(Line::from(spans), area);
}

/// Returns the number of cells for each part, exactly `cells` in total. Cells lost by rounding go
/// to the parts with the largest remainders.
pub(super) fn shares<const PARTS: usize>(parts: [u64; PARTS], cells: usize) -> [usize; PARTS] {
    let total: u128 = parts.iter().map(|part| u128::from(*part)).sum();
    if total == 0 {
        return [0; PARTS];
    }
    let exact = |part: u64| u128::from(part) * cells as u128;
    let mut shares = parts.map(|part| usize::try_from(exact(part) / total).unwrap_or(0));
    let mut by_rest: [usize; PARTS] = std::array::from_fn(|index| index);
    by_rest.sort_by_key(|index| std::cmp::Reverse(exact(parts[*index]) % total));
    let left = cells - shares.iter().sum::<usize>();
    by_rest.iter().take(left).for_each(|index| shares[*index] += 1);
    shares
}

fn legend(app: &App, width: usize) -> Line<'static> {
    let look = app.settings.look;
    let size = if width < ROOMY { text::narrow_size } else { text::size };
    let mut spans = Vec::new();
    for (sign, style, name, bytes) in parts(app) {
        spans.push(Span::styled(sign, style));
        spans.push(Span::styled(format!(" {name} "), look.faint()));
        spans.push(Span::raw(format!("{}  ", size(bytes))));
    }
    let swap = app.model.host.swap;
    if swap.total_bytes > 0 {
        let used = size(swap.total_bytes - swap.free_bytes.min(swap.total_bytes));
        spans.push(Span::styled("swap ", look.faint()));
        spans.push(Span::raw(format!("{used} of {}", size(swap.total_bytes))));
    } else {
        spans.push(Span::styled("no swap", look.faint()));
    }
    within(spans, width)
}

/// Draws the key figures. When space is short, the last ones are left out.
fn figures(app: &App, frame: &mut Frame, area: Rect) {
    let totals = &app.model.totals;
    let requests = vec![
        (format!("{} req/s", text::rate(totals.per_second)), false),
        (
            format!("{} refused ({}/s)", text::count(totals.refused), text::rate(totals.refused_per_second)),
            totals.refused_per_second > 0.0,
        ),
        (format!("{} lost", text::count(totals.lost)), totals.lost > 0),
    ];
    let no_requests = || vec![("requests are not visible".to_owned(), false)];
    let mut figures = if app.tells_requests() { requests } else { no_requests() };
    if app.model.oom_kills > 0 {
        figures.push((format!("{} OOM kills", app.model.oom_kills), true));
    }
    if let Some(pressure) = app.model.host.pressure {
        figures.push((format!("pressure {:.1}%", pressure.some_avg10), pressure.some_avg10 >= 10.0));
    }
    let unexplained = app.model.unexplained_bytes;
    if app.tells_requests() {
        figures.push((format!("{} unexplained", text::size(unexplained)), unexplained > 0));
    }
    let look = app.settings.look;
    let spans = figures.into_iter().map(|(text, bad)| {
        let (sign, style) = if bad { ("!", look.bad()) } else { ("", Style::new()) };
        Span::styled(format!("{sign}{text}  "), style)
    });
    frame.render_widget(within(spans.collect(), area.width.into()), area);
    if area.width >= WIDE {
        let place = Rect { x: area.right() - BARS, width: BARS, ..area };
        let rates = app.machine.iter().map(|sample| sample.requests_per_second);
        let bars = bars(rates, usize::from(BARS) - 6);
        frame.render_widget(Line::from(format!("req/s {bars}")).right_aligned(), place);
    }
}

/// Text with the number of processes, and how many of them match the filter.
pub(super) fn listed(app: &App) -> String {
    let all = app.model.living.len();
    match app.table.wanted.filter.as_str() {
        _ if all == 0 => String::new(),
        "" => format!("{} processes", text::count(all as u64)),
        filter => {
            let [listed, all] = [app.table.lines.len(), all].map(|number| text::count(number as u64));
            format!("{listed} of {all} match '{}'", text::fit(filter, 12))
        }
    }
}

/// Returns as many whole spans as fit.
fn within(spans: Vec<Span<'static>>, width: usize) -> Line<'static> {
    let mut used = 0;
    let fits = spans.into_iter().take_while(|span| {
        used += text::width(span.content.trim_end());
        let fits = used <= width;
        used += text::width(&span.content) - text::width(span.content.trim_end());
        fits
    });
    Line::from(fits.collect::<Vec<_>>())
}

/// Returns the notices in lines of this width. Long ones are shortened; the help shows them in
/// full.
pub(super) fn notices(app: &App, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width).saturating_sub(2);
    let plain = app.model.trouble.iter().chain(app.log.last()).map(|text| (text.as_str(), None));
    let known =
        app.model.about.notices.iter().map(|notice| (notice.what.as_str(), Some(notice.fix.as_str())));
    let lines = plain.chain(known).flat_map(|(what, fix)| {
        let fix = fix.map(|fix| brief(&format!("to fix it: {fix}"), width)).unwrap_or_default();
        brief(what, width).into_iter().chain(fix).enumerate().collect::<Vec<_>>()
    });
    lines
        .take(NOTICE_LINES)
        .map(|(index, text)| {
            let sign = if index == 0 { "! " } else { "  " };
            Line::from(vec![Span::styled(sign, app.settings.look.bad()), Span::raw(text)])
        })
        .collect()
}

/// Returns the first lines of a text.
fn brief(text: &str, width: usize) -> Vec<String> {
    const LINES: usize = 2;
    let mut lines = wrapped(text, width);
    if lines.len() > LINES {
        lines.truncate(LINES);
        let last = lines.remove(LINES - 1);
        lines.push(text::fit(&format!("{last} …"), width));
    }
    lines
}

/// Wraps a text at blanks.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = text::fit(word, width);
        match lines.last_mut() {
            Some(line) if text::width(line) + 1 + text::width(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_whatever_the_parts() {
        assert_eq!(shares([1, 1, 1, 1], 10).iter().sum::<usize>(), 10);
        assert_eq!(shares([u64::MAX, u64::MAX, 0, 1], 77), [39, 38, 0, 0]);
        assert_eq!(shares([997, 1, 1, 1], 4), [4, 0, 0, 0]);
        assert_eq!(shares([0, 0, 0, 0], 10), [0; 4]);
        assert_eq!(shares([3, 1], 0), [0, 0]);
    }

    #[test]
    fn notices_are_broken_at_blanks() {
        assert_eq!(wrapped("one two\x1b three", 8), ["one", "two\\x1b", "three"]);
        assert_eq!(brief("one two\x1b three", 8), ["one", "two\\x1b…"]);
    }
}
