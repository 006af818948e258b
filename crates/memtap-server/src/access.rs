//! Access control: browser pages and programs of this machine may call, and pages of configured
//! origins.
//!
//! A foreign page can make a browser send requests to memtap in two ways. It can let a name point
//! to 127.0.0.1 (DNS rebinding), which the `Host` header reveals. Or it can send them from its own
//! origin, which the `Origin` header reveals; WebSockets send it too, and are not subject to CORS.
//! Requests for images, scripts and the like have no `Origin`, but `Sec-Fetch-Site` reveals them. A
//! link to the dashboard from another site works.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::clients::Clients;
use crate::error::ApiError;
use crate::sessions::is_socket_path;

/// Header with the site whose page caused a request, set by the browser (W3C, Fetch Metadata
/// Request Headers).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Data for checking a request.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) origins: Arc<[String]>,
    pub(crate) clients: Arc<Clients>,
}

/// Passes a request on, or answers with the reason for the refusal.
pub(crate) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let verdict = host(request.uri(), request.headers())
        .and_then(|host| access.judge(&host, request.method(), request.uri().path(), request.headers()));
    match verdict {
        Ok(()) => next.run(request).await,
        Err(error) => refused(error),
    }
}

fn refused(error: ApiError) -> Response {
    let status = error.0;
    let mut answer = error.into_response();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    if status == StatusCode::BAD_REQUEST {
        // The next bytes of this connection may belong to a request that another parser reads
        // differently.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// Returns the `Host` of a request that all parsers read in the same way (RFC 9112, sections 3.2
/// and 6.3).
fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, ApiError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(ApiError::wrong("a request must have exactly one Host header"));
    };
    let host = text(host);
    if let Some(authority) = uri.authority()
        && !authority.as_str().eq_ignore_ascii_case(host)
    {
        return Err(ApiError::wrong(format!(
            "the URI names '{authority}', but the Host header is '{host}'. Send the same name in both"
        )));
    }
    // hyper has already removed a Content-Length next to it, and no client of memtap needs this
    // header.
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(ApiError::wrong("Transfer-Encoding is not supported. Send the body with Content-Length"));
    }
    Ok(host.to_owned())
}

impl Access {
    fn judge(&self, host: &str, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        if !is_loopback(host) {
            let what =
                format!("memtap does not answer to the host '{host}'. Use localhost or 127.0.0.1 in the URL");
            return Err(ApiError(StatusCode::MISDIRECTED_REQUEST, what));
        }
        match headers.get(header::ORIGIN).map(text) {
            Some(origin) if !self.allows(origin, host) => {
                let what = format!(
                    "pages from '{origin}' are not allowed to call memtap. To allow them, start memtap with --cors-origin {origin}"
                );
                return Err(ApiError(StatusCode::FORBIDDEN, what));
            }
            None if is_of_another_site(headers) && !is_followed_link(method, path, headers) => {
                self.clients.cross_site.fetch_add(1, Ordering::Relaxed);
                let what = "other sites may link to the dashboard, but are not allowed to load anything from memtap. To allow a site, add --cors-origin, and fetch with CORS";
                return Err(ApiError(StatusCode::FORBIDDEN, what.to_owned()));
            }
            _ => {}
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !reads && !is_socket_path(path) {
            let what = "read-only API: use GET";
            return Err(ApiError(StatusCode::METHOD_NOT_ALLOWED, what.to_owned()));
        }
        Ok(())
    }

    fn allows(&self, origin: &str, host: &str) -> bool {
        origin.strip_prefix("http://") == Some(host) || self.origins.iter().any(|allowed| allowed == origin)
    }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("\u{fffd}")
}

/// Returns whether the browser reports that a page of another site caused this request. Another
/// port of this machine is `same-site`, which counts as another site here.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
}

/// Returns whether the user followed a link to the page, in a tab of its own.
fn is_followed_link(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|sent| sent == value);
    let is_data = path.starts_with("/api/") || path == "/healthz" || is_socket_path(path);
    *method == Method::GET && !is_data && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

/// Returns whether a `Host` header names the loopback interface of this machine, with or without a
/// port.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
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
