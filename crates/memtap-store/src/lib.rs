//! The stores: databases behind the port of [`memtap_history`].
//!
//! Architecture invariant: a driver touches its own directory and one line of `url.rs`. What is the same for
//! all of them is in `memtap-history`.

mod mysql;
mod sqlite;
mod tables;
mod url;

pub use sqlite::{AFTER_DAMAGE, HEADER_BYTES, is_history};
pub use url::StoreUrl;
