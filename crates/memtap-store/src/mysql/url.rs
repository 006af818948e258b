//! `mysql://USER:PASSWORD@HOST:PORT/DATABASE?tls=...`: parsed, and shown without its secret.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::StoreError;

const DEFAULT_PORT: u16 = 3306;
const PORT: &str = "the port in the mysql:// URL must be a number from 1 to 65535";
const ENCODE: &str = "cannot parse the mysql:// URL (in a user or password, write / as %2F, @ as %40, : as %3A, # as %23 and ? as %3F)";

/// A MySQL or MariaDB database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlUrl {
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) tls: Tls,
}

/// Whether the connection is encrypted, and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    /// Encrypted; the server may be anybody.
    Unverified,
    /// Encrypted, and the server's certificate must be of this authority, or of the web's.
    Verified(Option<PathBuf>),
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl MysqlUrl {
    /// From its parts, as the original system's settings have them.
    ///
    /// # Errors
    /// When a name is missing.
    pub fn of(
        host: &str,
        port: Option<u16>,
        user: &str,
        password: Option<&str>,
        database: &str,
    ) -> Result<Self, StoreError> {
        if host.is_empty() || user.is_empty() || database.is_empty() {
            return Err(StoreError::Url("the mysql:// URL needs a host, a user and a database"));
        }
        Ok(Self {
            user: user.to_owned(),
            password: password
                .filter(|password| !password.is_empty())
                .map(|password| Secret(password.to_owned())),
            host: host.to_owned(),
            port: port.unwrap_or(DEFAULT_PORT),
            database: database.to_owned(),
            tls: Tls::Off,
        })
    }

    /// Reads the URL; errors repeat none of it.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let url = url::Url::parse(text).map_err(|error| StoreError::Url(unparsed(text, error)))?;
        // A password with a / in it ends the host's part there: its end would be taken for a database, and shown.
        let path = url.path().trim_start_matches('/');
        if path.contains(['/', '@']) || url.fragment().is_some() {
            return Err(StoreError::Url(ENCODE));
        }
        let decoded = |part: &str| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| StoreError::Url("a %NN in the mysql:// URL is not UTF-8"))
        };
        let password = url.password().map(decoded).transpose()?;
        if url.port() == Some(0) {
            return Err(StoreError::Url(PORT));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let database = decoded(path)?;
        let mut parsed =
            Self::of(host, url.port(), &decoded(url.username())?, password.as_deref(), &database)?;
        for (key, value) in url.query_pairs() {
            parsed.tls = match (&*key, &*value) {
                ("tls", "off") => Tls::Off,
                ("tls", "unverified") => Tls::Unverified,
                ("tls", "verified") => match parsed.tls {
                    Tls::Verified(authority) => Tls::Verified(authority),
                    _ => Tls::Verified(None),
                },
                ("ca", file) => Tls::Verified(Some(file.into())),
                _ => {
                    return Err(StoreError::Url(
                        "unknown parameter in the mysql:// URL; expected tls=off|unverified|verified or ca=FILE",
                    ));
                }
            };
        }
        Ok(parsed)
    }

    /// The file with the certificate of the authority that the server's certificate is checked against.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        match &self.tls {
            Tls::Verified(Some(authority)) => Some(authority),
            _ => None,
        }
    }

    /// Names the database among all others, for what belongs to it: letters, digits and dashes.
    #[must_use]
    pub fn slug(&self) -> String {
        let text = format!("{}-{}-{}", self.host, self.port, self.database);
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        format!("{}-{:08x}", text.chars().map(safe).collect::<String>(), crc32fast::hash(text.as_bytes()))
    }
}

/// Why it is none: a password with a `/`, `#` or `?` in it looks like a wrong port, and stands before the `@`.
fn unparsed(text: &str, error: url::ParseError) -> &'static str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority_is_cut = rest.find(['/', '#', '?']).is_some_and(|end| rest[end..].contains('@'));
    if error == url::ParseError::InvalidPort && !authority_is_cut { PORT } else { ENCODE }
}

impl fmt::Display for MysqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mysql://{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_read_and_never_shown() {
        let url =
            MysqlUrl::parse("mysql://me:se%40cr%2Fet@db.example:3307/mem%20tap?tls=unverified").unwrap();
        assert_eq!(url.password.as_ref().unwrap().reveal(), "se@cr/et");
        assert_eq!((url.port, &*url.database, &url.tls), (3307, "mem tap", &Tls::Unverified));
        assert_eq!(url.to_string(), "mysql://me@db.example:3307/mem tap");
        assert!(!format!("{url:?}").contains("cr"));
        for wrong in [
            "mysql://me:secret@/db",
            "mysql://me:secret@host",
            "mysql://:secret@host/db",
            "mysql://me:secret@host:99999/db",
            "mysql://me:secret@host/db?ssl=1",
            "mysql://me:se@cr/secret@host/db",
            "mysql://me:1/secret@host/db",
            "mysql://me:1#secret@host/db",
            "mysql://me:1?secret@host/db",
        ] {
            let error = MysqlUrl::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret") && !error.contains("cr/"), "{error}");
        }
    }

    #[test]
    fn a_wrong_port_is_told_from_a_password_that_needs_encoding() {
        for (wrong, port) in [
            ("mysql://me:secret@host:99999/db", true),
            ("mysql://me:secret@host:abc/db", true),
            ("mysql://me@host:-1/db", true),
            ("mysql://me:secret@host:0/db", true),
            ("mysql://host:abc/db", true),
            ("mysql://me:se/cret@host/db", false),
            ("mysql://me:se#cret@host:3306/db", false),
            ("mysql://me:se?cret@host:99999/db", false),
        ] {
            let error = MysqlUrl::parse(wrong).unwrap_err().to_string();
            assert_eq!(error.starts_with(PORT), port, "{wrong}: {error}");
            assert_eq!(error.contains("%2F"), !port, "{wrong}: {error}");
        }
    }

    #[test]
    fn slugs_are_file_names_and_differ() {
        let slug = |url: &str| MysqlUrl::parse(url).unwrap().slug();
        let one = slug("mysql://a@h/..%2Fx");
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'), "{one}");
        assert_ne!(one, slug("mysql://a@h/..%2Dx"));
        assert_eq!(one, slug("mysql://other:pw@h:3306/..%2Fx"), "whoever asks, it is the same database");
    }
}
