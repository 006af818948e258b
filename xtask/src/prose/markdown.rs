//! Checks Markdown: the length of lines, and the targets of links.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Fault;

/// Maximum length of a line of prose, in characters.
const LINE: usize = 120;

/// Lines of prose that are too long, and links to missing files or headings.
pub(super) fn faults(path: &Path, text: &str) -> Vec<Fault> {
    let document = Document::read(text);
    let mut faults = document.long_lines(text);
    let broken = document.links.iter().filter(|(target, _)| !leads_somewhere(path, &document, target));
    faults.extend(broken.map(|(target, at)| Fault {
        line: line_at(text, *at),
        text: format!("the link {target} leads nowhere"),
    }));
    faults
}

/// The parts of a document that are checked.
#[derive(Default)]
struct Document {
    /// Byte ranges of tables, code and HTML, where lines may be long.
    wide: Vec<Range<usize>>,
    /// Links and images, each with the byte offset where it begins.
    links: Vec<(String, usize)>,
    /// Anchors of the document's headings.
    anchors: HashSet<String>,
}

impl Document {
    fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut heading: Option<String> = None;
        for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Table(_) | Tag::CodeBlock(_) | Tag::HtmlBlock) => document.wide.push(place),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document.links.push((dest_url.into_string(), place.start));
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    document.anchors.extend(heading.take().map(|heading| anchor(&heading)));
                }
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&part);
                    }
                }
                _ => {}
            }
        }
        document
    }

    fn long_lines(&self, text: &str) -> Vec<Fault> {
        let mut start = 0;
        let mut faults = Vec::new();
        for (line, number) in text.split_inclusive('\n').zip(1..) {
            let length = line.trim_end().chars().count();
            let end = start + line.len();
            let is_wide = self.wide.iter().any(|wide| wide.start < end && start < wide.end);
            if length > LINE && !is_wide {
                faults.push(Fault { line: number, text: format!("{length} characters, at most {LINE}") });
            }
            start = end;
        }
        faults
    }
}

/// Anchor of a heading as GitHub generates it: lower case, hyphens for spaces, no other
/// punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Returns whether the target of a link exists. Links to other sites are not checked.
fn leads_somewhere(path: &Path, document: &Document, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (file, place) = target.split_once('#').map_or((target, None), |(file, place)| (file, Some(place)));
    if file.is_empty() {
        return place.is_some_and(|place| document.anchors.contains(place));
    }
    let file = path.with_file_name(file);
    match place {
        None => file.exists(),
        Some(place) => {
            std::fs::read_to_string(&file).is_ok_and(|text| Document::read(&text).anchors.contains(place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_long_in_prose_only() {
        let long = "word ".repeat(30);
        let text = format!(
            "{long}\n\n    {long}\n\n| {long} |\n| --- |\n| {long} |\n\n```\n{long}\n```\n\n- {long}\n"
        );
        let lines: Vec<usize> =
            Document::read(&text).long_lines(&text).iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 13]);
    }

    #[test]
    fn links_lead_to_files_and_headings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        std::fs::write(folder.path().join("other.md"), "# The `--nice` option, and more\n").unwrap();
        let text = "# Here\n[a](#here) [b](other.md) [c](other.md#the---nice-option-and-more) <https://example.org/x>\n\
                    [d](#there)\n![e](none.png)\n[f](other.md#here)\n";
        let lines: Vec<usize> = faults(&path, text).iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [3, 4, 5]);
    }
}
