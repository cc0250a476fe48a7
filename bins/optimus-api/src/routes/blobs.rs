//! Content by digest: storing it, and asking for it.
//!
//! It cannot be read back here. Whoever knows a digest can have a program read it all the same: the digest is the secret.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use optimus_common::content::Digest;
use optimus_content::{Incoming, Put};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    body::{Destination, require_plain},
    extract::{BlobPath, Origin},
    problem::Problem,
};

/// Content that is there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Blob {
    /// Its name.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// In bytes.
    size: u64,
}

/// Content on its way from a body to the store.
struct Passing {
    incoming: Incoming,
    window: usize,
}

impl Destination for Passing {
    fn window(&self) -> usize {
        self.window
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), Problem> {
        Ok(self.incoming.write(chunk).await?)
    }
}

/// Stores the body under its SHA-256, for submissions to name it.
///
/// It is kept for `content.retention_ms` after its last use, and for as long as a job that names it is not over.
#[utoipa::path(
    put,
    path = "/blobs/{sha256}",
    tag = "content",
    security((), ("token" = [])),
    params(BlobPath),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes"),
    responses(
        (status = 200, description = "It was there already", body = Blob),
        (status = 201, description = "It is there now", body = Blob,
            headers(("Location" = String, description = "The content's path"))),
        (status = 400, description = "The name is no digest, or the body could not be read"),
        (status = 401, description = "A token is needed"),
        (status = 408, description = "The body came too slowly"),
        (status = 413, description = "The body is too large (`content.max_bytes`)"),
        (status = 415, description = "The body is compressed"),
        (status = 422, description = "The body has another digest"),
        (status = 503, description = "The store is not available, or there are too many large bodies or connections at once",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
        (status = 507, description = "There is no room for more content",
            headers(("Retry-After" = u64, description = "Seconds to wait"))),
    )
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    BlobPath { sha256 }: BlobPath,
    origin: Origin,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    require_plain(&headers)?;
    let mut passing = Passing {
        incoming: app.content.begin(sha256).await?,
        window: app.content.incoming_memory(),
    };
    let receiver = &app.content_receiver;
    let share = receiver
        .pass_on(&headers, body, origin.receive(), &mut passing)
        .await?;
    let put = passing.incoming.finish().await?;
    drop(share);
    // Whoever sent it slowly enough may find that what was there is gone.
    let size = renewed(&app, sha256)
        .await?
        .ok_or_else(Problem::content_unavailable)?;
    let status = match put {
        Put::New => StatusCode::CREATED,
        Put::Existing => StatusCode::OK,
    };
    let blob = Blob {
        sha256: sha256.to_string(),
        size,
    };
    let mut response = (status, Json(blob)).into_response();
    if put == Put::New
        && let Ok(location) = HeaderValue::try_from(format!("/blobs/{sha256}"))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Whether content is there. That counts as a use of it.
#[utoipa::path(
    head,
    path = "/blobs/{sha256}",
    tag = "content",
    security((), ("token" = [])),
    params(BlobPath),
    responses(
        (status = 200, description = "It is there",
            headers(("Content-Length" = u64, description = "Its size"))),
        (status = 400, description = "The name is no digest"),
        (status = 401, description = "A token is needed"),
        (status = 404, description = "It is not there"),
        (status = 503, description = "The store is not available"),
    )
)]
pub(crate) async fn head(
    State(app): State<Arc<App>>,
    BlobPath { sha256 }: BlobPath,
) -> Result<Response, Problem> {
    let size = renewed(&app, sha256).await?;
    let size = size.ok_or_else(|| Problem::content_not_found(sha256))?;
    Ok(([(header::CONTENT_LENGTH, size.to_string())], ()).into_response())
}

async fn renewed(app: &App, digest: Digest) -> Result<Option<u64>, Problem> {
    let sizes = app.content.renew(&[digest]).await?;
    Ok(sizes.into_iter().next().flatten())
}
