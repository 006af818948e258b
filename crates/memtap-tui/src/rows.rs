//! Selection and order of the processes in the table. All functions are pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use memtap_api::{Process, ProcessId};

use crate::column::{Column, Key};
use crate::model::Model;

/// A process with data from two successive models.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) process: Arc<Process>,
    /// Rate between the two models.
    pub(crate) requests_per_second: f64,
}

/// Returns the processes of a model: running ones by PID, then ended ones. `before` has the rows of
/// the previous model.
pub(crate) fn rows(model: &Model, before: &[Row], seconds: f64) -> Vec<Row> {
    let mut earlier = before.iter().peekable();
    let mut row = |process: &Arc<Process>| {
        // An unchanged process is the same object in memory.
        if earlier.next_if(|row| Arc::ptr_eq(&row.process, process)).is_some() {
            return Row { process: Arc::clone(process), requests_per_second: 0.0 };
        }
        while earlier.next_if(|row| row.process.pid < process.pid).is_some() {}
        let same = earlier.next_if(|row| row.process.id() == process.id());
        // A process that started since the previous model made all its requests since then.
        let known = same.map(|row| row.process.requests).or((!before.is_empty()).then_some(0));
        let fresh = process.requests.saturating_sub(known.unwrap_or(process.requests));
        let requests_per_second = if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 };
        Row { process: Arc::clone(process), requests_per_second }
    };
    let mut rows: Vec<Row> = model.living.iter().map(&mut row).collect();
    rows.extend(
        model.ended.iter().map(|process| Row { process: Arc::clone(process), requests_per_second: 0.0 }),
    );
    rows
}

/// Settings of the table.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) sort: Column,
    pub(crate) descending: bool,
    /// Only processes whose name, PID, user, command, container or unit matches; lower case.
    pub(crate) filter: String,
    /// True to include ended processes.
    pub(crate) ended: bool,
    /// True to show children below their parents.
    pub(crate) tree: bool,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Index of the line's row.
    pub(crate) row: usize,
    /// Position in the tree.
    pub(crate) branch: Branch,
}

/// Position in a tree: the depth, and a bit for each depth at which more siblings follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Branch {
    depth: u8,
    goes_on: u64,
}

/// Maximum indentation depth.
const DEEPEST: u8 = 24;

impl Branch {
    fn child(self, last: bool) -> Self {
        let depth = (self.depth + 1).min(DEEPEST);
        let bit = 1 << depth;
        Self { depth, goes_on: if last { self.goes_on & !bit } else { self.goes_on | bit } }
    }

    /// Returns the tree lines before the name.
    pub(crate) fn drawn(self) -> String {
        let mut text = String::new();
        for depth in 1..=self.depth {
            let goes_on = self.goes_on & 1 << depth != 0;
            text.push_str(match (depth == self.depth, goes_on) {
                (true, true) => "├ ",
                (true, false) => "└ ",
                (false, true) => "│ ",
                (false, false) => "  ",
            });
        }
        text
    }
}

/// Returns the lines of the table.
pub(crate) fn lines(rows: &[Row], wanted: &Wanted) -> Vec<Line> {
    let here = |row: &Row| wanted.ended || row.process.end_time.is_none();
    let mut chosen: Vec<usize> = (0..rows.len())
        .filter(|index| {
            here(&rows[*index])
                && (wanted.filter.is_empty() || matches(&rows[*index].process, &wanted.filter))
        })
        .collect();
    if wanted.tree && !wanted.filter.is_empty() {
        chosen = with_ancestors(rows, &chosen);
    }
    sort(rows, &mut chosen, wanted);
    if wanted.tree {
        as_tree(rows, &chosen)
    } else {
        chosen.into_iter().map(|row| Line { row, branch: Branch::default() }).collect()
    }
}

