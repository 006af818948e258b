//! Accepts connections and serves HTTP on each, within [`Bounds`](crate::Bounds).
//!
//! `axum::serve` has no bound on connections and no timeout for the header of a request, and it
//! copies the whole routing table for each connection: 1.4 MB. Here, an idle connection has only a
//! task and a stream, and gets its buffers with its first byte.

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

/// Largest size of a request's header, including its first line.
const HEADER_BYTES: usize = 64 << 10;
/// Connections beyond the bound that get an answer at the same time. Further ones are closed
/// without an answer.
const REFUSALS: usize = 16;
/// Time for such a client to read that answer.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Pause after a failed accept: without a free file descriptor the next one would fail at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` completes and all running requests are answered.
///
/// # Errors
/// When the listener itself is broken. A single failed accept does not end it.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    clients: &Arc<Clients>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    // Prepares all routes once; otherwise each request would repeat it.
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

/// Accepts the next connection. If files or memory run out, it retries and logs the error once.
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
            // The client closed the connection before it was accepted.
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

/// Serves one connection until it is closed, or until `end` is signalled and the current answer is
/// sent.
async fn connection(stream: Stream, router: Router, header_time: Duration, mut end: watch::Receiver<()>) {
    let has_begun = tokio::select! {
        begins = timeout(header_time, stream.begins()) => begins.unwrap_or(false),
        _ = end.changed() => false,
    };
    if has_begun {
        // Boxed, so that an idle connection does not allocate it.
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
    // A client that breaks off is not an error.
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

/// Sends the answer, then reads the client's request. Closing earlier would reset the connection
/// and lose the answer.
async fn refuse(mut tcp: TcpStream, answer: &str) -> io::Result<()> {
    tcp.write_all(answer.as_bytes()).await?;
    tcp.shutdown().await?;
    let mut unread = [0; 1024];
    while tcp.read(&mut unread).await? > 0 {}
    Ok(())
}
