//! Live events: one task per namespace knows its clients and sends each what it lacks.
//!
//! A client gets the whole state first, then differences. One whose buffer is full (a slow network, a sleeping tab) gets the whole
//! state again later instead of a backlog; nothing is buffered without bound. What is sent to many is serialised once, and packed once
//! for those that asked for it as they came. A client may look at one process: it gets that one's requests apart, so that no neighbour's
//! flood hides them.

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

/// Clients of one namespace, at most; further ones are sent away.
const CLIENTS: usize = 128;
/// Processes that all clients together may look at: each has up to 1,000 requests a tick in memory.
const IN_FOCUS: usize = 32;

/// What a namespace sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Feed {
    /// The original's `update`, always whole.
    Original,
    /// The dashboard's `snapshot` and `tick`.
    Live,
}

/// What a client says of itself as it comes.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Wishes {
    /// Payloads as gzipped JSON, which is a tenth of the size.
    #[serde(default)]
    gzip: bool,
}

/// What a namespace's handlers tell its task.
pub(crate) enum Word {
    /// A client that has just come.
    Arrival { socket: SocketRef, wishes: Wishes },
    /// Some client has gone.
    Departure,
    /// A client looks at a process, or at none any more.
    Focus { client: Sid, wanted: WantedFocus, answer: AckSender },
}

/// The event `focus`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct WantedFocus {
    #[serde(default)]
    pid: Option<u32>,
}

struct Client {
    socket: SocketRef,
    gzip: bool,
    /// Whether it has everything up to the view before.
    current: bool,
    focus: Option<Tgid>,
}

/// A name and a payload; both forms of it are made once, when the first client wants them.
struct Event {
    name: &'static str,
    json: Option<Box<RawValue>>,
    packed: OnceCell<Option<Bytes>>,
}

/// Where a namespace's connect handler puts its new clients.
pub(crate) fn start(feed: Feed, mut state: State) -> mpsc::Sender<Word> {
    // The ledger listens to one task; the original's clients know of no focus.
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
                // Needed when no view comes, for example after the end of a recording: a client in this list holds its session.
                clients.retain(|client| client.socket.connected());
                let (socket, wishes) = match word {
                    None => return,
                    Some(Word::Departure) => {
                        tell_focus(&clients, &state);
                        continue;
                    }
                    Some(Word::Arrival { socket, wishes }) => (socket, wishes),
                    Some(Word::Focus { client, wanted, answer }) => {
                        let _ = answer.send(&look_at(&mut clients, client, wanted.pid.map(Tgid), &state));
                        continue;
                    }
                };
                if clients.len() >= CLIENTS {
                    let _ = socket.disconnect();
                    continue;
                }
                clients.push(Client { socket, gzip: wishes.gzip, current: false, focus: None });
                // Of the view that all others have already: the next difference fits for all.
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
                tell_focus(&clients, &state);
                // A view that was missed makes the next difference useless.
                if view.tick != seen + 1 {
                    clients.iter_mut().for_each(|client| client.current = false);
                }
                seen = view.tick;
                // Before the tick: from the first of these on, they are all that the client takes of that process.
                send_focused(&mut clients, &view);
                let change = if clients.is_empty() { None } else { Some(feed.change(&state, &view)) };
                send(&mut clients, || feed.whole(&state, &view), change.as_ref());
            }
        }
    }
}

/// Turns a client's look to a process, if not too many are looked at already.
fn look_at(clients: &mut [Client], client: Sid, wanted: Option<Tgid>, state: &State) -> FocusAnswer {
    let others = clients.iter().filter(|other| other.socket.id != client);
    let others: BTreeSet<Tgid> = others.filter_map(|other| other.focus).collect();
    let fits = |pid: &Tgid| state.focus.is_some() && (others.contains(pid) || others.len() < IN_FOCUS);
    let focus = wanted.filter(fits);
    if let Some(known) = clients.iter_mut().find(|known| known.socket.id == client) {
        known.focus = focus;
    }
    tell_focus(clients, state);
    FocusAnswer { focused: focus.is_some(), most: IN_FOCUS }
}

/// Says to the ledger at whom the clients look.
fn tell_focus(clients: &[Client], state: &State) {
    let Some(ledger) = &state.focus else { return };
    let wanted: BTreeSet<Tgid> = clients.iter().filter_map(|client| client.focus).collect();
    ledger.send_if_modified(|told| {
        let is_new = *told != wanted;
        *told = wanted;
        is_new
    });
}

/// Sends each current client the requests of the process that it looks at.
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

/// Sends `change` to those that are current (nothing, if there is none) and the whole to the others.
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

    /// Whether the client has it now, or will: its buffer took it.
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
