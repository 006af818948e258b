//! Models from a running memtap, through its live events over a WebSocket. Events contain only
//! changes, once per tick, so even many processes cost little at both ends. The protocol is
//! Socket.IO 5 on Engine.IO 4 (see socket.io's documents `engine.io-protocol` and
//! `socket.io-protocol`).

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use memtap_tui::{Mirror, Model};
use tokio::sync::watch;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket, http};

use super::Feed;
use crate::confine;

/// Time limit for connecting, and for each response during the handshake. Another program may
/// listen there.
const CONNECT: Duration = Duration::from_secs(2);
/// Time limit without data. Events arrive every second.
const SILENCE: Duration = Duration::from_secs(10);
/// Pause between two connection attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum size of a message. A snapshot takes about 1.5 KiB per process.
const LARGEST: usize = 256 << 20;
/// Prefix of events in the namespace `/live`.
const EVENT: &str = "42/live,";

/// Connects, and follows the events in a thread. Reconnects when the connection breaks.
pub(super) fn open(url: &str) -> anyhow::Result<Feed> {
    let link = Link::open(url).with_context(|| format!("no memtap serve answers at {url}"))?;
    confine::only_listen()?;
    let (sender, models) = watch::channel(Arc::default());
    let url = url.to_owned();
    std::thread::Builder::new()
        .name("memtap-attached".to_owned())
        .spawn(move || keep(link, &url, &sender))?;
    Ok(Feed { models, reader: None, end: "the connection to memtap serve has ended" })
}

/// Follows the events until nobody needs models any more.
fn keep(link: Link, url: &str, models: &watch::Sender<Arc<Model>>) {
    let mut link = Ok(link);
    while !models.is_closed() {
        let Err(error) = link.and_then(|link| follow(link, url, models)) else { return };
        models.send_modify(|model| {
            let trouble = Some(format!("no new data from {url}: {error:#}. Reconnecting"));
            *model = Arc::new(Model { trouble, ..(**model).clone() });
        });
        std::thread::sleep(PAUSE);
        link = Link::open(url);
    }
}

fn follow(mut link: Link, url: &str, models: &watch::Sender<Arc<Model>>) -> anyhow::Result<()> {
    let mut mirror = Mirror::of(url);
    while !models.is_closed() {
        let message = link.event()?;
        let event = message.strip_prefix(EVENT).unwrap_or_default();
        if let Some(model) = mirror.event(event).context("incompatible memtap version")? {
            models.send_replace(Arc::new(model));
        }
    }
    Ok(())
}

/// A connection to the namespace `/live`.
struct Link {
    socket: WebSocket<TcpStream>,
}

impl Link {
    fn open(url: &str) -> anyhow::Result<Self> {
        let uri: http::Uri = url.parse().with_context(|| format!("invalid address '{url}'"))?;
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            bail!("invalid address '{url}'; expected for example http://127.0.0.1:3000");
        };
        let port = uri.port_u16().unwrap_or(80);
        let address = (host.trim_matches(['[', ']']), port)
            .to_socket_addrs()?
            .next()
            .context("the host name has no IP address")?;
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_read_timeout(Some(CONNECT))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let large = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        let wanted = format!("ws://{host}:{port}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = tungstenite::client::client_with_config(wanted, stream, Some(large))
            .map_err(|error| anyhow::anyhow!("it is not memtap: {error}"))?;
        let mut link = Self { socket };
        if !link.text()?.starts_with('0') {
            bail!("it is not memtap: no Engine.IO handshake");
        }
        link.say("40/live,")?;
        // Engine.IO may send a ping before Socket.IO responds.
        if !link.answer()?.starts_with("40/live,") {
            bail!("it is not memtap: it has no namespace /live");
        }
        link.socket.get_ref().set_read_timeout(Some(SILENCE))?;
        Ok(link)
    }

    /// Returns the next event.
    fn event(&mut self) -> anyhow::Result<String> {
        loop {
            let text = self.answer()?;
            match text.as_str() {
                event if event.starts_with(EVENT) => return Ok(text),
                "1" | "41/live," => bail!("it closed the connection"),
                _ => {}
            }
        }
    }

    /// Returns the next message. Pings are answered.
    fn answer(&mut self) -> anyhow::Result<String> {
        loop {
            match self.text()? {
                ping if ping == "2" => self.say("3")?,
                text => return Ok(text),
            }
        }
    }

    fn text(&mut self) -> anyhow::Result<String> {
        loop {
            match self.socket.read().context("no data received")? {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(_) => bail!("it closed the connection"),
                _ => {}
            }
        }
    }

    fn say(&mut self, text: &'static str) -> anyhow::Result<()> {
        self.socket.send(Message::text(text)).context("cannot send")
    }
}
