//! Names of programs, which are untrusted: selecting them by a pattern, and showing them safely.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

/// A pattern for names: `*` matches any text, `?` one character, `[ab]` one of these characters,
/// and `{one,other}` one of these texts. Case is ignored.
#[derive(Debug, Clone)]
pub struct NamePattern {
    text: String,
    matcher: GlobMatcher,
}

impl NamePattern {
    /// Returns whether the pattern matches the name.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// Returns the longest text that every matching name contains, ignoring case. A store, or the
    /// kernel, can use it to preselect names.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        // Brackets, braces and backslashes are left to the pattern itself.
        if self.text.contains(['[', ']', '{', '}', '\\']) {
            return None;
        }
        // The store ignores case for ASCII only.
        let pieces = self.text.split(['*', '?']).filter(|piece| !piece.is_empty() && piece.is_ascii());
        pieces.max_by_key(|piece| piece.len())
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let glob = GlobBuilder::new(text).case_insensitive(true).backslash_escape(true).build();
        match glob {
            Ok(glob) if !text.is_empty() => {
                Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
            }
            Ok(_) => Err("the pattern is empty; use, for example, postgres or 'python*'".to_owned()),
            Err(error) => Err(format!("invalid pattern '{text}': {}", error.kind())),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NamePattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        assert!(pattern("post*").is_match("Postgres"));
        assert!(pattern("postgres").is_match("postgres"));
        assert!(!pattern("post").is_match("postgres"));
        assert!(pattern("kworker*").is_match("kworker/0:1"));
        assert!(pattern("python3.1?").is_match("python3.11"));
        assert!("".parse::<NamePattern>().is_err());
        assert!("[a".parse::<NamePattern>().unwrap_err().contains("invalid pattern"));
    }

    #[test]
    fn a_pattern_gives_the_text_that_all_its_names_contain() {
        for (text, part) in [
            ("post*", Some("post")),
            ("*a?server*", Some("server")),
            ("*", None),
            ("[ab]c", None),
            ("ñandú*x", Some("x")),
        ] {
            assert_eq!(pattern(text).part(), part, "{text}");
        }
    }
}
