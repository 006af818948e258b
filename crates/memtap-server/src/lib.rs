//! REST, live events and the dashboard, from the read model and the store.
//!
//! [`bind`] takes the address, [`serve`] answers until it is told to stop. The interface is
//! described by [`document`], which is made of the handlers in `rest/` and the types of memtap-api; `docs/api.md` says what the
//! figures mean.
//!
//! Architecture Invariant: nothing here changes anything. The ledger's [`LiveView`](memtap_ledger::LiveView), the store's
//! [`Reader`](memtap_history::Reader), and what is asked of the kernel for one process ([`AskKernel`]) are the only inputs; a slow client costs itself, never the capture.

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
