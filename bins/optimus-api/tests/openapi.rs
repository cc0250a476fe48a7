//! The API's document is held as a snapshot, so that no route and no field changes by accident.

use std::{env, fs, path::Path};

#[test]
fn the_document_is_the_one_in_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let document = serde_json::to_string_pretty(&optimus_api::document()).unwrap() + "\n";
    if env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        fs::write(&path, &document).unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        document == held,
        "the API differs from docs/openapi.json; if that is meant, run\n\n    \
         UPDATE_SNAPSHOTS=1 cargo test -p optimus-api\n\nand commit the difference"
    );
}
