//! The tables of samples, the same in every database: what their columns are, and how rows of shorter steps become rows of longer ones.

/// The last second of which a sample is stored.
pub(crate) const LAST_SAMPLED: &str = "SELECT MAX(sampled_s) FROM run WHERE sampled_s > 0";

/// One table. Its rows are told apart by run, step, time, and what they are of; each other column has its own way through time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples {
    pub(crate) table: &'static str,
    /// The column that says what a row is of; `None` where a step has one row.
    pub(crate) of: Option<&'static str>,
    /// Sizes: of several steps, the last one's.
    pub(crate) last: &'static [&'static str],
    /// The highest; NULL where there was none.
    pub(crate) highest: &'static [&'static str],
    /// The least.
    pub(crate) least: &'static [&'static str],
    /// What was done within a step: it adds up.
    pub(crate) sums: &'static [&'static str],
}

/// Of one process, or of all together: in the order of [`crate::steps::Told`].
pub(crate) const USAGE: Samples = Samples {
    table: "usage_sample",
    of: Some("process_id"),
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

/// Of the machine's memory: in the order of [`crate::machine::sizes`].
pub(crate) const MACHINE: Samples = Samples {
    table: "machine_sample",
    of: None,
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

/// Of all processes' requests of one call, which the column `of` names.
pub(crate) const fn calls(of: &'static str) -> Samples {
    Samples {
        table: "call_sample",
        of: Some(of),
        last: &[],
        highest: &[],
        least: &[],
        sums: &["count", "requested_bytes", "refused"],
    }
}

/// What the databases have other words for.
pub(crate) struct Dialect {
    /// The larger of two values.
    pub(crate) larger: &'static str,
    /// The smaller.
    pub(crate) smaller: &'static str,
    /// What comes before the changes of a row that is there already.
    pub(crate) if_there: fn(&Samples) -> String,
    /// What the new row would have in a column.
    pub(crate) new: fn(&str) -> String,
}

impl Samples {
    /// What tells rows apart.
    pub(crate) fn key(&self) -> String {
        self.of.map_or("run_id, step_s, at_s".to_owned(), |of| format!("run_id, step_s, at_s, {of}"))
    }

    /// The columns behind the key, as they are read and written.
    pub(crate) fn columns(&self) -> String {
        self.each().collect::<Vec<_>>().join(", ")
    }

    fn each(&self) -> impl Iterator<Item = &'static str> {
        [self.last, self.highest, self.least, self.sums].into_iter().flatten().copied()
    }

    /// Inserts a row: key and columns. Where the step has one already, both become one.
    pub(crate) fn insert(&self, dialect: &Dialect) -> String {
        let places = vec!["?"; 3 + usize::from(self.of.is_some()) + self.each().count()].join(", ");
        let Self { table, .. } = self;
        let (key, columns, into) = (self.key(), self.columns(), self.onto_row(dialect));
        format!("INSERT INTO {table} ({key}, {columns}) VALUES ({places}) {into}")
    }

    /// Puts a run's rows of `step` seconds from `from` until `until` together into rows of `longer` seconds.
    pub(crate) fn put_together(
        &self,
        dialect: &Dialect,
        [run, step, from, until, longer]: [&str; 5],
    ) -> String {
        let Self { table, .. } = self;
        let (key, columns, into) = (self.key(), self.columns(), self.onto_row(dialect));
        let of = self
            .of
            .map(|of| [format!("{of}, "), format!("last.{of}, "), format!(" AND last.{of} = made.{of}")]);
        let [of, last_of, same] = of.unwrap_or_default();
        let aggregates: String = [("max", self.highest), ("min", self.least), ("sum", self.sums)]
            .iter()
            .flat_map(|(word, columns)| {
                columns.iter().map(move |column| format!(", {word}({column}) AS {column}"))
            })
            .collect();
        let picked: Vec<String> = self
            .each()
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

    /// A later row of the same step: what becomes of each column.
    fn onto_row(&self, dialect: &Dialect) -> String {
        let Self { table, .. } = self;
        let Dialect { larger, smaller, if_there, new } = dialect;
        let one = |word: &str, column: &str| {
            let (old, new) = (format!("{table}.{column}"), new(column));
            // Neither counts while it is NULL.
            format!("{column} = coalesce({word}({old}, {new}), {old}, {new})")
        };
        let last = self.last.iter().map(|column| format!("{column} = {}", new(column)));
        let highest = self.highest.iter().map(|column| one(larger, column));
        let least = self.least.iter().map(|column| one(smaller, column));
        let sums = self.sums.iter().map(|column| format!("{column} = {table}.{column} + {}", new(column)));
        let changes: Vec<String> = last.chain(highest).chain(least).chain(sums).collect();
        format!("{} {}", if_there(self), changes.join(", "))
    }
}
