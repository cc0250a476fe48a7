//! The document of the API, as part of the API.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};

use crate::router::document;

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "installation",
    responses((status = 200, description = "The `OpenAPI` document", body = Object))
)]
pub(crate) async fn openapi() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
        let json = serde_json::to_vec(&document());
        json.unwrap_or_else(|_| unreachable!("the document is plain JSON"))
            .into()
    });
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}
