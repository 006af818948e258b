//! Live events: one task per namespace knows its clients and sends each what it lacks.
//!
//! A client gets the whole state first, then differences. One whose buffer is full (a slow network, a sleeping tab) gets the whole
//! state again later instead of a backlog; nothing is buffered without bound.

use std::sync::Arc;

use memtap_ledger::LiveView;
use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::extract::SocketRef;
use tokio::sync::mpsc;

use crate::State;
use crate::dto::{Snapshot, Tick, Update};

/// Clients of one namespace, at most; further ones are sent away.
const CLIENTS: usize = 128;

/// What a namespace sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Feed {
    /// The original's `update`, always whole.
    Original,
    /// The dashboard's `snapshot` and `tick`.
    Live,
}

struct Client {
    socket: SocketRef,
    /// Whether it has everything up to the view before.
    current: bool,
}

type Event = (&'static str, Option<Box<RawValue>>);

/// Where a namespace's connect handler puts its new clients.
pub(crate) fn start(feed: Feed, state: State) -> mpsc::Sender<SocketRef> {
    let (sender, clients) = mpsc::channel(CLIENTS);
    tokio::spawn(run(feed, state, clients));
    sender
}

async fn run(feed: Feed, mut state: State, mut arrivals: mpsc::Receiver<SocketRef>) {
    let mut clients: Vec<Client> = Vec::new();
    let mut seen = state.view.borrow_and_update().tick;
    loop {
        tokio::select! {
            socket = arrivals.recv() => {
                let Some(socket) = socket else { return };
                if clients.len() >= CLIENTS {
                    let _ = socket.disconnect();
                    continue;
                }
                clients.push(Client { socket, current: false });
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
                // A view that was missed makes the next difference useless.
                if view.tick != seen + 1 {
                    clients.iter_mut().for_each(|client| client.current = false);
                }
                seen = view.tick;
                let change = if clients.is_empty() { None } else { Some(feed.change(&state, &view)) };
                send(&mut clients, || feed.whole(&state, &view), change.as_ref());
            }
        }
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
        let (name, Some(payload)) = event else { continue };
        client.current = client.socket.emit(name, payload).is_ok();
    }
}

impl Feed {
    fn whole(self, state: &State, view: &LiveView) -> Event {
        match self {
            Self::Original => ("update", raw(&Update::from(view))),
            Self::Live => ("snapshot", raw(&Snapshot::of(state, view))),
        }
    }

    fn change(self, state: &State, view: &LiveView) -> Event {
        match self {
            Self::Original => self.whole(state, view),
            Self::Live => ("tick", raw(&Tick::of(state, view))),
        }
    }
}

/// Serialised once, sent to many.
fn raw(payload: &impl Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(payload)
        .inspect_err(|error| tracing::error!("an event does not serialise: {error}"))
        .ok()
}
