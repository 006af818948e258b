//! Words of a command line that may hold a password.

use std::borrow::Cow;

/// The word as it may be shown: in `scheme://user:PASSWORD@host` the password is `***`.
#[must_use]
pub fn without_password(word: &str) -> Cow<'_, str> {
    shown(word).map_or(Cow::Borrowed(word), Cow::Owned)
}

fn shown(word: &str) -> Option<String> {
    let (scheme, rest) = word.split_once("://")?;
    // A password that is not percent-encoded may have an @, a / or a : of its own.
    let at = rest.rfind('@')?;
    let user = rest[..at].split_once(':')?.0;
    Some(format!("{scheme}://{user}:***{}", &rest[at..]))
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
