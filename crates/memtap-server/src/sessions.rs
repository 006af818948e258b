//! Bound on Engine.IO sessions.
//!
//! Engine.IO starts a session for every client that connects. It keeps the request that started a
//! session as long as the session itself. That request therefore holds the slot, which is free when
//! the memory of the session is.

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

/// Largest message of a client, bytes.
pub(crate) const MESSAGE_BYTES: usize = 4096;

/// Returns whether the path belongs to Engine.IO.
pub(crate) fn is_socket_path(path: &str) -> bool {
    path.strip_prefix("/socket.io").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Slot of a session, kept in the request that started it.
#[derive(Clone)]
struct Slot(#[expect(dead_code, reason = "it is held, not read")] Arc<OwnedSemaphorePermit>);

/// Adds a slot to a request that starts a session. Reads the whole body of a POST request before
/// passing it on.
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

/// Returns whether a request starts a session. By Engine.IO's rule, that is one without a `sid`.
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

/// Reads the body here, where a timeout applies.
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
