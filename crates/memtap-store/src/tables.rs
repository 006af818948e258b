//! Tables of samples, the same in every database: their columns, and the SQL that rolls up rows of
//! shorter steps into longer ones.

/// SQL for the second of the newest sample, the same in both databases.
pub(crate) const LAST_SAMPLED: &str = "SELECT MAX(sampled_s) FROM run WHERE sampled_s > 0";

/// A table of samples. Its key is run, step length, time, and `subject` if set. The other columns
/// are grouped by how they merge over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples {
    pub(crate) table: &'static str,
    /// Column for what a row is about, such as the process; `None` if a step has a single row.
    pub(crate) subject: Option<&'static str>,
    /// Sizes: the value of the last step counts.
    pub(crate) last: &'static [&'static str],
    /// Peaks: the highest value counts. NULL if there is none.
    pub(crate) highest: &'static [&'static str],
    /// Minima: the lowest value counts.
    pub(crate) least: &'static [&'static str],
    /// Activity within a step: values are summed.
    pub(crate) sums: &'static [&'static str],
}

/// Usage of one process, or of all processes together. Columns are in the order of
/// [`TickSample`](memtap_history::steps::TickSample).
pub(crate) const USAGE: Samples = Samples {
    table: "usage_sample",
    subject: Some("process_id"),
    last: &["virtual_bytes", "anonymous_bytes", "file_bytes", "shmem_bytes", "swap_bytes"],
    highest: &["peak_virtual_bytes", "peak_resident_bytes"],
    least: &[],
    sums: &[
        "requests",
        "refused",
        "requested_bytes",
        "granted_bytes",
        "released_bytes",
        "minor_faults",
        "major_faults",
    ],
};

/// The machine's memory. Columns are in the order of
/// [`machine_sizes`](memtap_history::machine_sizes).
pub(crate) const MACHINE: Samples = Samples {
    table: "machine_sample",
    subject: None,
    last: &[
        "total_bytes",
        "available_bytes",
        "free_bytes",
        "cached_bytes",
        "kernel_bytes",
        "programs_bytes",
        "swap_total_bytes",
        "swap_free_bytes",
    ],
    highest: &["pressure_some", "pressure_full"],
    least: &["least_available_bytes"],
    sums: &["lost"],
};

/// Requests of all processes by call. `subject` is the column with the call.
pub(crate) const fn calls(subject: &'static str) -> Samples {
    Samples {
        table: "call_sample",
        subject: Some(subject),
        last: &[],
        highest: &[],
        least: &[],
        sums: &["count", "requested_bytes", "refused"],
    }
}

/// SQL that differs between the databases.
pub(crate) struct Dialect {
    /// Function for the larger of two values.
    pub(crate) larger: &'static str,
    /// Function for the smaller of two values.
    pub(crate) smaller: &'static str,
    /// Clause before the assignments for a row that already exists.
    pub(crate) on_duplicate: fn(&Samples) -> String,
    /// Expression for the value of a column in the row being inserted.
    pub(crate) incoming: fn(&str) -> String,
}

impl Samples {
    /// Key columns.
    pub(crate) fn key(&self) -> String {
        self.subject.map_or("run_id, step_s, at_s".to_owned(), |of| format!("run_id, step_s, at_s, {of}"))
    }

    /// All other columns, in the order in which they are read and written.
    pub(crate) fn columns(&self) -> String {
        self.value_columns().collect::<Vec<_>>().join(", ")
    }

    fn value_columns(&self) -> impl Iterator<Item = &'static str> {
        [self.last, self.highest, self.least, self.sums].into_iter().flatten().copied()
    }

    /// Returns the statement that inserts a row: key, then columns. If the row exists, both are
    /// merged.
    pub(crate) fn insert(&self, dialect: &Dialect) -> String {
        let places =
            vec!["?"; 3 + usize::from(self.subject.is_some()) + self.value_columns().count()].join(", ");
        let Self { table, .. } = self;
        let (key, columns, into) = (self.key(), self.columns(), self.onto_row(dialect));
        format!("INSERT INTO {table} ({key}, {columns}) VALUES ({places}) {into}")
    }

    /// Returns the statement that rolls up a run's rows of `step` seconds, from `from` until
    /// `until`, into rows of `longer` seconds.
    pub(crate) fn roll_up(&self, dialect: &Dialect, [run, step, from, until, longer]: [&str; 5]) -> String {
        let Self { table, .. } = self;
        let (key, columns, into) = (self.key(), self.columns(), self.onto_row(dialect));
        let of = self
            .subject
            .map(|of| [format!("{of}, "), format!("last.{of}, "), format!(" AND last.{of} = made.{of}")]);
        let [of, last_of, same] = of.unwrap_or_default();
        let aggregates: String = [("max", self.highest), ("min", self.least), ("sum", self.sums)]
            .iter()
            .flat_map(|(word, columns)| {
                columns.iter().map(move |column| format!(", {word}({column}) AS {column}"))
            })
            .collect();
        let picked: Vec<String> = self
            .value_columns()
            .map(|column| {
                let place = if self.last.contains(&column) { "last" } else { "made" };
                format!("{place}.{column} AS {column}")
            })
            .collect();
        let picked = picked.join(", ");
        format!(
            "INSERT INTO {table} ({key}, {columns}) SELECT * FROM (SELECT {run} AS run_id, {longer} AS step_s, made.begin_s, {last_of}{picked} \
             FROM (SELECT {of}at_s - at_s % {longer} AS begin_s, max(at_s) AS last_s{aggregates} FROM {table} \
             WHERE run_id = {run} AND step_s = {step} AND at_s >= {from} AND at_s < {until} GROUP BY {of}begin_s) AS made \
             CROSS JOIN {table} AS last ON last.run_id = {run} AND last.step_s = {step} AND last.at_s = made.last_s{same}) AS complete \
             WHERE true {into}"
        )
    }

    /// Returns the clause that merges an inserted row with the earlier row of the same step.
    fn onto_row(&self, dialect: &Dialect) -> String {
        let Self { table, .. } = self;
        let Dialect { larger, smaller, on_duplicate, incoming } = dialect;
        let one = |word: &str, column: &str| {
            let (old, new) = (format!("{table}.{column}"), incoming(column));
            // A NULL value is ignored.
            format!("{column} = coalesce({word}({old}, {new}), {old}, {new})")
        };
        let last = self.last.iter().map(|column| format!("{column} = {}", incoming(column)));
        let highest = self.highest.iter().map(|column| one(larger, column));
        let least = self.least.iter().map(|column| one(smaller, column));
        let sums =
            self.sums.iter().map(|column| format!("{column} = {table}.{column} + {}", incoming(column)));
        let changes: Vec<String> = last.chain(highest).chain(least).chain(sums).collect();
        format!("{} {}", on_duplicate(self), changes.join(", "))
    }
}
