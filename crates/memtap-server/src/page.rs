//! Dashboard: the committed build of the page, embedded in the binary.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Files;

/// Directory in which file names contain a hash of the content, so changed content has another
/// name.
const NAMED_BY_CONTENT: &str = "assets/";
/// One year, the longest duration that all browsers support.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The browser revalidates each time, and loads the file again if it has changed.
const ASK_AGAIN: &str = "no-cache";

/// Serves a file of the page, or an error if it does not exist.
pub(crate) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    match Files::get(name) {
        Some(file) => answer(name, file, &headers),
        None => ApiError(
            StatusCode::NOT_FOUND,
            format!("/{path} does not exist. The dashboard is at /, and the API is below /api/v1/"),
        )
        .into_response(),
    }
}

fn answer(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash: String = file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let cache = if name.starts_with(NAMED_BY_CONTENT) { FOR_EVER } else { ASK_AGAIN };
    let cache = (header::CACHE_CONTROL, cache.to_owned());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [cache, (header::ETAG, tag)]).into_response();
    }
    let kind = file.metadata.mimetype().to_owned();
    ([cache, (header::ETAG, tag), (header::CONTENT_TYPE, kind)], file.data).into_response()
}
