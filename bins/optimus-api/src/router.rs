//! The routes, and the document that describes them. Both come from the same handlers.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, OpenApi as Document, Ref, RefOr, ResponseBuilder,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    App,
    alternatives::describe_alternatives,
    auth::require_token,
    events::{CompileEvent, EndEvent, MissedEvent, QueuedEvent, RunEvent, StartedEvent},
    host::require_host,
    observe::observe,
    problem::{Problem, ProblemDetails},
    routes::{blobs, events as events_route, health, installation, jobs},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Optimus",
        description = "Grades programs nobody trusts: compiles each once, runs it on every test case in an isolated \
                       box, and answers a verdict per test.\n\nEvery error is `application/problem+json` (RFC 9457). \
                       Unknown fields are refused by name. Every answer carries `X-Request-Id`.\n\nWhat is no HTTP/1.1 is \
                       answered 400 without a body, a request's head above 64 KiB 431. A client that sends or reads too \
                       slowly (`api.least_bytes_per_second`) is cut off.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "Submitting programs and reading their verdicts"),
        (name = "content", description = "Storing what submissions name by its digest"),
        (name = "installation", description = "What this installation offers and how it does"),
    ),
    components(schemas(
        ProblemDetails,
        QueuedEvent,
        StartedEvent,
        CompileEvent,
        RunEvent,
        MissedEvent,
        EndEvent
    )),
    modifiers(&BearerToken),
)]
struct Described;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "Needed where the installation has tokens configured (`api.tokens`).",
            ))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Routes that need a token where tokens are configured.
fn guarded() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::submit))
        .routes(routes!(jobs::read_job, jobs::cancel))
        .routes(routes!(events_route::follow))
        .routes(routes!(blobs::put, blobs::head))
        .routes(routes!(installation::languages))
        .routes(routes!(installation::queues))
        .routes(routes!(health::metrics))
}

/// Routes open to everybody: probes have no tokens, and the document holds no secrets.
fn open() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(openapi))
}

/// The `OpenAPI` document of this API.
pub fn document() -> Document {
    let mut document = open().merge(guarded()).into_openapi();
    describe_alternatives(&mut document);
    for path in document.paths.paths.values_mut() {
        let operations = [
            &mut path.get,
            &mut path.put,
            &mut path.post,
            &mut path.delete,
            &mut path.options,
            &mut path.head,
            &mut path.patch,
            &mut path.trace,
        ];
        operations.into_iter().flatten().for_each(describe_problems);
    }
    document
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "installation",
    responses((status = 200, description = "The `OpenAPI` document", body = Object))
)]
async fn openapi() -> Response {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
        let json = serde_json::to_vec(&document());
        json.unwrap_or_else(|_| unreachable!("the document is plain JSON"))
            .into()
    });
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response()
}

/// What any route may answer, whatever it does.
const EVERYWHERE: [(StatusCode, &str); 3] = [
    (
        StatusCode::MISDIRECTED_REQUEST,
        "No tokens are configured, and the `Host` is none of this server's (`api.allowed_hosts`)",
    ),
    (StatusCode::INTERNAL_SERVER_ERROR, "Optimus failed"),
    (StatusCode::SERVICE_UNAVAILABLE, "Too many connections at once"),
];

/// Every error has the same body.
fn describe_problems(operation: &mut Operation) {
    for (status, description) in EVERYWHERE {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.as_str().to_owned())
            .or_insert_with(|| RefOr::T(ResponseBuilder::new().description(description).build()));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.as_str() >= "400"
        {
            let problem = Content::new(Some(Ref::from_schema_name("ProblemDetails")));
            response
                .content
                .insert("application/problem+json".to_owned(), RefOr::T(problem));
        }
    }
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let guarded = guarded().route_layer(middleware::from_fn_with_state(Arc::clone(&app), require_token));
    let (router, _) = open().merge(guarded).split_for_parts();
    router
        .fallback(async || Problem::route_not_found())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::from_fn_with_state(Arc::clone(&app), require_host))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(app)
}
