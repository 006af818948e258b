//! TCP stream of a client. It holds the connection's slot while it is open, even after an upgrade
//! to a WebSocket. It fails if the client reads nothing for too long, because memtap would
//! otherwise keep an answer that nobody reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use crate::clients::Clients;

pub(crate) struct Stream {
    tcp: TcpStream,
    clients: Arc<Clients>,
    /// Timeout that runs while the client reads nothing.
    patience: Option<Pin<Box<Sleep>>>,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, slot: OwnedSemaphorePermit, clients: Arc<Clients>) -> Self {
        Self { tcp, clients, patience: None, _slot: slot }
    }

    /// Waits for the first byte without consuming it. Returns false if the client closed the
    /// connection. (`readable` would not wait: a new stream counts as ready.)
    pub(crate) async fn begins(&self) -> bool {
        matches!(self.tcp.peek(&mut [0]).await, Ok(1))
    }

    fn unless_stalled<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let sleep = || Box::pin(tokio::time::sleep(self.clients.bounds.stall_time));
        ready!(self.patience.get_or_insert_with(sleep).as_mut().poll(context));
        self.clients.stalled.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.unless_stalled(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.unless_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
