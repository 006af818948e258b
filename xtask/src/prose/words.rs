//! Words and phrases that texts for users may not contain, and what to write instead.

use super::Fault;

/// The words to look for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// All words.
    Documents,
    /// Words that are also wrong in string literals: those that are not terms of SQL or of the
    /// code.
    Literals,
    /// Like `Literals`, but the name of the deprecated field `mend` is allowed.
    Interface,
}

/// Words that are wrong everywhere.
const ALWAYS: [(&str, &str); 9] = [
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("anew", "again, rewrite, recreate"),
    ("whom", "who, or another sentence"),
    ("papers", "documentation"),
    ("is no source", "unknown source"),
    ("of it all", "another sentence"),
    ("borne", "another word"),
];

/// Words that are wrong in documents, help texts and the page's texts.
const IN_DOCUMENTS: [(&str, &str); 10] = [
    ("tell", "report, show, print, say"),
    ("tells", "reports, shows, prints, says"),
    ("told", "reported, shown, printed"),
    ("telling", "reporting, playback"),
    ("folder", "directory"),
    ("folders", "directories"),
    ("what waits", "queue, spool, backlog"),
    ("two looks", "two samples"),
    ("so many", "the number"),
    ("goes on", "continues"),
];

/// Finds every line of `text` that contains a word of the list.
pub(super) fn faults(text: &str, list: List) -> Vec<Fault> {
    let numbered = text.lines().zip(1..);
    numbered.flat_map(|(text, line)| in_line(text, list).map(move |text| Fault { line, text })).collect()
}

fn in_line(line: &str, list: List) -> impl Iterator<Item = String> {
    let words = words(line);
    let documents: &[_] = if list == List::Documents { &IN_DOCUMENTS } else { &[] };
    ALWAYS.iter().chain(documents).filter_map(move |(phrase, instead)| {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let appears = words.windows(phrase.len()).any(|part| part.iter().eq(&phrase));
        let is_field = list != List::Literals && phrase == ["mend"] && is_the_field(line);
        (appears && !is_field).then(|| format!("\"{}\": write {instead}", phrase.join(" ")))
    })
}

/// Returns whether `mend` appears in the line only as the old field's name, in quotes or as code.
fn is_the_field(line: &str) -> bool {
    let lower = line.to_lowercase();
    let named = lower.matches("\"mend\"").count() + lower.matches("`mend`").count();
    words(line).iter().filter(|word| *word == "mend").count() == named
}

/// Splits a line into words in lower case. A word consists of letters, digits, underscores and
/// apostrophes.
fn words(line: &str) -> Vec<String> {
    let parts = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '\'');
    parts.filter(|part| !part.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_lines(text: &str, list: List) -> Vec<usize> {
        faults(text, list).iter().map(|fault| fault.line).collect()
    }

    #[test]
    fn whole_words_are_found_in_any_case() {
        let text = "memtap says what Mends it\nan amendment\nit is no source\nit tells";
        assert_eq!(fault_lines(text, List::Documents), [1, 3, 4]);
        assert_eq!(fault_lines(text, List::Literals), [1, 3]);
    }

    #[test]
    fn the_deprecated_field_may_be_named_and_no_more() {
        assert_eq!(
            fault_lines("`fix` (`mend` is deprecated)\n\"mend\": {\nmend it, see `mend`", List::Interface),
            [3]
        );
        assert_eq!(fault_lines("{\"mend\"}", List::Literals), [1]);
    }
}
