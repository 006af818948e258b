//! Charts of amounts over time as inline SVG: stacked areas with a step for each known interval.
//! The labels are HTML next to the drawing, so the drawing stretches with the page and the labels
//! do not.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::when::{self, Tick};
use super::{At, Audience, Span};

/// Internal size of the drawing, which is stretched to the available space.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;
/// Largest number of labels on the left axis.
const LABELS: f64 = 4.0;
/// Relative position from which a label would extend beyond the drawing.
const EDGE: f64 = 0.97;

/// Shortest step, seconds.
const SHORT_S: f64 = 1e-6;

/// Stacked areas over time.
pub(super) struct Chart {
    pub(super) title: String,
    /// Description for screen readers.
    pub(super) description: String,
    pub(super) span: Span,
    /// Length of a step, seconds.
    pub(super) step_s: f64,
    /// Start times of the steps.
    pub(super) times: Vec<At>,
    /// Layers, lowest first.
    pub(super) layers: Vec<Layer>,
    pub(super) marks: Vec<Mark>,
    pub(super) unit: Unit,
    /// Value at the full height; `None` for the highest sum.
    pub(super) top: Option<f64>,
}

/// One of the areas: a value for each step.
pub(super) struct Layer {
    pub(super) label: String,
    pub(super) colour: Colour,
    pub(super) values: Vec<f64>,
}

/// A marked moment.
pub(super) struct Mark {
    pub(super) at: At,
    pub(super) label: String,
    pub(super) is_bad: bool,
}

/// A colour of `style.css`.
#[derive(Clone, Copy)]
pub(super) enum Colour {
    /// A colour with a name.
    Named(&'static str),
    /// A colour of the palette, by its index.
    Slot(usize),
}

impl Colour {
    fn class(self) -> String {
        match self {
            Self::Named(name) => format!("c-{name}"),
            Self::Slot(slot) => format!("c-{slot}"),
        }
    }
}

/// Unit of the vertical axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    PerSecond,
}

