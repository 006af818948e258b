//! Who may call: the machine's own browser pages and programs, and configured origins.
//!
//! A page of a stranger can make a browser send requests here: by a name that it lets point to 127.0.0.1 (DNS rebinding; the
//! `Host` gives it away), or from its own origin (the `Origin` gives it away; WebSockets too send it, and know no CORS).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::error::ApiError;

/// Lets a request through or answers why not.
pub(crate) async fn check(State(origins): State<Arc<[String]>>, request: Request, next: Next) -> Response {
    match judge(request.method(), request.uri().path(), request.headers(), &origins) {
        Ok(()) => next.run(request).await,
        Err(error) => refused(error),
    }
}

fn refused(error: ApiError) -> Response {
    let method = error.0 == StatusCode::METHOD_NOT_ALLOWED;
    let mut answer = error.into_response();
    if method {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    answer
}

fn judge(method: &Method, path: &str, headers: &HeaderMap, origins: &[String]) -> Result<(), ApiError> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    let host = text(header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        let what = format!("memtap answers to localhost and 127.0.0.1 only, not to '{host}'");
        return Err(ApiError(StatusCode::MISDIRECTED_REQUEST, what));
    }
    if let Some(origin) = text(header::ORIGIN)
        && origin != format!("http://{host}")
        && !origins.iter().any(|allowed| allowed == origin)
    {
        let what = format!("pages of '{origin}' may not call memtap; allow it with --cors-origin {origin}");
        return Err(ApiError(StatusCode::FORBIDDEN, what));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && !path.starts_with("/socket.io") {
        return Err(ApiError(
            StatusCode::METHOD_NOT_ALLOWED,
            "memtap only answers questions: use GET".to_owned(),
        ));
    }
    Ok(())
}

/// Whether a `Host` header names this machine's loopback, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_loopback() {
        for host in ["localhost", "LOCALHOST:3000", "127.0.0.1:3000", "127.9.9.9", "[::1]:3000", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example:3000",
            "localhost.evil.example",
            "10.0.0.1",
            "[2001:db8::1]:3000",
            "127.0.0.1.evil.example",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
