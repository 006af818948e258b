//! Texts inside code and data: string literals of Rust, and strings of JSON.

use std::path::Path;

use anyhow::Context as _;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;

use super::Fault;
use super::words::{self, List};

/// Returns whether users may see the text in this source file: it belongs to a program and is not a
/// test.
pub(super) fn is_shown(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().filter_map(|part| part.to_str()).collect();
    parts.contains(&"src") && !parts.iter().any(|part| matches!(*part, "tests" | "tests.rs"))
}

/// Faults in the string literals of a source file, without comments and tests.
pub(super) fn faults(source: &str) -> anyhow::Result<Vec<Fault>> {
    let tokens: TokenStream =
        source.parse().map_err(|error| anyhow::anyhow!("cannot be read as Rust: {error}"))?;
    let mut faults = Vec::new();
    in_tokens(tokens, &mut faults);
    Ok(faults)
}

fn in_tokens(tokens: TokenStream, faults: &mut Vec<Fault>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut is_test = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                // `#[...]` or `#![...]`. A doc comment is the attribute `doc`.
                tokens.next_if(|next| matches!(next, TokenTree::Punct(mark) if mark.as_char() == '!'));
                if let Some(TokenTree::Group(attribute)) = tokens.next() {
                    let name = attribute.stream().into_iter().next().map(|name| name.to_string());
                    match name.as_deref() {
                        Some("doc" | "expect" | "allow") => {}
                        Some("cfg") => is_test |= attribute.to_string().contains("(test)"),
                        _ => in_tokens(attribute.stream(), faults),
                    }
                }
            }
            TokenTree::Group(group) => {
                let ends_item = group.delimiter() == Delimiter::Brace;
                if !(is_test && ends_item) {
                    in_tokens(group.stream(), faults);
                }
                is_test &= !ends_item;
            }
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                let text = literal.to_string().replace("\\n", " ");
                // The deprecated field is the only literal that may contain this word.
                let is_text = text.starts_with(['"', 'r']) && text != "\"mend\"";
                let in_literal = is_text.then(|| words::faults(&text, List::Literals));
                faults.extend(
                    in_literal
                        .into_iter()
                        .flatten()
                        .map(|fault| Fault { line: line + fault.line - 1, ..fault }),
                );
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => is_test = false,
            TokenTree::Punct(_) | TokenTree::Ident(_) => {}
        }
    }
}

/// All string values of a JSON document, one per line. Names of fields are not included.
pub(super) fn json_strings(document: &str) -> anyhow::Result<String> {
    let document: Value = serde_json::from_str(document).context("cannot be read as JSON")?;
    let mut lines = Vec::new();
    strings(&document, &mut lines);
    Ok(lines.join("\n"))
}

fn strings(value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            lines.push(if text == "mend" { "\"mend\"".to_owned() } else { text.replace('\n', " ") })
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, lines)),
        Value::Object(values) => values.iter().for_each(|(_, value)| strings(value, lines)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_and_comments_and_tests_are_not() {
        let source = "//! what mends it\n/// papers\n#[error(\"whom\")]\nfn f() -> &'static str {\n    // anew\n    g(\"begins\n anew\");\n    \
                      \"mended\"\n}\n#[cfg(test)]\nmod tests { const A: &str = \"anew\"; }\nconst B: &str = r\"papers\";";
        let lines: Vec<usize> = faults(source).unwrap().iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [3, 7, 8, 12]);
    }

    #[test]
    fn tests_are_not_shown() {
        let shown =
            ["crates/a/src/b.rs", "crates/a/src/b/tests.rs", "crates/a/tests/c.rs", "crates/a/examples/d.rs"];
        assert_eq!(shown.map(|path| is_shown(Path::new(path))), [true, false, false, false]);
    }
}
