//! Async runtime for commands that are not async themselves. It has no threads and runs only while
//! a caller waits.

use std::sync::OnceLock;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

static ENGINE: OnceLock<Runtime> = OnceLock::new();

/// Waits for the future. All calls use the same runtime, because connections to a server belong to
/// it.
pub(crate) fn block_on<T, E: Into<anyhow::Error>>(
    future: impl Future<Output = Result<T, E>>,
) -> anyhow::Result<T> {
    let engine = match ENGINE.get() {
        Some(engine) => engine,
        None => {
            let engine =
                Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
            ENGINE.get_or_init(|| engine)
        }
    };
    engine.block_on(future).map_err(Into::into)
}
