//! What users read: no word of the list in `words.rs`, lines that fit a terminal, links that lead somewhere. The list is a floor;
//! CONTRIBUTING.md says how to write.

mod literals;
mod markdown;
mod words;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use words::List;

/// Documents whose lines and links are checked too.
const DOCUMENTS: [&str; 4] = ["README.md", "README.es.md", "CHANGELOG.md", "docs"];
/// Other texts for users: files, or directories with all that is below them.
const TEXTS: [&str; 6] = [
    "BENCHMARKS.md",
    "docs/examples",
    "packaging",
    "web/src/i18n",
    "crates/memtap/tests/help",
    "crates/memtap-tui/tests/snapshots",
];

/// A place in a file, and what is wrong there.
struct Fault {
    line: usize,
    text: String,
}

/// Fails with all faults in everything that users read.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    let mut note = |path: &Path, found: Vec<Fault>| {
        let path = path.strip_prefix(crate::root()).unwrap_or(path).display().to_string();
        faults.extend(found.into_iter().map(|fault| format!("{path}:{}: {}", fault.line, fault.text)));
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
    note(&interface, words::faults(&literals::of_json(&read(&interface)?)?, List::Interface));
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

/// Files of these names or with these endings, sorted.
fn files(places: &[&str], endings: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for place in places {
        collect(&crate::root().join(place), endings, &mut found)?;
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn collect(place: &Path, endings: &[&str], found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !place.is_dir() {
        let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = name.rsplit_once('.').map_or(name, |(_, ending)| ending);
        if endings.contains(&ending) {
            found.push(place.to_path_buf());
        }
        return Ok(());
    }
    let entries = std::fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))?;
    entries.into_iter().try_for_each(|entry| collect(&entry?.path(), endings, found))
}
