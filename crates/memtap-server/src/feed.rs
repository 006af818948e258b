//! Live events. One task for each namespace knows its clients and sends each of them the data it
//! does not have yet.
//!
//! A client gets the full state first, then the differences. If the buffer of a client is full (a
//! slow network, a sleeping tab), it gets the full state again later instead of a backlog, so no
//! buffer is unbounded. Data for many clients is serialised once, and compressed once for those
//! that requested it when they connected. A client may focus on one process. It then gets that
//! process's requests separately, so that a flood from another process does not hide them.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use memtap_api::{FocusAnswer, FocusedRequests, Update};
use memtap_ledger::LiveView;
use memtap_model::Tgid;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use socketioxide::extract::{AckSender, SocketRef};
use socketioxide::socket::Sid;
use tokio::sync::mpsc;

use crate::{State, answer};

/// Largest number of clients in one namespace. Further ones are disconnected.
const CLIENTS: usize = 128;
/// Largest number of processes in focus over all clients: each has up to 1,000 requests per tick in
/// memory.
const IN_FOCUS: usize = 32;

/// Kind of data that a namespace sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Feed {
    /// The `update` event of the original, always with the full state.
    Original,
    /// The `snapshot` and `tick` events of the dashboard.
    Live,
}

/// Options that a client sends when it connects.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Wishes {
    /// Payloads as gzipped JSON, which is a tenth of the size.
    #[serde(default)]
    gzip: bool,
}

/// Messages from the handlers of a namespace to its task.
pub(crate) enum Word {
    /// A client connected.
    Arrival { socket: SocketRef, wishes: Wishes },
    /// A client disconnected.
    Departure,
    /// A client focuses on a process, or ends its focus.
    Focus { client: Sid, wanted: WantedFocus, answer: AckSender },
}

/// Payload of the event `focus`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct WantedFocus {
    #[serde(default)]
    pid: Option<u32>,
}

struct Client {
    socket: SocketRef,
    gzip: bool,
    /// True if the client has all data up to the previous view.
    current: bool,
    focus: Option<Tgid>,
}

/// An event with its name and payload. Each form of the payload is created once, when the first
/// client needs it.
struct Event {
    name: &'static str,
    json: Option<Box<RawValue>>,
    packed: OnceCell<Option<Bytes>>,
}

/// Starts the task of a namespace. Its connect handler sends new clients to the returned channel.
pub(crate) fn start(feed: Feed, mut state: State) -> mpsc::Sender<Word> {
    // The ledger accepts focus from one task only, and clients of the original do not use it.
    state.focus = state.focus.filter(|_| matches!(feed, Feed::Live));
    let (sender, words) = mpsc::channel(CLIENTS);
    tokio::spawn(run(feed, state, words));
    sender
}

async fn run(feed: Feed, mut state: State, mut words: mpsc::Receiver<Word>) {
    let mut clients: Vec<Client> = Vec::new();
    let mut seen = state.view.borrow_and_update().tick;
    loop {
        tokio::select! {
            word = words.recv() => {
                // Required if no view arrives, for example after the end of a recording: a client
                // in this list keeps its session.
                clients.retain(|client| client.socket.connected());
                let (socket, wishes) = match word {
                    None => return,
                    Some(Word::Departure) => {
                        send_focus(&clients, &state);
                        continue;
                    }
                    Some(Word::Arrival { socket, wishes }) => (socket, wishes),
                    Some(Word::Focus { client, wanted, answer }) => {
                        let _ = answer.send(&set_focus(&mut clients, client, wanted.pid.map(Tgid), &state));
                        continue;
                    }
                };
                if clients.len() >= CLIENTS {
                    let _ = socket.disconnect();
                    continue;
                }
                clients.push(Client { socket, gzip: wishes.gzip, current: false, focus: None });
                // The new client gets the view that all others already have, so that the next
                // difference fits all of them.
                let view = state.now();
                if view.tick == seen {
                    send(&mut clients, || feed.whole(&state, &view), None);
                }
            }
            changed = state.view.changed() => {
                if changed.is_err() {
                    return;
                }
                let view = Arc::clone(&state.view.borrow_and_update());
                clients.retain(|client| client.socket.connected());
                send_focus(&clients, &state);
                // After a missed view, the next difference is useless.
                if view.tick != seen + 1 {
                    clients.iter_mut().for_each(|client| client.current = false);
                }
                seen = view.tick;
                // Sent before the tick: from the first of these events on, the client uses only
                // them for this process.
                send_focused(&mut clients, &view);
                let change = if clients.is_empty() { None } else { Some(feed.change(&state, &view)) };
                send(&mut clients, || feed.whole(&state, &view), change.as_ref());
            }
        }
    }
}