impl Chart {
    pub(super) fn draw(&self, id: &str, audience: &Audience) -> Markup {
        let top = self.top();
        let (title, about) = (format!("{id}-title"), format!("{id}-about"));
        let bases = self.bases();
        html! {
            figure.chart {
                figcaption { (self.title) }
                div.plot {
                    div.heights aria-hidden="true" {
                        @for (value, label) in self.heights(top, audience) {
                            span style=(format!("bottom:{:.2}%", value / top * 100.0)) { (label) }
                        }
                    }
                    svg role="img" aria-labelledby=(format!("{title} {about}"))
                        viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" {
                        title id=(title) { (self.title) }
                        desc id=(about) { (self.description) }
                        rect.ground width=(WIDTH) height=(HEIGHT) {}
                        @for (index, layer) in self.layers.iter().enumerate() {
                            path class=(layer.colour.class()) d=(self.path(&bases[index], &bases[index + 1], top)) {}
                        }
                        @for (value, _) in self.heights(top, audience) {
                            path.grid d=(format!("M0 {:.1}H{WIDTH}", height(value, top))) {}
                        }
                        @for mark in &self.marks {
                            path.mark.bad[mark.is_bad] d=(format!("M{:.1} 0V{HEIGHT}", self.place(mark.at))) {}
                        }
                    }
                    div.times aria-hidden="true" {
                        @for Tick { place, label } in when::ticks(self.span, audience) {
                            @if place <= EDGE { span style=(format!("left:{:.2}%", place * 100.0)) { (label) } }
                        }
                    }
                }
                (self.legend())
            }
        }
    }

    fn legend(&self) -> Markup {
        let mut marks: Vec<&Mark> = Vec::new();
        for mark in &self.marks {
            if !marks.iter().any(|other| other.label == mark.label) {
                marks.push(mark);
            }
        }
        html! {
            ul.legend {
                @for layer in &self.layers {
                    li { span class=(format!("swatch {}", layer.colour.class())) {} (layer.label) }
                }
                @for mark in marks {
                    li { span.line.bad[mark.is_bad] {} (mark.label) }
                }
            }
        }
    }

    /// Cumulated sums for each step: below each layer, and above the last one.
    fn bases(&self) -> Vec<Vec<f64>> {
        let mut sums = vec![0.0; self.times.len()];
        let mut bases = vec![sums.clone()];
        for layer in &self.layers {
            for (sum, value) in sums.iter_mut().zip(&layer.values) {
                *sum += value.max(0.0);
            }
            bases.push(sums.clone());
        }
        bases
    }

    fn top(&self) -> f64 {
        let highest = self.bases().last().map_or(0.0, |sums| sums.iter().copied().fold(0.0, f64::max));
        // Adds 5 % above the highest sum unless the height is fixed, and never returns zero.
        self.top.map_or(highest * 1.05, |top| top.max(highest)).max(1.0)
    }

    /// Round amounts up to the top, with their labels.
    fn heights(&self, top: f64, audience: &Audience) -> Vec<(f64, String)> {
        let step = match self.unit {
            Unit::Bytes => 2_f64.powf((top / LABELS).log2().ceil()).max(1.0),
            Unit::PerSecond => round_up(top / LABELS),
        };
        let values = (0..).map(|n| f64::from(n) * step).take_while(|value| *value <= top);
        values.map(|value| (value, self.label(value, audience))).collect()
    }

    fn label(&self, value: f64, audience: &Audience) -> String {
        match self.unit {
            Unit::Bytes => {
                // Ticks are powers of two, so all decimals are zeros.
                let label = crate::bytes(value as u64, audience.lang);
                let (amount, unit) = label.split_once(' ').unwrap_or((&label, ""));
                let whole = amount.split(['.', ',']).next().unwrap_or(amount);
                format!("{whole} {unit}")
            }
            Unit::PerSecond if value < 10.0 && value.fract() > 0.0 => {
                format!("{}/s", crate::decimal(value, 1, audience.lang))
            }
            Unit::PerSecond => format!("{}/s", crate::count(value as u64, audience.lang)),
        }
    }

    fn place(&self, at: At) -> f64 {
        (self.span.from.seconds_to(at) / self.span.seconds().max(1e-9)).clamp(0.0, 1.0) * WIDTH
    }

    /// Start and end of a step in the drawing.
    fn step(&self, index: usize) -> (f64, f64) {
        let from = self.times[index];
        let to =
            At(memtap_model::WallClock(from.0.0.saturating_add((self.step_s.max(SHORT_S) * 1e9) as i64)));
        (self.place(from), self.place(to))
    }

    /// Highest value of a layer in each column; `None` where no data is known.
    pub(super) fn columns(&self, layer: &Layer, columns: usize) -> Vec<Option<f64>> {
        let mut highest = vec![None; columns];
        let broad = WIDTH / columns.max(1) as f64;
        for (index, value) in layer.values.iter().enumerate().take(self.times.len()) {
            let (from, to) = self.step(index);
            let first = (from / broad) as usize;
            let last = ((to / broad).ceil() as usize).clamp(first + 1, columns.max(first + 1));
            for column in highest.iter_mut().take(last).skip(first) {
                *column = Some(column.map_or(*value, |known: f64| known.max(*value)));
            }
        }
        highest
    }

    /// Index of the column that contains a moment.
    pub(super) fn column(&self, at: At, columns: usize) -> usize {
        ((self.place(at) / WIDTH * columns as f64) as usize).min(columns.saturating_sub(1))
    }

    /// Outline of the area between two sums. Unknown steps stay open.
    fn path(&self, below: &[f64], above: &[f64], top: f64) -> String {
        let mut path = String::new();
        for (first, last) in self.stretches() {
            let steps = first..=last;
            let (begin, _) = self.step(first);
            let _ = write!(path, "M{begin:.1} {:.1}", height(below[first], top));
            for step in steps.clone() {
                let _ = write!(path, "V{:.1}H{:.1}", height(above[step], top), self.step(step).1);
            }
            for step in steps.rev() {
                let _ = write!(path, "V{:.1}H{:.1}", height(below[step], top), self.step(step).0);
            }
            path.push('Z');
        }
        path
    }

    /// Runs of consecutive steps, each with its first and last index.
    fn stretches(&self) -> Vec<(usize, usize)> {
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        for index in 0..self.times.len() {
            let follows =
                |last: usize| self.times[last].seconds_to(self.times[index]) < self.step_s.max(SHORT_S) * 1.5;
            match stretches.last_mut() {
                Some((_, last)) if follows(*last) => *last = index,
                _ => stretches.push((index, index)),
            }
        }
        stretches
    }
}

