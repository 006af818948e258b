//! Bounds on clients, over real sockets: the cost of connections, refused and disconnected clients,
//! and free slots afterwards.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod service;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memtap_server::{Bounds, ServerError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use service::{settings, state};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Time after which a waiting test has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServerError>>,
}

impl Server {
    async fn start(bounds: Bounds) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            memtap_server::serve(listener, &settings(bounds), state(), async { drop(stopped.await) }).await
        });
        Self { address, stop, serving }
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends a GET request on its own connection.
    async fn get(&self, path: &str) -> (u16, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address)).await
    }

    /// Sends the lines of a header, without its end, on its own connection.
    async fn send(&self, header: &str) -> (u16, String) {
        let mut client = self.connect().await;
        client.send(&format!("{header}Connection: close\r\n\r\n")).await;
        client.answer().await
    }

    async fn clients(&self) -> Value {
        let (status, body) = self.get("/api/v1/health").await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["clients"].take()
    }

    async fn refused(&self, cause: &str) -> u64 {
        self.clients().await["refused_by_cause"][cause].as_u64().unwrap()
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a message in a WebSocket frame, masked with zeros.
    async fn send_frame(&mut self, text: &str) {
        let head = [0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        self.0.write_all(&[&head, text.as_bytes()].concat()).await.unwrap();
    }

    /// Reads until the server closes the connection.
    async fn read_to_close(&mut self) -> String {
        let mut text = Vec::new();
        // A reset also ends the connection.
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut text)).await.expect("the connection stays open");
        String::from_utf8_lossy(&text).into_owned()
    }

    async fn answer(&mut self) -> (u16, String) {
        let text = self.read_to_close().await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    async fn until(&mut self, word: &str) {
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&text).contains(word) {
            let read = timeout(PATIENCE, self.0.read(&mut piece)).await.expect(word).unwrap();
            assert!(read > 0, "closed before {word}: {}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..read]);
        }
    }
}

/// Repeats a check until it is true.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// With `axum::serve` and a router, these connections took 1.4 GB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_use_little_memory() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let server = Server::start(Bounds { connections: 2_000, ..Bounds::default() }).await;
    // The first requests allocate memory that does not belong to a connection.
    for _ in 0..50 {
        server.clients().await;
    }
    let before = resident_bytes();
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(server.connect().await);
    }
    until("all are accepted", async || server.clients().await["connections"].as_u64() > Some(1_000)).await;
    let grown = resident_bytes().saturating_sub(before);
    println!("a thousand silent connections: {grown} bytes");
    assert!(grown < 8 << 20, "{grown} bytes");
    drop(silent);
    until("they are forgotten", async || server.clients().await["connections"] == 1).await;
}

