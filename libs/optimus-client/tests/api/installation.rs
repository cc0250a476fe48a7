//! What a client is told of the installation, and what it is refused.

use optimus_client::{Client, Error, Method, Request, StatusCode};

use crate::{jobs::hello, support::Api};

#[tokio::test]
async fn languages_and_queues_are_listed() {
    let api = Api::start().await;
    let client = api.client();
    let languages = client.languages().await.unwrap();
    let python = languages
        .iter()
        .find(|language| language.name == "python")
        .unwrap();
    assert!(!python.available && python.reason.is_some(), "{python:?}");
    assert_eq!(python.extensions().next(), Some(".py"));
    client.submit(&hello(), None).await.unwrap();
    let queues = client.queues().await.unwrap();
    let python = queues.iter().find(|queue| queue.language == "python").unwrap();
    assert_eq!((python.waiting, python.normal, python.running), (1, 1, 0));
}

#[tokio::test]
async fn an_api_without_workers_lives_and_is_not_ready() {
    let api = Api::start().await;
    let client = api.client();
    client.health().await.unwrap();
    let error = client.ready().await.unwrap_err();
    assert!(error.is_temporary());
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.retry_after.is_some());
    let problem = refusal.problem.as_ref().unwrap();
    assert_eq!(problem.kind.as_deref(), Some("urn:optimus:problem:not-ready"));
    assert!(problem.request_id.is_some());
    assert!(client.metrics().await.unwrap().ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_token_is_sent_where_there_is_one() {
    let token = "a-token-of-enough-characters-for-everybody";
    let api = Api::start_with(|settings| settings.api.tokens = vec![token.to_owned()]).await;
    let error = api.client().submit(&hello(), None).await.unwrap_err();
    assert!(!error.is_temporary());
    assert_eq!(error.refusal().unwrap().status, StatusCode::UNAUTHORIZED);
    let client = api.client().with_token(token).unwrap();
    client.submit(&hello(), None).await.unwrap();
    let error = api.client().with_token("a\nb").unwrap_err();
    assert!(matches!(error, Error::NoHeaderValue { what: "token" }), "{error}");
}

#[tokio::test]
async fn who_is_not_there_may_come_back() {
    let api = Api::start().await;
    let client = api.client();
    client.health().await.unwrap();
    api.leave().await;
    let error = client.health().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.is_temporary());
}

#[test]
fn only_addresses_of_http_are_taken() {
    for (address, is_one) in [("http://x", true), ("http://x:1/below/", true), ("x", false)] {
        assert_eq!(Client::new(address).is_ok(), is_one, "{address}");
    }
    for other in ["https://x", "ftp://x", "mailto:x"] {
        let error = Client::new(other).unwrap_err();
        assert!(matches!(error, Error::NotHttp { .. }), "{other}: {error}");
    }
}

/// Errors of the API are answers here.
#[tokio::test]
async fn a_request_without_a_method_is_sent_as_it_is() {
    let api = Api::start().await;
    let get = async |path: &str| {
        let request = Request::builder().method(Method::GET).uri(path);
        let request = request.body(Vec::new().into()).unwrap();
        api.client().request(request).await.unwrap()
    };
    let document = get("/openapi.json").await;
    assert_eq!(document.status(), StatusCode::OK);
    assert_eq!(document.headers()["content-type"], "application/json");
    assert!(document.body().starts_with(b"{"));
    assert_eq!(get("/nowhere?x=1").await.status(), StatusCode::NOT_FOUND);
}
