//! One process: its identity, ledger, calls, refused requests, charts and latest requests.

use std::cmp::Reverse;

use memtap_api::{CallTotals, Process, Request};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{charts, tabs};
use crate::app::{App, Part};
use crate::model::age_s;
use crate::stream::Entry;
use crate::text;

/// Draws the process over the whole width: everything if it fits, else one part. Returns the
/// positions of the tabs.
pub(super) fn whole(
    app: &App,
    frame: &mut Frame,
    area: Rect,
    process: &Process,
    part: Part,
) -> Vec<(Part, Rect)> {
    let [header, body] = Layout::vertical([Constraint::Length(4), Constraint::Fill(1)]).areas(area);
    identity(app, frame, header, process);
    if body.height >= 26 {
        let [accounts, curves, latest] =
            Layout::vertical([Constraint::Length(12), Constraint::Fill(2), Constraint::Fill(3)])
                .spacing(1)
                .areas(body);
        accounts_of(app, frame, accounts, process);
        charts::draw(app, frame, curves, process);
        requests(app, frame, latest);
        return Vec::new();
    }
    let [names, body] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(body);
    match part {
        Part::Books => accounts_of(app, frame, body, process),
        Part::Charts => charts::draw(app, frame, body, process),
        Part::Requests => requests(app, frame, body),
    }
    tabs(app, frame, names, part)
}

/// Draws the process in the pane beside the table.
pub(super) fn beside(app: &App, frame: &mut Frame, area: Rect, process: &Process) {
    let [header, books_place, calls_place, curves, latest] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Length(11),
        Constraint::Max(12),
        Constraint::Length(9),
        Constraint::Fill(1),
    ])
    .areas(area);
    identity(app, frame, header, process);
    books(app, frame, books_place, process);
    calls(app, frame, calls_place, process);
    charts::draw(app, frame, curves, process);
    requests(app, frame, latest);
}

fn accounts_of(app: &App, frame: &mut Frame, area: Rect, process: &Process) {
    let [left, right] = Layout::horizontal([Constraint::Max(68), Constraint::Min(38)]).spacing(2).areas(area);
    books(app, frame, left, process);
    calls(app, frame, right, process);
}

