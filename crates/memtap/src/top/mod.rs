//! `memtap top`: receives models from a capture or a running memtap and keys from the terminal, and
//! draws frames.

mod attached;
mod captured;
pub(crate) mod log;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use jiff::tz::TimeZone;
use memtap_capture::{ReaderHandle, SourceChoice};
use memtap_model::{Call, Errno};
use memtap_report::{Lang, refusal_meaning};
use memtap_tui::{App, Look, Model, Reaction, Screen, Settings};
use nix::sys::signal::{Signal, raise};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::{SERVED_AT, TopArguments};

/// Source of the models.
struct Feed {
    models: watch::Receiver<Arc<Model>>,
    /// The capture; `None` when attached to a running memtap.
    reader: Option<ReaderHandle>,
    /// Message for the user when no more models arrive.
    end: &'static str,
}

pub(crate) fn run(arguments: &TopArguments) -> anyhow::Result<()> {
    if !io::stdout().is_terminal() {
        bail!(
            "memtap top needs a terminal as standard output. For files and other programs, use memtap record, memtap report or the API \
             of memtap serve"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut feed = open(arguments)?;
        let app = App::new(settings(arguments));
        let done = Screen::take().context("cannot draw on this terminal");
        let done = match done {
            Ok(mut screen) => show(app, &mut screen, &mut feed).await,
            Err(error) => Err(error),
        };
        log::write_kept();
        if let Some(reader) = feed.reader {
            tokio::task::spawn_blocking(move || reader.stop()).await?;
        }
        done
    })
}

fn settings(arguments: &TopArguments) -> Settings {
    Settings {
        look: Look::of_environment(|name| std::env::var(name).ok()),
        zone: TimeZone::system(),
        pace: arguments.pace,
        sort: arguments.sort,
        refusal_words: |call, errno| {
            let call = Call::from_name(call);
            call.map(|call| refusal_meaning(call, Errno(errno)).text(Lang::En).to_owned()).unwrap_or_default()
        },
    }
}

/// Opens the requested source. By default it attaches to a memtap at the default address, or
/// captures if none answers.
fn open(arguments: &TopArguments) -> anyhow::Result<Feed> {
    match (&arguments.attach, &arguments.source) {
        (Some(url), _) => attached::open(url),
        (None, Some(source)) => captured::open(source, arguments),
        (None, None) => attached::open(SERVED_AT).or_else(|_| captured::open(&SourceChoice::Auto, arguments)),
    }
}

/// Shows frames until the user quits or a signal arrives.
async fn show(mut app: App, screen: &mut Screen, feed: &mut Feed) -> anyhow::Result<()> {
    let mut events = EventStream::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut stop = signal(SignalKind::from_raw(Signal::SIGTSTP as i32))?;
    let mut go_on = signal(SignalKind::from_raw(Signal::SIGCONT as i32))?;
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut last_update = Instant::now();
    let mut is_live = true;
    let mut draw = true;
    loop {
        if std::mem::take(&mut draw) {
            screen.draw(&mut app)?;
        }
        tokio::select! {
            event = events.next() => match react(&mut app, feed, event)? {
                Reaction::Nothing => {}
                Reaction::Draw => draw = true,
                Reaction::Quit => return Ok(()),
                Reaction::Suspend => {
                    screen.suspend(stand_still)?;
                    draw = true;
                }
            },
            change = feed.models.changed(), if is_live => {
                is_live = change.is_ok();
                if !is_live {
                    app.trouble(feed.end.to_owned());
                    draw = true;
                } else if is_due(&app, feed, last_update) {
                    app.take(Arc::clone(&feed.models.borrow_and_update()));
                    last_update = Instant::now();
                    draw = true;
                }
            }
            _ = second.tick() => {
                for line in log::new_lines() {
                    app.log(line);
                    draw = true;
                }
                draw |= is_live && app.wait(last_update.elapsed().as_secs());
            }
            _ = stop.recv() => {
                screen.suspend(stand_still)?;
                draw = true;
            }
            // The program that stopped memtap may have changed the terminal.
            _ = go_on.recv() => {
                screen.suspend(|| ())?;
                draw = true;
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
        }
    }
}

/// Stops the process until SIGCONT.
fn stand_still() {
    let _ = raise(Signal::SIGSTOP);
}

fn react(app: &mut App, feed: &Feed, event: Option<io::Result<Event>>) -> anyhow::Result<Reaction> {
    let event = event.context("the terminal was closed")?.context("the terminal was closed")?;
    let pace = app.pace();
    let reaction = app.handle(&event);
    if app.pace() != pace
        && let Some(reader) = &feed.reader
    {
        reader.set_tick(app.pace().duration());
    }
    Ok(reaction)
}

/// Returns whether it is time for a new model. memtap's own capture keeps the pace itself, but a
/// running memtap has its own pace.
fn is_due(app: &App, feed: &Feed, last_update: Instant) -> bool {
    const SLACK: Duration = Duration::from_millis(300);
    !app.paused()
        && (feed.reader.is_some() || last_update.elapsed() + SLACK >= app.pace().duration() || app.waits())
}
