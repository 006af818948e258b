//! `docs/openapi.json` is made from the code; this test makes it anew and compares.

use std::path::Path;

#[test]
fn the_committed_document_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == memtap_server::document(),
        "docs/openapi.json is not what the code gives; run: cargo xtask openapi"
    );
}
