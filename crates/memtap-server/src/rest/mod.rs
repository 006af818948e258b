//! The REST handlers, a file for each subject. An endpoint is a handler with `#[utoipa::path]`, which says where it is and what it
//! may answer, and one line in [`routes`]; its parameters are a struct (`params.rs`), its answer is a type of memtap-api
//! (made in `answer/`). The document at `/api/v1/openapi.json` and the page's types follow (`openapi.rs`).

mod findings;
mod health;
mod kernel;
mod lives;
mod machine;
mod oom;
mod past;
mod processes;
mod report;
mod requests;
mod sums;
mod usage;

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use health::Pulse;
pub(crate) use processes::{Order, SortField};

use crate::State;
use crate::error::ApiError;

/// An answer that is serialised as it stands: one of many thousand processes would be many times as large as a tree of values.
type Answer<T> = Result<Json<T>, ApiError>;

/// Every endpoint, each beside its description.
pub(crate) fn routes() -> OpenApiRouter<State> {
    let api = OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(health::host))
        .routes(routes!(processes::processes))
        .routes(routes!(processes::process))
        .routes(routes!(kernel::mappings))
        .routes(routes!(kernel::limits))
        .routes(routes!(sums::calls))
        .routes(routes!(processes::share))
        .routes(routes!(requests::requests))
        .routes(routes!(machine::hosts))
        .routes(routes!(machine::runs))
        .routes(routes!(machine::machine))
        .routes(routes!(usage::usage))
        .routes(routes!(lives::lives))
        .routes(routes!(lives::programs))
        .routes(routes!(sums::sizes))
        .routes(routes!(sums::refusals))
        .routes(routes!(oom::oom_kills))
        .routes(routes!(findings::findings))
        .routes(routes!(report::report));
    OpenApiRouter::new().nest("/api/v1", api).routes(routes!(health::healthz))
}
