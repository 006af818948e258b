//! Binding the address, building the router, and serving.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::access::{self, Access};
use crate::clients::Clients;
use crate::feed::{self, Feed, WantedFocus, Wishes, Word};
use crate::sessions::{self, MESSAGE_BYTES};
use crate::{ServerError, Settings, State, connections, openapi, page};

/// Time to wait for connections at the end.
const FAREWELL: Duration = Duration::from_millis(500);

const SECURITY: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; \
         frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Opens the listener.
///
/// # Errors
/// When the address is in use, is not a loopback address, or is refused by the system.
pub async fn bind(settings: &Settings) -> Result<TcpListener, ServerError> {
    let address = settings.listen;
    if !address.ip().is_loopback() {
        return Err(ServerError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServerError::InUse(address),
        _ => ServerError::Listen { address, source },
    })
}

/// Serves until `stop` completes, and then briefly longer.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: &Settings,
    state: State,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServerError> {
    let (router, io, clients) = build(settings, state);
    let (closed_sender, closed) = tokio::sync::oneshot::channel();
    let stop = async move {
        stop.await;
        io.close().await;
        let _ = closed_sender.send(());
    };
    tokio::select! {
        done = connections::serve(listener, router, &clients, stop) => Ok(done?),
        () = async {
            let _ = closed.await;
            tokio::time::sleep(FAREWELL).await;
        } => Ok(()),
    }
}

/// Builds the whole service, for tests without a socket.
pub fn router(settings: &Settings, state: State) -> Router {
    build(settings, state).0
}

fn build(settings: &Settings, mut state: State) -> (Router, SocketIo, Arc<Clients>) {
    let clients = Arc::new(Clients::new(settings.bounds.clone()));
    state.clients = Arc::clone(&clients);
    let (sockets, io) = SocketIo::builder()
        .connect_timeout(settings.bounds.join_time)
        .max_buffer_size(16)
        .max_payload(MESSAGE_BYTES as u64)
        .ws_max_message_size(MESSAGE_BYTES)
        .build_layer();
    namespace(&io, "/", feed::start(Feed::Original, state.clone()));
    namespace(&io, "/live", feed::start(Feed::Live, state.clone()));
    let (routes, document) = openapi::described();
    let document = Json(document);
    let access = Access { origins: settings.cors_origins.clone().into(), clients: Arc::clone(&clients) };
    let mut router = routes
        .route("/api/v1/openapi.json", get(async move || document.clone()))
        .fallback(page::file)
        .with_state(state)
        // Scripts of the page and long lists shrink to a third or less. The sockets have their own
        // compression.
        .layer(CompressionLayer::new())
        .layer(sockets)
        .layer(from_fn_with_state(Arc::clone(&clients), sessions::bound))
        .layer(cors(&access.origins))
        .layer(from_fn_with_state(access, access::check));
    for (name, value) in SECURITY {
        router = router.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)));
    }
    (router, io, clients)
}

fn namespace(io: &SocketIo, path: &'static str, task: mpsc::Sender<Word>) {
    let arrive = move |socket: SocketRef, TryData(wishes): TryData<Wishes>| {
        let (task, departures) = (task.clone(), task.clone());
        // Most clients send no options.
        let wishes = wishes.unwrap_or_default();
        if task.try_send(Word::Arrival { socket: socket.clone(), wishes }).is_err() {
            let _ = socket.disconnect();
            return ready(());
        }
        // Registered in this call and not in a task, because the client may set its focus as soon
        // as it is connected.
        let look = move |socket: SocketRef, TryData(wanted): TryData<WantedFocus>, answer: AckSender| {
            let wanted = wanted.unwrap_or_default();
            // If the task cannot keep up, the client gets no answer and has no focus.
            let _ = task.try_send(Word::Focus { client: socket.id, wanted, answer });
            ready(())
        };
        socket.on("focus", look);
        // A full queue loses nothing: every message makes the task remove disconnected clients.
        socket.on_disconnect(move || {
            let _ = departures.try_send(Word::Departure);
            ready(())
        });
        ready(())
    };
    io.ns(path, arrive);
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed = origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok());
    CorsLayer::new()
        .allow_origin(allowed.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
}