fn identity(app: &App, frame: &mut Frame, area: Rect, process: &Process) {
    let look = app.settings.look;
    let width = usize::from(area.width);
    let zone = &app.settings.zone;
    let age = age_s(process, app.model.at);
    let life = match process.end_time {
        None => format!(
            "started {} ({} ago)",
            text::date_and_clock(process.start_time.timestamp(), zone),
            text::duration(age)
        ),
        Some(end) => {
            format!("ended {} after {}", text::date_and_clock(end.timestamp(), zone), text::duration(age))
        }
    };
    let mut place = vec![format!("user {}", process.user), format!("parent {}", process.parent_pid)];
    place.extend(process.inner_pid.map(|pid| format!("pid {pid} in its container")));
    place.push(format!("{} threads", process.threads));
    place.extend(process.container.as_ref().map(|container| format!("container {container}")));
    place.extend(process.unit.as_ref().map(|unit| format!("unit {unit}")));
    let name = text::fit(&process.name, 60);
    let ended = if process.end_time.is_some() { "†" } else { "" };
    let head = format!("{ended}{name}  pid {}", process.pid);
    let lines = vec![
        Line::from(vec![Span::styled(head, look.strong()), Span::raw(format!("  {life}"))]),
        Line::raw(text::fit(&place.join(" · "), width)),
        Line::styled(text::fit(&process.command, width), look.faint()),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

/// A cause of the virtual size.
pub(super) struct Cause {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    amount: fn(&Process) -> i128,
    /// True if the cause is shown even when it is 0.
    always: bool,
}

/// Causes of the virtual size, in the order of the ledger.
pub(super) const CAUSES: &[Cause] = &[
    Cause {
        name: "opening",
        about: "when memtap first saw it",
        amount: |process| process.opening_bytes.into(),
        always: true,
    },
    Cause {
        name: "granted",
        about: "added by requests",
        amount: |process| process.granted_bytes.into(),
        always: true,
    },
    Cause {
        name: "released",
        about: "removed by requests",
        amount: |process| -i128::from(process.released_bytes),
        always: true,
    },
    Cause {
        name: "exec",
        about: "new image minus old image",
        amount: |process| process.exec_bytes.into(),
        always: false,
    },
    Cause {
        name: "stack",
        about: "stack growth",
        amount: |process| process.stack_bytes.into(),
        always: false,
    },
    Cause {
        name: "kernel",
        about: "by the kernel itself",
        amount: |process| process.kernel_bytes.into(),
        always: false,
    },
    Cause {
        name: "shared",
        about: "via a shared address space",
        amount: |process| process.shared_bytes.into(),
        always: false,
    },
    Cause {
        name: "unexplained",
        about: "no recorded cause",
        amount: |process| process.unexplained_bytes.into(),
        always: true,
    },
    Cause {
        name: "ended",
        about: "released when it ended",
        amount: |process| -i128::from(process.ended_bytes),
        always: false,
    },
];

/// Draws each cause with its sign, and the total.
fn books(app: &App, frame: &mut Frame, area: Rect, process: &Process) {
    let body = app.section(frame, area, "Ledger");
    let look = app.settings.look;
    let width = usize::from(body.width);
    let mut lines = Vec::new();
    let causes = if app.tells_requests() { CAUSES } else { &[] };
    if causes.is_empty() {
        // Without requests there are no causes, and zeros would look like measurements.
        lines.push(Line::styled(text::fit(UNSEEN, width), look.faint()));
    }
    for cause in causes {
        let amount = (cause.amount)(process);
        if amount == 0 && !cause.always {
            continue;
        }
        let bad = cause.name == "unexplained" && amount != 0;
        let sign = if amount < 0 || cause.name == "released" { "-" } else { "+" };
        let line = entry(app, sign, cause.name, amount.unsigned_abs(), cause.about, width);
        lines.push(line.style(if bad { look.bad() } else { look.plain() }));
    }
    let total = entry(app, "=", "virtual", process.virtual_bytes.into(), "", width);
    lines.push(total.style(look.strong()));
    lines.push(resident(app, process, width));
    frame.render_widget(Paragraph::new(lines), body);
}

/// Formats one entry: `+ granted   412 MiB   432,013,312  added by requests`.
fn entry(app: &App, sign: &str, name: &str, bytes: u128, about: &str, width: usize) -> Line<'static> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let mut spans = vec![Span::raw(format!("{sign} {name:<11} {:>8}", text::size(bytes)))];
    if width >= 38 {
        spans.push(Span::styled(format!(" {:>15}", text::count(bytes)), app.settings.look.faint()));
    }
    if width >= 40 + about.len() {
        spans.push(Span::styled(format!("  {about}"), app.settings.look.faint()));
    }
    Line::from(spans)
}

fn resident(app: &App, process: &Process, width: usize) -> Line<'static> {
    let kinds = process.resident;
    let size = text::narrow_size;
    let whole = format!(
        "resident {}, peak {}, swapped {}: anonymous {}, files {}, shared {}",
        size(process.resident_bytes),
        size(process.peak_resident_bytes),
        size(process.swap_bytes),
        size(kinds.anonymous_bytes),
        size(kinds.file_bytes),
        size(kinds.shmem_bytes)
    );
    let brief =
        format!("resident {}, peak {}", size(process.resident_bytes), size(process.peak_resident_bytes));
    Line::styled(if whole.len() <= width { whole } else { brief }, app.settings.look.plain())
}

