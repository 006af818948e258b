//! REST API, live events and the dashboard, from the read model and the store.
//!
//! [`bind`] opens the listener, and [`serve`] answers requests until it is stopped. [`document`]
//! describes the API. It is generated from the handlers in `rest/` and the types of memtap-api;
//! `docs/api.md` explains the figures.
//!
//! Architecture invariant: this crate changes nothing. Its only inputs are the ledger's
//! [`LiveView`](memtap_ledger::LiveView), the store's [`Reader`](memtap_history::Reader), and the
//! kernel's data about single processes ([`AskKernel`]). A slow client costs only itself, never the
//! capture.

mod access;
mod answer;
mod clients;
mod connections;
mod error;
mod feed;
mod openapi;
mod page;
mod params;
mod rest;
mod run;
mod self_usage;
mod sessions;
mod state;
mod stream;
mod walks;

pub use clients::Bounds;
pub use error::ServerError;
pub use openapi::document;
pub use run::{bind, router, serve};
pub use state::{
    AskKernel, AskLimits, AskMappings, AskNotices, AskOwnLimits, AskProportional, HostFacts, Info, Settings,
    State, StoreStatus,
};
