//! REST handlers, one file for each subject. An endpoint is a handler with `#[utoipa::path]`, which
//! defines its path and its responses, and one line in [`routes`]. Its parameters are a struct
//! (`params.rs`), and its response is a type of memtap-api (made in `answer/`). The document at
//! `/api/v1/openapi.json` and the types of the page are generated from them (`openapi.rs`).

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

/// A response that is serialised directly. With many thousand processes, a tree of JSON values
/// would be many times as large.
type Answer<T> = Result<Json<T>, ApiError>;

/// All endpoints with their descriptions.
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
