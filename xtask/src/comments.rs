//! Checks the language of comments: forms of "tell", comments that open with a fragment, and long
//! lines. The check catches only the worst habits. CONTRIBUTING.md explains how to write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// Directories with source code.
const SOURCES: [&str; 5] = ["crates", "xtask", "web/src", "web/test", "e2e"];
const ENDINGS: [&str; 6] = ["rs", "c", "h", "ts", "tsx", "mjs"];
/// Files whose comments come from somewhere else.
const GENERATED: [&str; 3] = ["vmlinux.h", "api.ts", "schema.ts"];

/// Maximum length of a line of comment, in characters.
const WIDTH: usize = 100;
/// First words that mark a fragment. A reader must wait to learn what they refer to.
const FRAGMENTS: [&str; 11] =
    ["of", "what", "whom", "whose", "who", "which", "where", "how", "whether", "than", "that"];
const TELL: [&str; 4] = ["tell", "tells", "told", "telling"];

/// Limit for comments that open with a fragment, in percent.
const MOST_FRAGMENTS: f64 = 2.0;
/// Limit for forms of "tell" in 10,000 words.
const MOST_TELL: f64 = 3.0;

/// Totals over a set of comments.
#[derive(Default)]
struct Counts {
    comments: usize,
    words: usize,
    fragments: usize,
    tell: usize,
    long: usize,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.comments += other.comments;
        self.words += other.words;
        self.fragments += other.fragments;
        self.tell += other.tell;
        self.long += other.long;
    }

    fn fragment_percent(&self) -> f64 {
        100.0 * self.fragments as f64 / self.comments.max(1) as f64
    }

    fn tell_rate(&self) -> f64 {
        10_000.0 * self.tell as f64 / self.words.max(1) as f64
    }
}

/// Fails when the comments of the whole project exceed a limit.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut total = Counts::default();
    let mut long = Vec::new();
    for path in sources(&SOURCES)? {
        let (counts, faults) = read(&path)?;
        total.add(&counts);
        long.extend(faults.into_iter().filter(|fault| fault.is_long).map(|fault| fault.text));
    }
    ensure!(long.is_empty(), "lines of comment with more than {WIDTH} characters:\n{}", long.join("\n"));
    ensure!(
        total.fragment_percent() < MOST_FRAGMENTS && total.tell_rate() < MOST_TELL,
        "comments: {:.1} % open with a fragment (limit {MOST_FRAGMENTS}), {:.1} forms of \"tell\" in 10,000 words \
         (limit {MOST_TELL}). List them with `cargo xtask comments`",
        total.fragment_percent(),
        total.tell_rate()
    );
    Ok(())
}

/// Prints every fault in the files or directories given, and counts by directory.
pub(crate) fn print(places: &[String]) -> anyhow::Result<()> {
    let places: Vec<&str> =
        if places.is_empty() { SOURCES.to_vec() } else { places.iter().map(String::as_str).collect() };
    let mut by_directory: BTreeMap<PathBuf, Counts> = BTreeMap::new();
    for path in sources(&places)? {
        let (counts, faults) = read(&path)?;
        faults.iter().for_each(|fault| println!("{}", fault.text));
        let relative = path.strip_prefix(crate::root()).unwrap_or(&path);
        let directory = relative.parent().unwrap_or(relative).iter().take(2).collect();
        by_directory.entry(directory).or_default().add(&counts);
    }
    let mut total = Counts::default();
    by_directory.values().for_each(|counts| total.add(counts));
    println!(
        "{:<24} {:>8} {:>8} {:>11} {:>13} {:>6}",
        "", "comments", "words", "fragments %", "tell / 10,000", "long"
    );
    let rows = by_directory.iter().map(|(name, counts)| (name.display().to_string(), counts));
    for (name, counts) in rows.chain([("all".to_owned(), &total)]) {
        println!(
            "{name:<24} {:>8} {:>8} {:>11.1} {:>13.1} {:>6}",
            counts.comments,
            counts.words,
            counts.fragment_percent(),
            counts.tell_rate(),
            counts.long
        );
    }
    Ok(())
}

struct Fault {
    text: String,
    is_long: bool,
}

fn read(path: &Path) -> anyhow::Result<(Counts, Vec<Fault>)> {
    let source = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.strip_prefix(crate::root()).unwrap_or(path).display().to_string();
    Ok(count(&name, &source))
}

