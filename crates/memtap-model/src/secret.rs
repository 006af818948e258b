//! Removal of passwords from words of a command line.

use std::borrow::Cow;

/// Replaces the password in `scheme://user:PASSWORD@host` with `***`. Other words are returned
/// unchanged.
#[must_use]
pub fn without_password(word: &str) -> Cow<'_, str> {
    hide_password(word).map_or(Cow::Borrowed(word), Cow::Owned)
}

fn hide_password(word: &str) -> Option<String> {
    let (scheme, address) = word.split_once("://")?;
    // A password that is not percent-encoded may contain `@`, `/` or `:`.
    let at = address.rfind('@')?;
    let user = address[..at].split_once(':')?.0;
    Some(format!("{scheme}://{user}:***{}", &address[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passwords_are_hidden() {
        for (word, expected) in [
            ("mysql://me:secret@db:3306/memtap", "mysql://me:***@db:3306/memtap"),
            ("--store=mysql://me:s@c/r:t@db/memtap", "--store=mysql://me:***@db/memtap"),
            ("mysql://:secret@db", "mysql://:***@db"),
            ("mysql://me@db:3306/memtap", "mysql://me@db:3306/memtap"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("sqlite:/tmp/a@b:c.db", "sqlite:/tmp/a@b:c.db"),
        ] {
            assert_eq!(without_password(word), expected);
        }
    }
}
