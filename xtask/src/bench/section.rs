//! Sections of the benchmark page: tables of figures and their charts. They are written as JSON for
//! programs, and in BENCHMARKS.md for people.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::figure::Figure;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) title: String,
    /// Date and machine of the measurement.
    pub(crate) measured: String,
    /// Method of the measurement, in Markdown.
    pub(crate) about: String,
    pub(crate) tables: Vec<Table>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    /// Notes below the table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) notes: String,
    /// Chart of one column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chart: Option<Chart>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) unit: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// One figure for each column; `None` if it was not measured.
    pub(crate) figures: Vec<Option<Figure>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Chart {
    pub(crate) column: usize,
    /// Uses a logarithmic scale: each grid line is ten times the previous one.
    pub(crate) is_logarithmic: bool,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[(&str, &str)]) -> Self {
        let column =
            |(name, unit): &(&str, &str)| Column { name: (*name).to_owned(), unit: (*unit).to_owned() };
        Self { title: title.to_owned(), columns: columns.iter().map(column).collect(), ..Self::default() }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, figures: Vec<Option<Figure>>) {
        self.rows.push(Row { name: name.into(), figures });
    }

    pub(crate) fn with_chart(mut self, column: usize, is_logarithmic: bool) -> Self {
        self.chart = Some(Chart { column, is_logarithmic });
        self
    }
}

impl Section {
    /// File name of a table's chart.
    pub(crate) fn chart_name(&self, table: usize) -> String {
        if table == 0 { format!("{}.svg", self.name) } else { format!("{}-{}.svg", self.name, table + 1) }
    }

    pub(crate) fn markdown(&self) -> Result<String, std::fmt::Error> {
        let mut text = format!("\n## {}\n\n{}\n\n_{}_\n", self.title, self.about.trim(), self.measured);
        for (index, table) in self.tables.iter().enumerate() {
            if !table.title.is_empty() {
                write!(text, "\n**{}**\n", table.title)?;
            }
            table.markdown(&mut text)?;
            if table.chart.is_some() {
                write!(
                    text,
                    "\n![{}](docs/bench/{})\n",
                    alternative(&self.title, table),
                    self.chart_name(index)
                )?;
            }
        }
        Ok(text)
    }
}

fn alternative(title: &str, table: &Table) -> String {
    if table.title.is_empty() { title.to_owned() } else { format!("{title}: {}", table.title) }
}

impl Table {
    fn markdown(&self, text: &mut String) -> std::fmt::Result {
        text.push_str("\n| |");
        for column in &self.columns {
            let unit = if column.unit.is_empty() { String::new() } else { format!(", {}", column.unit) };
            write!(text, " {}{unit} |", column.name)?;
        }
        write!(text, "\n| --- |{}\n", " ---: |".repeat(self.columns.len()))?;
        for row in &self.rows {
            write!(text, "| {} |", row.name)?;
            for figure in &row.figures {
                match figure {
                    None => text.push_str(" |"),
                    Some(Figure { value, spread: None }) => write!(text, " {} |", number(*value))?,
                    Some(Figure { value, spread: Some((low, high)) }) => {
                        write!(text, " {} ({} to {}) |", number(*value), number(*low), number(*high))?;
                    }
                }
            }
            text.push('\n');
        }
        if !self.notes.is_empty() {
            write!(text, "\n{}\n", self.notes)?;
        }
        Ok(())
    }
}

/// Formats a number with its significant digits only.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    let plain = format!("{value:.decimals$}");
    if decimals > 0 || plain.len() <= 4 {
        return plain;
    }
    // Group the digits by thousands.
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    format!("{sign}{}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let all = [0.0, 3.0, 0.0123, 0.456, 12.34, 345.6, 1234.5, 51_281.0, 1_234_567.8, -12_345.0];
        let formatted = all.map(number);
        assert_eq!(
            formatted,
            ["0", "3", "0.0123", "0.46", "12.3", "346", "1234", "51,281", "1,234,568", "-12,345"]
        );
    }
}
