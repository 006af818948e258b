//! The bound on Engine.IO sessions.
//!
//! Engine.IO itself begins one for whoever asks. It keeps the request that began a session as long as the session, so the session's
//! slot goes with that request: the slot is free when the session's memory is.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::clients::Clients;
use crate::error::ApiError;

/// What a client may send in one piece.
pub(crate) const MESSAGE_BYTES: usize = 4096;

/// Whether Engine.IO answers on this path.
pub(crate) fn is_socket_path(path: &str) -> bool {
    path.strip_prefix("/socket.io").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A session's slot, in the request that began it.
#[derive(Clone)]
struct Slot(#[expect(dead_code, reason = "it is held, not read")] Arc<OwnedSemaphorePermit>);

/// Gives a request that begins a session its slot, and one with a body that body whole.
pub(crate) async fn bound(
    State(clients): State<Arc<Clients>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if begins_session(request.uri()) {
        let Some(slot) = clients.sessions.enter() else { return Ok(full(clients.sessions.most())) };
        request.extensions_mut().insert(Slot(Arc::new(slot)));
    }
    if *request.method() == Method::POST {
        request = with_whole_body(request, clients.bounds.header_time).await?;
    }
    Ok(next.run(request).await)
}

/// Engine.IO's own rule: a request without a `sid` begins a session.
fn begins_session(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    is_socket_path(uri.path()) && !query.split('&').any(|pair| pair.starts_with("sid="))
}

fn full(most: usize) -> Response {
    let what = format!("all {most} live sessions are in use. Close a page, or try again in a few seconds");
    let mut answer = ApiError(StatusCode::SERVICE_UNAVAILABLE, what).into_response();
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

/// Reads the body here, where there is a time for it.
async fn with_whole_body(request: Request, time: Duration) -> Result<Request, ApiError> {
    let (parts, body) = request.into_parts();
    let body = timeout(time, axum::body::to_bytes(body, MESSAGE_BYTES)).await;
    let body = body.map_err(|_| {
        let what = format!(
            "the request body did not arrive within {} seconds. Send it together with the header",
            time.as_secs()
        );
        ApiError(StatusCode::REQUEST_TIMEOUT, what)
    })?;
    let body = body.map_err(|error| {
        let what = format!("cannot read the request body: {error}. The limit is {MESSAGE_BYTES} bytes");
        ApiError(StatusCode::PAYLOAD_TOO_LARGE, what)
    })?;
    Ok(Request::from_parts(parts, Body::from(body)))
}
