//! Charts as one row of bars for each layer. All rows have the same scale, so they can be compared.

use textwrap::core::display_width;

use super::super::chart::{Chart, Unit};
use super::super::outline::Cell;
use super::super::when;
use super::Text;
use super::screen::{ASIDE, DRAWN, SERIOUS, TITLE};

/// Divisor of the line for the width of a label, and the width of the amount on the right.
const LABEL_PART: usize = 4;
const AMOUNT: usize = 12;
/// Largest number of bars: more do not show more.
const MOST: usize = 96;
/// Blanks before each line, and before the bars.
const INDENT: usize = 2;

impl Text<'_> {
    pub(super) fn chart(&mut self, chart: &Chart) {
        let labels: Vec<String> = chart
            .layers
            .iter()
            .map(|layer| &layer.label)
            .chain(chart.marks.iter().map(|mark| &mark.label))
            .map(|label| self.screen.plain(label))
            .collect();
        let broadest = labels.iter().map(|label| display_width(label)).max().unwrap_or(0);
        let label_width = broadest.min(self.screen.width / LABEL_PART);
        let left = self.screen.width.saturating_sub(label_width + AMOUNT + 2 * INDENT);
        let columns = left.min(MOST);
        let highest = self.audience.lang.pick("highest bar", "barra máxima");
        let title = self.fitted(&self.screen.plain(&chart.title), label_width + INDENT + columns);
        let title = format!("  {title}{highest:>AMOUNT$}");
        self.painted(TITLE, &title);
        self.layers(chart, label_width, columns);
        self.marks(chart, label_width, columns);
        let times = self.times(chart, columns);
        self.painted(ASIDE, &format!("{}{times}", " ".repeat(label_width + 2 * INDENT)));
    }

    fn layers(&mut self, chart: &Chart, label_width: usize, columns: usize) {
        let rows: Vec<Vec<Option<f64>>> =
            chart.layers.iter().map(|layer| chart.columns(layer, columns)).collect();
        let top = rows.iter().flatten().flatten().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        for (layer, row) in chart.layers.iter().zip(rows) {
            let heights: String =
                row.iter().map(|value| value.map_or(' ', |value| self.screen.height(value / top))).collect();
            let most = layer.values.iter().copied().fold(0.0, f64::max);
            let most = match chart.unit {
                Unit::Bytes => Cell::Bytes(most as u64),
                Unit::PerSecond => Cell::PerSecond(most),
            };
            let (label, most) =
                (self.fitted(&self.screen.plain(&layer.label), label_width), self.cell(&most));
            let heights = self.screen.paint(DRAWN, &heights);
            self.line(&format!("  {label}  {heights}{most:>AMOUNT$}"));
        }
    }

    /// Writes a line for each kind of mark.
    fn marks(&mut self, chart: &Chart, label_width: usize, columns: usize) {
        let mut kinds: Vec<&str> = chart.marks.iter().map(|mark| mark.label.as_str()).collect();
        kinds.dedup();
        for kind in kinds {
            let marks: Vec<_> = chart.marks.iter().filter(|mark| mark.label == kind).collect();
            let mut places = vec![' '; columns];
            for mark in &marks {
                if let Some(place) = places.get_mut(chart.column(mark.at, columns)) {
                    *place = self.screen.mark();
                }
            }
            let places: String = places.iter().collect();
            let style = if marks.iter().any(|mark| mark.is_bad) { SERIOUS } else { ASIDE };
            let places = self.screen.paint(style, places.trim_end());
            let label = self.fitted(&self.screen.plain(kind), label_width);
            self.line(&format!("  {label}  {places}"));
        }
    }

    /// Times below the bars, at their positions.
    fn times(&self, chart: &Chart, columns: usize) -> String {
        let mut line = String::new();
        for tick in when::ticks(chart.span, self.audience) {
            let place = (tick.place * columns as f64) as usize;
            let has_room = line.is_empty() || place > line.len();
            if has_room && place + tick.label.len() <= columns {
                line = format!("{line:<place$}{}", tick.label);
            }
        }
        line
    }
}