/// Sorts the rows. Equal ones keep the order of the rows, which is by PID.
fn sort(rows: &[Row], chosen: &mut [usize], wanted: &Wanted) {
    chosen.sort_unstable();
    // Compute each key once, instead of visiting two processes per comparison.
    let mut keyed: Vec<(Key<'_>, usize)> =
        chosen.iter().map(|index| (wanted.sort.key(&rows[*index]), *index)).collect();
    if wanted.descending {
        keyed.sort_by(|(one, _), (other, _)| other.cmp(one));
    } else {
        keyed.sort_by_key(|(key, _)| *key);
    }
    for (place, (_, index)) in chosen.iter_mut().zip(keyed) {
        *place = index;
    }
}

/// Returns whether a process matches a text in lower case.
pub(crate) fn matches(process: &Process, text: &str) -> bool {
    let has = |field: &str| field.to_lowercase().contains(text);
    has(&process.name)
        || has(&process.user)
        || process.pid.to_string() == text
        || has(&process.command)
        || process.container.as_deref().is_some_and(has)
        || process.unit.as_deref().is_some_and(has)
}

/// Returns the rows of running processes by PID.
fn parents(rows: &[Row]) -> HashMap<u32, usize> {
    let living = rows.iter().enumerate().filter(|(_, row)| row.process.end_time.is_none());
    living.map(|(index, row)| (row.process.pid, index)).collect()
}

fn with_ancestors(rows: &[Row], chosen: &[usize]) -> Vec<usize> {
    let by_pid = parents(rows);
    let mut all: HashSet<usize> = HashSet::new();
    for index in chosen {
        let mut next = Some(*index);
        while let Some(index) = next.filter(|index| all.insert(*index)) {
            next = by_pid.get(&rows[index].process.parent_pid).copied();
        }
    }
    all.into_iter().collect()
}

/// Returns the tree: siblings in the given order, each followed by its children.
fn as_tree(rows: &[Row], order: &[usize]) -> Vec<Line> {
    let by_pid = parents(rows);
    let listed: HashSet<usize> = order.iter().copied().collect();
    let parent = |index: usize| {
        let parent = by_pid.get(&rows[index].process.parent_pid).copied();
        parent.filter(|parent| *parent != index && listed.contains(parent))
    };
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for index in order {
        children.entry(parent(*index)).or_default().push(*index);
    }
    let mut lines = Vec::with_capacity(order.len());
    let mut done = vec![false; rows.len()];
    let mut open: Vec<Line> = Vec::new();
    let roots = children.remove(&None).unwrap_or_default();
    // Reused PIDs can form a cycle, which has no root. Its first process in the order becomes the
    // root.
    for root in roots.into_iter().chain(order.iter().copied()) {
        open.push(Line { row: root, branch: Branch::default() });
        while let Some(line) = open.pop() {
            if std::mem::replace(&mut done[line.row], true) {
                continue;
            }
            lines.push(line);
            let below = children.remove(&Some(line.row)).unwrap_or_default();
            let last = below.last().copied();
            let child = |row| Line { row, branch: line.branch.child(Some(row) == last) };
            open.extend(below.into_iter().rev().map(child));
        }
    }
    lines
}

/// Returns the line of a process.
pub(crate) fn position(rows: &[Row], lines: &[Line], process: ProcessId) -> Option<usize> {
    lines.iter().position(|line| rows[line.row].process.id() == process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use memtap_api::Time;

    fn process(pid: u32, parent_pid: u32, name: &str, resident_bytes: u64, requests: u64) -> Arc<Process> {
        let name = name.to_owned();
        Arc::new(Process {
            pid,
            parent_pid,
            name,
            resident_bytes,
            requests,
            user: "root".into(),
            ..Process::default()
        })
    }

    fn model(living: Vec<Arc<Process>>) -> Model {
        Model { living, ..Model::default() }
    }

    fn wanted() -> Wanted {
        Wanted { sort: Column::Resident, descending: true, filter: String::new(), ended: false, tree: false }
    }

    fn pids(rows: &[Row], wanted: &Wanted) -> Vec<u32> {
        lines(rows, wanted).iter().map(|line| rows[line.row].process.pid).collect()
    }

    fn family() -> Vec<Row> {
        let living = vec![
            process(1, 0, "init", 10, 0),
            process(2, 1, "shell", 20, 0),
            process(3, 2, "perl", 90, 0),
            process(4, 2, "grep", 50, 0),
            process(5, 1, "cron", 30, 0),
        ];
        rows(&model(living), &[], 1.0)
    }

    #[test]
    fn rates_are_differences_of_two_models() {
        let first = rows(&model(vec![process(1, 0, "a", 0, 100), process(3, 0, "c", 0, 7)]), &[], 0.0);
        assert!(first.iter().all(|row| row.requests_per_second == 0.0), "nothing is known of before");
        let born = process(2, 0, "b", 0, 10);
        let mut again = (*process(3, 0, "c", 0, 5)).clone();
        again.start_time = Timestamp::from_second(9).unwrap().into();
        let second = rows(&model(vec![process(1, 0, "a", 0, 120), born, Arc::new(again)]), &first, 2.0);
        let rates: Vec<f64> = second.iter().map(|row| row.requests_per_second).collect();
        assert_eq!(rates, [10.0, 5.0, 2.5], "the last has a pid that was another's");
    }

    #[test]
    fn sorted_both_ways_and_equals_by_pid() {
        assert_eq!(pids(&family(), &wanted()), [3, 4, 5, 2, 1]);
        assert_eq!(pids(&family(), &Wanted { descending: false, ..wanted() }), [1, 2, 5, 4, 3]);
        let by_user = Wanted { sort: Column::User, ..wanted() };
        assert_eq!(pids(&family(), &by_user), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn filtered_by_name_user_pid_or_command() {
        let filtered = |filter: &str| pids(&family(), &Wanted { filter: filter.to_owned(), ..wanted() });
        assert_eq!(filtered("re"), [4]);
        assert_eq!(filtered("5"), [5]);
        assert_eq!(filtered("root").len(), 5);
        assert_eq!(filtered("nobody"), [0; 0]);
    }

    #[test]
    fn ended_processes_are_listed_on_request() {
        let mut ended = (*process(9, 1, "gone", 0, 0)).clone();
        ended.end_time = Some(Time::default());
        let model = Model {
            living: vec![process(1, 0, "init", 10, 0)],
            ended: vec![Arc::new(ended)],
            ..Model::default()
        };
        let rows = rows(&model, &[], 1.0);
        assert_eq!(pids(&rows, &wanted()), [1]);
        assert_eq!(pids(&rows, &Wanted { ended: true, ..wanted() }), [1, 9]);
    }

    #[test]
    fn children_are_below_their_parents_and_siblings_are_sorted() {
        let rows = family();
        let tree = Wanted { tree: true, ..wanted() };
        let drawn = |tree: &Wanted| -> Vec<String> {
            let name = |line: &Line| format!("{}{}", line.branch.drawn(), rows[line.row].process.name);
            lines(&rows, tree).iter().map(name).collect()
        };
        assert_eq!(drawn(&tree), ["init", "├ cron", "└ shell", "  ├ perl", "  └ grep"]);
        // A match is shown with its ancestors.
        assert_eq!(drawn(&Wanted { filter: "perl".into(), ..tree }), ["init", "└ shell", "  └ perl"]);
        let ascending = Wanted { descending: false, ..tree };
        assert_eq!(drawn(&ascending), ["init", "├ shell", "│ ├ grep", "│ └ perl", "└ cron"]);
    }

    #[test]
    fn a_cycle_of_parents_is_listed_once_and_depth_is_limited() {
        let tree = Wanted { tree: true, ..wanted() };
        let circle = vec![process(1, 2, "a", 5, 0), process(2, 1, "b", 9, 0), process(3, 3, "c", 1, 0)];
        let mut listed = pids(&rows(&model(circle), &[], 1.0), &tree);
        listed.sort_unstable();
        assert_eq!(listed, [1, 2, 3]);
        let line: Vec<_> = (1..3000).map(|pid| process(pid, pid - 1, "a", 0, 0)).collect();
        let rows = rows(&model(line), &[], 1.0);
        let lines = lines(&rows, &tree);
        assert_eq!(lines.len(), 2999);
        assert!(lines.iter().all(|line| line.branch.drawn().chars().count() <= 2 * usize::from(DEEPEST)));
    }
}