/// Sets the focus of a client, or clears it if too many processes are in focus already.
fn set_focus(clients: &mut [Client], client: Sid, wanted: Option<Tgid>, state: &State) -> FocusAnswer {
    let others = clients.iter().filter(|other| other.socket.id != client);
    let others: BTreeSet<Tgid> = others.filter_map(|other| other.focus).collect();
    let fits = |pid: &Tgid| state.focus.is_some() && (others.contains(pid) || others.len() < IN_FOCUS);
    let focus = wanted.filter(fits);
    if let Some(known) = clients.iter_mut().find(|known| known.socket.id == client) {
        known.focus = focus;
    }
    send_focus(clients, state);
    FocusAnswer { focused: focus.is_some(), most: IN_FOCUS }
}

/// Passes the processes in focus to the ledger.
fn send_focus(clients: &[Client], state: &State) {
    let Some(ledger) = &state.focus else { return };
    let wanted: BTreeSet<Tgid> = clients.iter().filter_map(|client| client.focus).collect();
    ledger.send_if_modified(|current| {
        let is_new = *current != wanted;
        *current = wanted;
        is_new
    });
}

/// Sends each current client the requests of its process in focus.
fn send_focused(clients: &mut [Client], view: &LiveView) {
    let mut events: BTreeMap<Tgid, Event> = BTreeMap::new();
    for client in clients.iter_mut().filter(|client| client.current) {
        let Some(focused) = view.focused.iter().find(|focused| Some(focused.pid) == client.focus) else {
            continue;
        };
        let make = || Event::new("focused", &FocusedRequests::new(view.at, focused));
        client.current = events.entry(focused.pid).or_insert_with(make).send(client);
    }
}

/// Sends `change`, if there is one, to the clients that are current, and the full state to all
/// others.
fn send(clients: &mut [Client], make_whole: impl Fn() -> Event, change: Option<&Event>) {
    let mut whole = None;
    for client in clients {
        let event = match (client.current, change) {
            (true, Some(change)) => change,
            (true, None) => continue,
            (false, _) => whole.get_or_insert_with(&make_whole),
        };
        client.current = event.send(client);
    }
}

impl Feed {
    fn whole(self, state: &State, view: &LiveView) -> Event {
        match self {
            Self::Original => Event::new("update", &Update::from(view)),
            Self::Live => Event::new("snapshot", &answer::snapshot(state, view)),
        }
    }

    fn change(self, state: &State, view: &LiveView) -> Event {
        match self {
            Self::Original => self.whole(state, view),
            Self::Live => Event::new("tick", &answer::tick(state, view)),
        }
    }
}

impl Event {
    fn new(name: &'static str, payload: &impl Serialize) -> Self {
        let json = serde_json::value::to_raw_value(payload)
            .inspect_err(|error| tracing::error!("cannot serialise an event: {error}"))
            .ok();
        Self { name, json, packed: OnceCell::new() }
    }

    /// Returns whether the event was sent or buffered for the client.
    fn send(&self, client: &Client) -> bool {
        match (client.gzip, &self.json) {
            (true, Some(json)) => self
                .packed
                .get_or_init(|| packed(json.get()))
                .as_ref()
                .is_some_and(|packed| client.socket.emit(self.name, packed).is_ok()),
            (false, Some(json)) => client.socket.emit(self.name, json).is_ok(),
            (_, None) => false,
        }
    }
}

fn packed(json: &str) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(json.len() / 8), Compression::fast());
    encoder.write_all(json.as_bytes()).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}
