//! memtap's terminal interface: the read model in, frames out.
//!
//! [`App`] is the state: it takes [`Model`]s and the terminal's events and draws. Models are made of the ledger's views ([`Modeller`]) or
//! of what a running memtap tells ([`Mirror`]); the frames do not know which. [`Screen`] is the terminal, taken and given back.
//!
//! Architecture Invariant: nothing here captures, listens, or waits, and no clock is read: time comes with the models. Text of strangers
//! (names, commands, files, users) reaches a cell through `text::fit` only.

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