#[tokio::test]
async fn incomplete_headers_and_bodies_time_out() {
    let server = Server::start(Bounds { header_time: SHORT, ..Bounds::default() }).await;
    let (mut silent, mut slow, mut idle) =
        (server.connect().await, server.connect().await, server.connect().await);
    slow.send("GET / HTTP/1.1\r\nHost: 127").await;
    idle.send(&format!("HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address)).await;
    assert_eq!((silent.read_to_close().await.as_str(), slow.read_to_close().await.as_str()), ("", ""));
    assert!(idle.read_to_close().await.starts_with("HTTP/1.1 200"), "it had its answer before");
    let mut body = server.connect().await;
    body.send(&format!(
        "POST {HANDSHAKE}&sid=none HTTP/1.1\r\nHost: {}\r\nContent-Length: 9\r\nConnection: close\r\n\r\n4",
        server.address
    ))
    .await;
    assert_eq!(body.answer().await.0, 408);
}

#[tokio::test]
async fn connections_beyond_the_bound_are_refused_with_a_reason() {
    let server = Server::start(Bounds { connections: 2, ..Bounds::default() }).await;
    let (silent, mut other) = (server.connect().await, server.connect().await);
    let (status, why) = server.get("/").await;
    assert!(status == 503 && why.contains("2 connections"), "{status} {why}");
    drop(silent);
    until("a connection has room", async || server.get("/").await.0 == 200).await;
    assert!(server.refused("connections_full").await >= 1);
    other
        .send(&format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address))
        .await;
    assert_eq!(other.answer().await.0, 503, "who was there before is still served: no view is fresh here");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let server = Server::start(Bounds { stall_time: SHORT, ..Bounds::default() }).await;
    let mut client = server.connect().await;
    // The answers have more bytes than the kernel buffers for a connection.
    let ask = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    client.send(&ask.repeat(400)).await;
    until("it is cut off", async || server.refused("stalled_client").await == 1).await;
    until("its connection is free", async || server.clients().await["connections"] == 1).await;
}

#[tokio::test]
async fn sessions_are_bounded_and_end_without_a_namespace() {
    let server = Server::start(Bounds { sessions: 2, join_time: SHORT * 5, ..Bounds::default() }).await;
    for _ in 0..2 {
        let (status, open) = server.get(HANDSHAKE).await;
        assert!(status == 200 && open.contains("sid"), "{status} {open}");
    }
    for transport in ["polling", "websocket"] {
        let (status, why) = server.get(&format!("/socket.io/?EIO=4&transport={transport}")).await;
        assert!(status == 503 && why.contains("2 live sessions"), "{status} {why}");
    }
    assert_eq!(server.refused("sessions_full").await, 2);
    assert_eq!(server.get("/socket.io/?EIO=4&transport=polling&sid=none").await.0, 400, "it asks for none");
    until("sessions without a namespace end", async || server.clients().await["sessions"] == 0).await;
    assert_eq!(server.get(HANDSHAKE).await.0, 200);
}

/// Connects a WebSocket and joins a namespace.
async fn joined(server: &Server) -> Client {
    let mut client = server.connect().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bWVtdGFwIG1lbXRhcCBtZQ==";
    let host = server.address;
    client
        .send(&format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n\r\n"
        ))
        .await;
    client.until("sid").await;
    client.send_frame("40/live,").await;
    client.until("snapshot").await;
    client
}

#[tokio::test]
async fn a_websocket_holds_its_connection_and_session_until_it_closes() {
    let server =
        Server::start(Bounds { sessions: 1, join_time: SHORT, header_time: SHORT, ..Bounds::default() })
            .await;
    let client = joined(&server).await;
    for _ in 0..3 {
        assert_eq!(
            server.connect().await.read_to_close().await,
            "",
            "what is silent has been cut off by now"
        );
    }
    let clients = server.clients().await;
    assert_eq!((&clients["connections"], &clients["sessions"]), (&2.into(), &1.into()), "it may be idle");
    assert_eq!(server.get(HANDSHAKE).await.0, 503);
    drop(client);
    // No view arrives here that would make the feed check its clients.
    until("the session is free", async || server.clients().await["sessions"] == 0).await;
    joined(&server).await;
}

#[tokio::test]
async fn the_server_stops_soon_with_open_connections() {
    let server = Server::start(Bounds::default()).await;
    let mut open = vec![server.connect().await, server.connect().await, joined(&server).await];
    open[1].send("GET / HT").await;
    server.get("/").await;
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.serving).await.expect("it ends").unwrap().unwrap();
    for client in &mut open {
        client.read_to_close().await;
    }
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_ambiguous_request_is_400() {
    let server = Server::start(Bounds::default()).await;
    let host = format!("Host: {}\r\n", server.address);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let length = "Content-Length: 5\r\n";
    for (status, line, headers) in [
        (200, "GET /api/v1/host", host.clone()),
        (200, &*format!("GET http://{}/api/v1/host", server.address), host.clone()),
        (400, "GET http://evil.example/api/v1/host", host.clone()),
        (400, "GET http://localhost/api/v1/host", host.clone()),
        (400, "GET /api/v1/host", format!("{host}Host: evil.example\r\n")),
        (400, "GET /api/v1/host", format!("Host: evil.example\r\n{host}")),
        (400, "GET /api/v1/host", format!("{host}{host}")),
        (400, "GET /api/v1/host", String::new()),
        (400, "GET /api/v1/host", format!("{host}{length}{chunked}")),
        (400, "GET /api/v1/host", format!("{host}{chunked}{length}")),
        (400, "POST /socket.io/?EIO=4&transport=polling&sid=none", format!("{host}{chunked}{length}")),
        (400, "GET /api/v1/host", format!("{host}{length}Content-Length: 6\r\n")),
    ] {
        let mut client = server.connect().await;
        client.send(&format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n0\r\n\r\n")).await;
        let (answered, body) = client.answer().await;
        assert_eq!(answered, status, "{line} {headers}: {body}");
    }
}
