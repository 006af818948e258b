//! OOM kills.

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;
use crate::dto::OomKill;

/// OOM kills, latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OomKills {
    oom_kills: Vec<OomKill>,
}

/// OOM kills since memtap started (the latest 100), latest first, each with who had most in the seconds before.
#[utoipa::path(get, path = "/oom", responses((status = OK, body = OomKills)))]
pub(crate) async fn oom_kills(Shared(state): Shared<State>) -> Json<OomKills> {
    Json(OomKills {
        oom_kills: state.now().oom_kills.iter().rev().map(|report| OomKill::from(&**report)).collect(),
    })
}
