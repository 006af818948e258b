//! A process without a free file descriptor. The limit applies to the whole process, so this test
//! has its own binary.

#![expect(clippy::unwrap_used, reason = "a failing unwrap is a failing test, and says where")]

mod service;

use std::fs::File;
use std::time::Duration;

use memtap_server::Bounds;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use service::{settings, state};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_failed_accept_is_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        memtap_server::serve(listener, &settings(Bounds::default()), state(), std::future::pending()).await
    });
    let client = TcpSocket::new_v4().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // The kernel accepts the connection, but accept fails with EMFILE.
    let mut client = client.connect(address).await.unwrap();
    let ask = format!("GET /api/v1/host HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    client.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let none = timeout(Duration::from_millis(300), client.read_to_string(&mut answer)).await;
    assert!(none.is_err() && !serving.is_finished(), "it waits: {none:?}");
    drop(files);
    timeout(PATIENCE, client.read_to_string(&mut answer)).await.expect("it is accepted").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
