//! Horizontal bar charts of one table column, as SVG.

use anyhow::{Context as _, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::section::{Chart, Table, number};

const WIDTH: u32 = 860;
const ROW: u32 = 30;
const MARGINS: u32 = 70;
const NAMES: u32 = 340;
const OURS: RGBColor = RGBColor(0x1d, 0x6f, 0xb8);
const OTHERS: RGBColor = RGBColor(0x9a, 0xa3, 0xad);
const INK: RGBColor = RGBColor(0x55, 0x5d, 0x66);

/// Draws memtap's bars in colour. A value of zero or less, which noise can cause, has no bar.
pub(crate) fn svg(table: &Table, chart: &Chart, alternative: &str) -> anyhow::Result<String> {
    let bars: Vec<(&str, f64)> = table
        .rows
        .iter()
        .filter_map(|row| Some((row.name.as_str(), row.figures.get(chart.column).copied().flatten()?.value)))
        .filter(|(_, value)| value.is_finite())
        .collect();
    let column = table.columns.get(chart.column).context("the chart's column")?;
    let height = MARGINS + ROW * u32::try_from(bars.len())?;
    let mut text = String::new();
    draw(&mut text, &bars, chart.is_logarithmic, &column.unit, height).map_err(|error| anyhow!("{error}"))?;
    // Add a text alternative for screen readers.
    let (opening, content) = text.split_once('>').context("an SVG")?;
    Ok(format!(
        "{opening} role=\"img\" aria-label=\"{}\">{content}",
        alternative.replace('&', "&amp;").replace('"', "&quot;")
    ))
}

fn draw(
    text: &mut String,
    bars: &[(&str, f64)],
    is_logarithmic: bool,
    unit: &str,
    height: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let place = |value: f64| if is_logarithmic { value.max(1.0).log10() } else { value.max(0.0) };
    let longest = bars.iter().map(|(_, value)| place(*value)).fold(0.0, f64::max);
    let root = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut area = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(70)
        .set_label_area_size(LabelAreaPosition::Left, NAMES)
        .set_label_area_size(LabelAreaPosition::Bottom, 36)
        .build_cartesian_2d(
            0.0..longest * 1.02 + f64::EPSILON,
            (0..bars.len() as i32 - 1).into_segmented(),
        )?;
    let size = ("sans-serif", 14).into_font().color(&INK);
    let ticks = |value: &f64| number(if is_logarithmic { 10_f64.powf(*value) } else { *value });
    let name = |place: &SegmentValue<i32>| match place {
        SegmentValue::CenterOf(index) => usize::try_from(bars.len() as i32 - 1 - index)
            .ok()
            .and_then(|index| bars.get(index))
            .map_or(String::new(), |(name, _)| plain(name)),
        _ => String::new(),
    };
    let mut mesh = area.configure_mesh();
    mesh.disable_y_mesh().light_line_style(TRANSPARENT).bold_line_style(OTHERS.mix(0.3)).axis_style(OTHERS);
    mesh.x_labels(if is_logarithmic { longest.ceil() as usize + 1 } else { 6 }).y_labels(bars.len() + 1);
    mesh.x_label_formatter(&ticks).y_label_formatter(&name).label_style(size.clone());
    mesh.x_desc(unit).draw()?;
    for (index, (name, value)) in bars.iter().enumerate() {
        let row = bars.len() as i32 - 1 - i32::try_from(index)?;
        let colour = if name.contains("memtap") { OURS } else { OTHERS };
        let ends = [(0.0, SegmentValue::Exact(row)), (place(*value), SegmentValue::Exact(row + 1))];
        let mut bar = Rectangle::new(ends, colour.filled());
        bar.set_margin(5, 5, 0, 0);
        area.draw_series([bar])?;
        let beside = size.pos(Pos::new(HPos::Left, VPos::Center));
        let at = EmptyElement::at((place(*value), SegmentValue::CenterOf(row)));
        area.draw_series([at + Text::new(number(*value), (6, 0), beside)])?;
    }
    root.present()?;
    Ok(())
}

/// Removes Markdown's marks from a name.
fn plain(name: &str) -> String {
    name.replace(['`', '*'], "")
}
