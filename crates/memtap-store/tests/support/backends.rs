//! Runs each test case on every store.

use std::path::Path;

use memtap_history::Settings;
use memtap_testing::OpenNow as _;

use super::mariadb::server;
use super::{Written, run};

/// Opens a store in a directory.
pub(crate) type Factory = fn(&Path, &Settings) -> Written;

/// Generates a test for each case and store.
macro_rules! backends {
    (@$backend:ident, $factory:expr; $($case:ident)*) => {
        mod $backend {
            $(#[test] fn $case() {
                let folder = tempfile::tempdir().unwrap();
                super::$case($factory, folder.path());
            })*
        }
    };
    ($($case:ident)*) => {
        backends!(@sqlite, crate::support::store; $($case)*);
        backends!(@mysql, crate::support::backends::mariadb; $($case)*);
    };
}
pub(crate) use backends;

/// Opens a MariaDB store. Each directory has its own database.
pub(crate) fn mariadb(folder: &Path, settings: &Settings) -> Written {
    let name = folder.join("database");
    if !name.exists() {
        std::fs::write(&name, server().database()).unwrap();
    }
    let url = server().url(&std::fs::read_to_string(name).unwrap());
    Written::new(url.open_now(settings).unwrap().unwrap(), run("vm"))
}
