//! Charts of one process over the last minutes.

use memtap_api::Process;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use crate::app::App;
use crate::text;
use crate::track::{Sample, Track};

/// A value over time.
struct Curve {
    name: &'static str,
    style: Style,
    value: fn(&Sample) -> f64,
    written: fn(f64) -> String,
}

/// Draws virtual size, resident set and requests per second: side by side in a wide, low area, else
/// one below the other.
pub(super) fn draw(app: &App, frame: &mut Frame, area: Rect, process: &Process) {
    let look = app.settings.look;
    let curves = [
        Curve {
            name: "virtual",
            style: look.first(),
            value: |sample| sample.virtual_bytes as f64,
            written: size,
        },
        Curve {
            name: "resident",
            style: look.second(),
            value: |sample| sample.resident_bytes as f64,
            written: size,
        },
        Curve {
            name: "requests/s",
            style: look.plain(),
            value: |sample| sample.requests_per_second,
            written: text::rate,
        },
    ];
    let areas = if area.width >= 75 && area.height < 24 {
        Layout::horizontal([Constraint::Fill(1); 3]).spacing(2).split(area)
    } else {
        Layout::vertical([Constraint::Fill(1); 3]).split(area)
    };
    let none = Track::new();
    let track = app.tracks.of(process.id()).unwrap_or(&none);
    for (curve, area) in curves.iter().zip(areas.iter()) {
        one(app, frame, *area, track, curve);
    }
}

fn size(bytes: f64) -> String {
    text::narrow_size(bytes as u64)
}

fn one(app: &App, frame: &mut Frame, area: Rect, track: &Track, curve: &Curve) {
    let now = track.back().map(|sample| (curve.written)((curve.value)(sample))).unwrap_or_default();
    let plot = app.section(frame, area, &format!("{} {now}", curve.name));
    let (Some(first), Some(last)) = (track.front(), track.back()) else { return };
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    if seconds <= 0.0 || plot.height < 3 || plot.width < 16 {
        let waiting = Line::styled("the chart starts with the next update", app.settings.look.faint());
        frame.render_widget(waiting, plot);
        return;
    }
    let points: Vec<(f64, f64)> = track
        .iter()
        .map(|sample| (sample.at.duration_since(last.at).as_secs_f64(), (curve.value)(sample)))
        .collect();
    let highest = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    let data = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(curve.style)
        .data(&points);
    let faint = app.settings.look.faint();
    let ago = format!("-{}", text::duration(seconds.round() as i64));
    let x = Axis::default().style(faint).bounds([-seconds, 0.0]).labels([ago, "now".to_owned()]);
    let y =
        Axis::default().style(faint).bounds([0.0, top]).labels(["0".to_owned(), (curve.written)(highest)]);
    frame.render_widget(Chart::new(vec![data]).x_axis(x).y_axis(y), plot);
}
