//! The REST handlers, a file for each subject. An endpoint is a handler with `#[utoipa::path]`, which says where it is and what it
//! may answer, and one line in [`routes`]; its parameters are a struct (`params.rs`), its answer is a struct with `ToSchema`
//! (`dto/`). The document at `/api/v1/openapi.json` and the page's types follow (`openapi.rs`).

mod findings;
mod health;
mod oom;
mod processes;
mod report;
mod requests;
mod usage;

use axum::Json;
use axum::http::StatusCode;
use memtap_store::StoreError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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
        .routes(routes!(processes::share))
        .routes(routes!(requests::requests))
        .routes(routes!(usage::usage))
        .routes(routes!(oom::oom_kills))
        .routes(routes!(findings::findings))
        .routes(routes!(report::report));
    OpenApiRouter::new().nest("/api/v1", api).routes(routes!(health::healthz))
}

/// Asks the history, outside the event loop.
async fn history<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let answer = tokio::task::spawn_blocking(ask).await;
    let answer = answer.map_err(|error| ApiError(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    answer.map_err(|error| match error {
        StoreError::Cursor(_) => ApiError::wrong(error.to_string()),
        _ => ApiError(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })
}
