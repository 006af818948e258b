//! Stores: database drivers that implement the port of [`memtap_history`].
//!
//! Architecture invariant: adding a driver takes its own directory and one line of `url.rs`. Code
//! that all drivers share belongs in `memtap-history`.

mod mysql;
mod sqlite;
mod tables;
mod url;

pub use sqlite::{AFTER_DAMAGE, HEADER_BYTES, is_history};
pub use url::StoreUrl;