fn height(value: f64, top: f64) -> f64 {
    HEIGHT * (1.0 - (value / top).clamp(0.0, 1.0))
}

/// Rounds up to the next of 1, 2, 5, 10, 20, 50 and so on, or their tenths.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(0.1).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    factors.into_iter().map(|factor| factor * power).find(|step| *step >= value).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use memtap_model::WallClock;

    use super::*;
    use crate::Lang;

    fn at(second: i64) -> At {
        At(WallClock((1_795_521_600 + second) * 1_000_000_000))
    }

    /// A chart with one layer of these values and steps of ten seconds that start at `times`.
    fn chart(times: &[i64], values: &[f64]) -> Chart {
        Chart {
            title: "<title>".to_owned(),
            description: String::new(),
            span: Span { from: at(0), to: at(100) },
            step_s: 10.0,
            times: times.iter().map(|second| at(*second)).collect(),
            layers: vec![Layer { label: "x".to_owned(), colour: Colour::Slot(0), values: values.to_vec() }],
            marks: Vec::new(),
            unit: Unit::PerSecond,
            top: Some(10.0),
        }
    }

    #[test]
    fn an_area_has_one_stair_for_each_step() {
        let chart = chart(&[0, 10], &[5.0, 10.0]);
        let bases = chart.bases();
        assert_eq!(
            chart.path(&bases[0], &bases[1], 10.0),
            "M0.0 200.0V100.0H100.0V0.0H200.0V200.0H100.0V200.0H0.0Z"
        );
    }

    #[test]
    fn unknown_steps_stay_open() {
        let chart = chart(&[0, 10, 50, 60, 90], &[1.0; 5]);
        assert_eq!(chart.stretches(), [(0, 1), (2, 3), (4, 4)]);
        let bases = chart.bases();
        assert_eq!(chart.path(&bases[0], &bases[1], 10.0).matches('M').count(), 3);
    }

    #[test]
    fn a_column_shows_the_highest_of_its_steps() {
        let chart = chart(&[0, 10, 20, 50], &[1.0, 3.0, 2.0, 4.0]);
        let few = chart.columns(&chart.layers[0], 5);
        assert_eq!(few, [Some(3.0), Some(2.0), Some(4.0), None, None]);
        let many = chart.columns(&chart.layers[0], 20);
        assert_eq!(many[..6], [Some(1.0), Some(1.0), Some(3.0), Some(3.0), Some(2.0), Some(2.0)]);
        assert_eq!((many[6], many[10], many[11], many[12]), (None, Some(4.0), Some(4.0), None));
        assert_eq!([0, 59, 100, 300].map(|second| chart.column(at(second), 5)), [0, 2, 4, 4]);
    }

    #[test]
    fn labels_are_at_round_amounts() {
        let audience = Audience { lang: Lang::En, zone: jiff::tz::TimeZone::UTC };
        let mut chart = chart(&[0], &[1.0]);
        let labels = |chart: &Chart, top: f64| {
            chart.heights(top, &audience).into_iter().map(|(_, label)| label).collect::<Vec<_>>()
        };
        assert_eq!(labels(&chart, 1000.0), ["0/s", "500/s", "1,000/s"]);
        assert_eq!(labels(&chart, 1.0), ["0/s", "0.5/s", "1/s"]);
        chart.unit = Unit::Bytes;
        assert_eq!(labels(&chart, 15.0 * f64::from(1 << 30)), ["0 B", "4 GiB", "8 GiB", "12 GiB"]);
    }

    #[test]
    fn an_empty_chart_can_be_drawn() {
        let audience = Audience { lang: Lang::En, zone: jiff::tz::TimeZone::UTC };
        let mut empty = chart(&[], &[]);
        empty.top = None;
        let drawn = empty.draw("x", &audience).into_string();
        assert!(
            drawn.contains("&lt;title&gt;") && !drawn.contains("NaN") && !drawn.contains("<title><"),
            "{drawn}"
        );
    }
}
