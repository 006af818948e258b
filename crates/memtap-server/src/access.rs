//! Who may call: the machine's own browser pages and programs, and configured origins.
//!
//! A page of a stranger can make a browser send requests here: by a name that it lets point to 127.0.0.1 (DNS rebinding; the
//! `Host` gives it away), or from its own origin (the `Origin` gives it away; WebSockets too send it, and know no CORS). Images,
//! scripts and the like come without an `Origin`: `Sec-Fetch-Site` gives those away. A link to the dashboard on another site works.

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

/// Which site's page caused a request, by the browser's own word (W3C, Fetch Metadata Request Headers).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// What the check of a request knows.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) origins: Arc<[String]>,
    pub(crate) clients: Arc<Clients>,
}

/// Lets a request through or answers why not.
pub(crate) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let judged = host(request.uri(), request.headers())
        .and_then(|host| access.judge(&host, request.method(), request.uri().path(), request.headers()));
    match judged {
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
        // What follows on this connection may be part of a request that somebody else reads in another way.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The `Host` of a request that can be read in one way only (RFC 9112, sections 3.2 and 6.3).
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
    // hyper has removed a Content-Length beside it by now, and no client of memtap needs this.
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

/// Whether a browser says that a page of another site caused this request. Another port of this machine is `same-site`.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none")
}

/// Whether somebody followed a link to the page, in a tab of its own.
fn is_followed_link(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|found| found == value);
    let is_data = path.starts_with("/api/") || path == "/healthz" || is_socket_path(path);
    *method == Method::GET && !is_data && is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
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
