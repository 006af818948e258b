//! Names of programs: strangers' bytes, as a pattern chooses them and as a reader sees them.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

/// A pattern of names: `*` stands for anything, `?` for one character, `[ab]` for one of these, `{one,other}` for one of those; small and
/// capital letters are the same.
#[derive(Debug, Clone)]
pub struct NamePattern {
    text: String,
    matcher: GlobMatcher,
}

impl NamePattern {
    /// Whether the pattern is of this name.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// The longest piece that each name of the pattern contains as it stands, but for small and capital letters; a store, or the kernel,
    /// looks for it by itself.
    #[must_use]
    pub fn part(&self) -> Option<&str> {
        // What stands in brackets, braces or behind a backslash is not looked at: the pattern itself decides.
        if self.text.contains(['[', ']', '{', '}', '\\']) {
            return None;
        }
        // The store folds ASCII only.
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
    fn a_pattern_is_of_whole_names() {
        assert!(pattern("post*").is_match("Postgres"));
        assert!(pattern("postgres").is_match("postgres"));
        assert!(!pattern("post").is_match("postgres"));
        assert!(pattern("kworker*").is_match("kworker/0:1"));
        assert!(pattern("python3.1?").is_match("python3.11"));
        assert!("".parse::<NamePattern>().is_err());
        assert!("[a".parse::<NamePattern>().unwrap_err().contains("invalid pattern"));
    }

    #[test]
    fn a_store_looks_for_what_each_of_the_names_contains() {
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
