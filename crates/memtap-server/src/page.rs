//! The dashboard: the page's committed build, embedded in the binary.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Files;

/// A file of the page, or why there is none.
pub(crate) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    match Files::get(name) {
        Some(file) => answer(file, &headers),
        None => ApiError(
            StatusCode::NOT_FOUND,
            format!("there is no /{path}; the page is /, the data are below /api/v1/"),
        )
        .into_response(),
    }
}

fn answer(file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let hash: String = file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{hash}\"");
    let cache = (header::CACHE_CONTROL, "no-cache".to_owned());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [cache, (header::ETAG, tag)]).into_response();
    }
    let kind = file.metadata.mimetype().to_owned();
    ([cache, (header::ETAG, tag), (header::CONTENT_TYPE, kind)], file.data).into_response()
}
