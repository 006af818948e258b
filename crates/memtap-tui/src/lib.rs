//! memtap's terminal interface: turns models into frames.
//!
//! [`App`] is the state: it receives [`Model`]s and terminal events, and draws. Models come from
//! the ledger's views ([`Modeller`]) or from the live events of a running memtap ([`Mirror`]). The
//! frames do not depend on which. [`Screen`] takes over the terminal and restores it.
//!
//! Architecture invariant: nothing here captures, listens, waits or reads a clock. Time comes with
//! the models. Untrusted text (names, commands, files, users) reaches a cell only through
//! `text::fit`.

mod app;
mod column;
mod draw;
mod from_view;
mod keys;
mod look;
mod mirror;
mod model;
mod rows;
mod stream;
mod table;
mod terminal;
mod text;
mod track;

pub use app::{App, Pace, Settings};
pub use column::{COLUMNS, Column, ColumnRow};
pub use from_view::Modeller;
pub use keys::Reaction;
pub use look::Look;
pub use mirror::Mirror;
pub use model::{About, Model};
pub use terminal::Screen;