/// Draws the calls by count, and then the refused requests with an explanation.
fn calls(app: &App, frame: &mut Frame, area: Rect, process: &Process) {
    let body = app.section(frame, area, "Calls");
    let look = app.settings.look;
    let row = |name: &str, count: &str, requested: &str, refused: &str| {
        format!("{name:<14} {count:>7} {requested:>7} {refused:>7}")
    };
    let mut made: Vec<(&str, &CallTotals)> = process
        .calls
        .iter()
        .filter(|(_, totals)| totals.count > 0)
        .map(|(name, totals)| (&**name, totals))
        .collect();
    made.sort_by_key(|(_, totals)| Reverse(totals.count));
    let mut lines = vec![Line::styled(row("call", "count", "reqsize", "refused"), look.faint())];
    if made.is_empty() {
        lines = vec![Line::styled(none(app, "none since memtap first saw it"), look.faint())];
    }
    lines.extend(made.iter().map(|(name, totals)| {
        let counts = [totals.count, totals.refused].map(text::narrow_count);
        let style = if totals.refused > 0 { look.bad() } else { look.plain() };
        let line =
            row(&text::fit(name, 14), &counts[0], &text::narrow_size(totals.requested_bytes), &counts[1]);
        Line::styled(line, style)
    }));
    for refusals in &process.refusals {
        let words = (app.settings.refusal_words)(&refusals.call, refusals.errno);
        let what = format!(
            "✗ {} {} × {}: ",
            text::fit(&refusals.call, 15),
            text::fit(&refusals.error, 12),
            text::count(refusals.count)
        );
        lines.push(Line::from(vec![Span::styled(what, look.bad()), Span::raw(words)]));
    }
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), body);
}

/// Text in place of requests for a source that does not observe them.
const UNSEEN: &str = "this source does not show requests";

/// Reason why there are no requests.
fn none(app: &App, reason: &'static str) -> &'static str {
    if app.tells_requests() { reason } else { UNSEEN }
}

/// Draws the stream, newest at the bottom.
fn requests(app: &App, frame: &mut Frame, area: Rect) {
    if area.height < 3 {
        return;
    }
    let title = match app.stream_offset {
        0 => "Latest requests".to_owned(),
        below => format!("Latest requests ({} newer below; press End)", text::count(below as u64)),
    };
    let body = app.section(frame, area, &title);
    let look = app.settings.look;
    let entries = app.stream.entries();
    if entries.is_empty() {
        frame.render_widget(Line::styled(none(app, "no recent requests"), look.faint()), body);
        return;
    }
    let end = entries.len() - app.stream_offset.min(entries.len());
    let begin = end.saturating_sub(body.height.into());
    let lines = entries.range(begin..end).map(|entry| match entry {
        Entry::Gap => Line::styled("… too many requests at once; some are not shown", look.faint()),
        Entry::Request(request) => request_line(app, request, body.width.into()),
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), body);
}

fn request_line(app: &App, request: &Request, width: usize) -> Line<'static> {
    let look = app.settings.look;
    let time = text::exact_clock(request.timestamp.timestamp(), &app.settings.zone);
    let lost = match request.lost_before {
        0 => String::new(),
        lost => format!(" ({} lost before)", text::count(lost.into())),
    };
    let (outcome, style) = match &request.error {
        None => (format!("{:>10}", text::signed_size(request.delta_bytes)), look.plain()),
        Some(error) => (format!("✗ {:<8}", text::fit(error, 8)), look.bad()),
    };
    let file = request.file.as_ref().map(|file| format!(" {file}")).unwrap_or_default();
    let head = format!("{time} {:<9} {:>8} ", text::fit(&request.call, 9), text::size(request.memory_size));
    let details = format!(" {:<14} {}{file}{lost}", request.address, request.arguments);
    let room = width.saturating_sub(text::width(&head) + text::width(&outcome));
    Line::from(vec![
        Span::styled(head, look.plain()),
        Span::styled(outcome, style),
        Span::styled(text::fit(&details, room), look.faint()),
    ])
}
