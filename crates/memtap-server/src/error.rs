//! Errors: at startup for the operator, in a request for the client.

use std::net::SocketAddr;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use memtap_api::Problem;

/// Reason for a server that cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another program listens on the address.
    #[error(
        "{0} is in use, perhaps by another memtap. Stop that program, or choose a port with --listen 127.0.0.1:PORT"
    )]
    InUse(SocketAddr),
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines, and this version listens on loopback addresses only. Use --listen 127.0.0.1:PORT, and forward the port with ssh -L"
    )]
    NotLoopback(SocketAddr),
    /// The system refuses the address.
    #[error("cannot listen on {address} (choose another address with --listen 127.0.0.1:PORT)")]
    Listen {
        /// Requested address.
        address: SocketAddr,
        /// Error of the system.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("the server failed")]
    Serve(#[from] std::io::Error),
}

/// An error response: a status and a text that says how to fix the problem.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) StatusCode, pub(crate) String);

impl ApiError {
    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, what.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.0, Json(Problem { error: self.1 })).into_response()
    }
}
