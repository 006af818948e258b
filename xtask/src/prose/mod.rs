//! Checks the texts that users read: no word of the list in `words.rs`, lines that fit a terminal,
//! and links with an existing target. The list catches only the worst habits. CONTRIBUTING.md
//! explains how to write.

mod literals;
mod markdown;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use words::List;

/// Documents whose lines and links are checked as well.
const DOCUMENTS: [&str; 4] = ["README.md", "README.es.md", "CHANGELOG.md", "docs"];
/// Other texts for users: files, and directories with everything below them.
const TEXTS: [&str; 6] = [
    "BENCHMARKS.md",
    "docs/examples",
    "packaging",
    "web/src/i18n",
    "crates/memtap/tests/help",
    "crates/memtap-tui/tests/snapshots",
];

/// A line of a file, and what is wrong there.
struct Fault {
    line: usize,
    text: String,
}

/// Fails if any text for users has a fault, and lists all faults. Fails as well if the comments of
/// the code exceed their limits.
pub(crate) fn check() -> anyhow::Result<()> {
    crate::comments::check()?;
    let mut faults = Vec::new();
    let mut note = |path: &Path, new: Vec<Fault>| {
        let path = path.strip_prefix(crate::root()).unwrap_or(path).display().to_string();
        faults.extend(new.into_iter().map(|fault| format!("{path}:{}: {}", fault.line, fault.text)));
    };
    for path in files(&DOCUMENTS, &["md"])? {
        let text = read(&path)?;
        note(&path, words::faults(&text, List::Documents));
        note(&path, markdown::faults(&path, &text));
    }
    for path in files(&TEXTS, &["md", "c", "env", "service", "yaml", "Dockerfile", "control", "ts", "snap"])?
    {
        note(&path, words::faults(&read(&path)?, List::Documents));
    }
    let interface = crate::root().join("docs/openapi.json");
    note(&interface, words::faults(&literals::json_strings(&read(&interface)?)?, List::Interface));
    for path in files(&["crates"], &["rs"])? {
        if literals::is_shown(&path) {
            note(&path, literals::faults(&read(&path)?).with_context(|| path.display().to_string())?);
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("texts for users have {} faults:\n{}", faults.len(), faults.join("\n"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Files with these names or extensions, sorted.
fn files(places: &[&str], endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for place in places {
        collect(&crate::root().join(place), endings, &mut paths)?;
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn collect(place: &Path, endings: &[&str], paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !place.is_dir() {
        let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
        if endings.contains(&ending) {
            paths.push(place.to_path_buf());
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))?;
    entries.into_iter().try_for_each(|entry| collect(&entry?.path(), endings, paths))
}
