//! Accepts connections and serves HTTP on each, within [`Bounds`](crate::Bounds).
//!
//! `axum::serve` knows no bound on connections and no time for a request's header, and it copies the whole table of routes for
//! each connection: 1.4 MB. Here a silent connection has a task and a stream; buffers come with its first byte.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::errno::Errno;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clients::Clients;
use crate::stream::Stream;

/// A request's header with its first line, at most.
const HEADER_BYTES: usize = 64 << 10;
/// Connections beyond the bound that get an answer at one time; further ones are closed without.
const REFUSALS: usize = 16;
/// How long such a client has for reading that answer.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// The pause after a failed accept: without a free file descriptor the next one would fail at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is done and each request under way has its answer.
///
/// # Errors
/// When the listener itself is broken. A connection that cannot be accepted does not end it.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    clients: &Arc<Clients>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // All routes are made ready here: otherwise each request would do it again.
    let router = router.with_state(());
    let (ending, end) = watch::channel(());
    let (mut open, mut refused) = (JoinSet::new(), JoinSet::new());
    let (mut stop, mut is_failing) = (pin!(stop), false);
    loop {
        let tcp = tokio::select! {
            accepted = accept(&listener, &mut is_failing) => accepted?,
            Some(_) = open.join_next() => continue,
            Some(_) = refused.join_next() => continue,
            () = &mut stop => break,
        };
        if let Some(slot) = clients.connections.enter() {
            let stream = Stream::new(tcp, slot, Arc::clone(clients));
            open.spawn(connection(stream, router.clone(), clients.bounds.header_time, end.clone()));
        } else if refused.len() < REFUSALS {
            let answer = refusal(clients.connections.most());
            refused.spawn(async move { drop(timeout(REFUSAL_TIME, refuse(tcp, &answer)).await) });
        }
    }
    drop((listener, ending));
    while open.join_next().await.is_some() {}
    Ok(())
}

/// The next connection. What fails for want of files or memory is tried again, and reported once.
async fn accept(listener: &TcpListener, is_failing: &mut bool) -> io::Result<TcpStream> {
    loop {
        let error = match listener.accept().await {
            Ok((tcp, _)) => {
                *is_failing = false;
                return Ok(tcp);
            }
            Err(error) => error,
        };
        match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP => return Err(error),
            // The client went away before its turn.
            Errno::ECONNABORTED | Errno::ECONNRESET => continue,
            _ => {}
        }
        if !std::mem::replace(is_failing, true) {
            tracing::error!(
                "cannot accept connections: {error}. memtap retries. If this continues, raise the limit on open files"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Serves one connection until it is closed, or `end` has come and it has its answer.
async fn connection(stream: Stream, router: Router, header_time: Duration, mut end: watch::Receiver<()>) {
    let has_begun = tokio::select! {
        begins = timeout(header_time, stream.begins()) => begins.unwrap_or(false),
        _ = end.changed() => false,
    };
    if has_begun {
        // In a box of its own: a silent connection does not have it.
        Box::pin(http(stream, router, header_time, end)).await;
    }
}

async fn http(stream: Stream, router: Router, header_time: Duration, mut end: watch::Receiver<()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_time).max_buf_size(HEADER_BYTES);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served.with_upgrades());
    tokio::select! {
        _ = served.as_mut() => return,
        _ = end.changed() => served.as_mut().graceful_shutdown(),
    }
    // A client that breaks off is no fault.
    let _ = served.await;
}

fn refusal(most: usize) -> String {
    let body = serde_json::json!({
        "error": format!("all {most} connections are in use. Close some, or try again in a few seconds")
    });
    let body = body.to_string();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 5\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Answers, and then reads what the client had to say: a connection closed before that is reset, and the answer lost.
async fn refuse(mut tcp: TcpStream, answer: &str) -> io::Result<()> {
    tcp.write_all(answer.as_bytes()).await?;
    tcp.shutdown().await?;
    let mut unread = [0; 1024];
    while tcp.read(&mut unread).await? > 0 {}
    Ok(())
}