/// Counts of one file, and its faults as `FILE:LINE: ...`.
fn count(name: &str, source: &str) -> (Counts, Vec<Fault>) {
    let mut counts = Counts::default();
    let mut faults = Vec::new();
    for (line, text) in comment_lines(source) {
        if text.full.chars().count() > WIDTH && !text.comment.contains("://") {
            counts.long += 1;
            faults
                .push(Fault { text: format!("{name}:{line}: more than {WIDTH} characters"), is_long: true });
        }
    }
    for (line, comment) in comments(source) {
        let words: Vec<String> = comment.split_whitespace().map(plain).collect();
        counts.comments += 1;
        counts.words += words.len();
        if words.first().is_some_and(|word| FRAGMENTS.contains(&word.as_str())) {
            counts.fragments += 1;
            faults.push(Fault {
                text: format!("{name}:{line}: opens with a fragment: {}", beginning(&comment)),
                is_long: false,
            });
        }
        let tell = words.iter().filter(|word| TELL.contains(&word.as_str())).count();
        if tell > 0 {
            counts.tell += tell;
            faults.push(Fault {
                text: format!("{name}:{line}: says \"tell\": {}", beginning(&comment)),
                is_long: false,
            });
        }
    }
    (counts, faults)
}

/// A word in lower case without punctuation around it.
fn plain(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn beginning(comment: &str) -> String {
    comment.chars().take(70).collect()
}

/// Comments of neighbouring lines joined, each with its first line's number.
fn comments(source: &str) -> Vec<(usize, String)> {
    let mut joined: Vec<(usize, usize, String)> = Vec::new();
    for (line, text) in comment_lines(source) {
        match joined.last_mut() {
            Some((_, last, comment)) if *last + 1 == line && !text.begins => {
                comment.push(' ');
                comment.push_str(text.comment);
                *last = line;
            }
            _ if text.comment.is_empty() => {}
            _ => joined.push((line, line, text.comment.to_owned())),
        }
    }
    joined.into_iter().map(|(first, _, comment)| (first, comment)).collect()
}

struct Line<'a> {
    full: &'a str,
    comment: &'a str,
    /// The line opens a block comment.
    begins: bool,
}

/// Lines that are comments and nothing else: `//`, `///`, `//!` and `/* ... */`.
fn comment_lines(source: &str) -> impl Iterator<Item = (usize, Line<'_>)> {
    let mut in_block = false;
    source.lines().zip(1..).filter_map(move |(full, number)| {
        let text = full.trim();
        if in_block || text.starts_with("/*") {
            let begins = !in_block;
            in_block = !text.contains("*/");
            let comment = text.trim_start_matches("/*").trim_start_matches('*');
            let comment = comment.split("*/").next().unwrap_or_default().trim_matches(['*', ' ']);
            return Some((number, Line { full, comment, begins }));
        }
        let comment = text.strip_prefix("//")?.trim_start_matches(['/', '!']).trim();
        Some((number, Line { full, comment, begins: false }))
    })
}

/// All source files below the places given, as absolute paths.
fn sources(places: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for place in places {
        let place = crate::root().join(place);
        if !place.exists() {
            bail!("no such file or directory: {}", place.display());
        }
        collect(&place, &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn collect(place: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if place.is_dir() {
        if matches!(name, "node_modules" | "dist" | "target") {
            return Ok(());
        }
        let entries = std::fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))?;
        return entries.into_iter().try_for_each(|entry| collect(&entry?.path(), files));
    }
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if ENDINGS.contains(&ending) && !GENERATED.contains(&name) {
        files.push(place.to_path_buf());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "//! What users read.\nuse a;\n/// Of samples, those go\n/// that told it.\nlet a = \"// What\";\n\
                          // Plain\n//\n// words.\n/* Whom\n * it may tell */\n";

    #[test]
    fn neighbouring_lines_are_one_comment() {
        let starts: Vec<(usize, String)> = comments(SOURCE);
        let expected = [
            (1, "What users read."),
            (3, "Of samples, those go that told it."),
            (6, "Plain  words."),
            (9, "Whom it may tell"),
        ];
        assert_eq!(starts, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn fragments_tell_and_long_lines_are_counted() {
        let long = format!("{SOURCE}    // {}\n", "x".repeat(94));
        let (counts, faults) = count("a.rs", &long);
        assert_eq!((counts.comments, counts.fragments, counts.tell, counts.long), (4, 3, 2, 1));
        assert_eq!(faults.len(), 6);
        assert_eq!(count("a.rs", "// A line.\n").0.fragments, 0);
    }
}
