//! Large inputs and expected outputs of a submission: sent once, under their digests.

use std::mem;

use optimus_common::{
    content::{Digest, NamedContent},
    payload::Base64Bytes,
    submission::Submission,
};
use sha2::{Digest as _, Sha256};

use crate::{api::ApiClient, exit::Failure};

/// What is smaller is quicker sent than asked for.
const LARGE: usize = 1 << 20;

/// Stores what is large, as far as the installation takes it, and names it in its place. The rest stays where it is.
pub(crate) async fn send_apart(api: &ApiClient, submission: &mut Submission) -> Result<(), Failure> {
    for test in &mut submission.test_cases {
        if let Some(named) = stored(api, &mut test.input, &mut test.input_base64).await? {
            test.input_sha256 = Some(named);
        }
        let (text, base64) = (&mut test.expected_output, &mut test.expected_output_base64);
        if let Some(named) = stored(api, text, base64).await? {
            test.expected_output_sha256 = Some(named);
        }
    }
    Ok(())
}

async fn stored(
    api: &ApiClient,
    text: &mut Option<String>,
    base64: &mut Option<Base64Bytes>,
) -> Result<Option<NamedContent>, Failure> {
    let bytes = match (&*text, &*base64) {
        (Some(text), None) => text.as_bytes(),
        (None, Some(bytes)) => &bytes.0,
        _ => return Ok(None),
    };
    if bytes.len() < LARGE {
        return Ok(None);
    }
    let digest = Digest::from(<[u8; 32]>::from(Sha256::digest(bytes)));
    if !api.store(digest, bytes).await? {
        return Ok(None);
    }
    drop((mem::take(text), mem::take(base64)));
    Ok(Some(NamedContent::new(digest)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use optimus_common::{
        settings::{LanguagesFile, Settings},
        submission::TestCase,
    };
    use optimus_content::{ContentStore, Memory, Rules};
    use optimus_queue::memory::MemoryStore;
    use tokio::net::TcpListener;

    use super::*;
    use crate::args::ApiArgs;

    /// An API that takes content of so many bytes.
    async fn api(max_bytes: u64) -> (ApiClient, Arc<dyn ContentStore>) {
        let mut settings = Settings::defaults();
        settings.languages_file = LanguagesFile::BuiltIn;
        let rules = Rules {
            max_bytes,
            ..Rules::of(&settings.content)
        };
        let content: Arc<dyn ContentStore> = Arc::new(Memory::new(rules));
        let store = Arc::new(MemoryStore::new(&settings.queue));
        let app = optimus_api::App::new(store, Arc::clone(&content), settings).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(optimus_api::serve(
            listener,
            Arc::new(app),
            std::future::pending(),
        ));
        let args = ApiArgs {
            api: url,
            token: None,
        };
        (ApiClient::new(&args).unwrap(), content)
    }

    fn submission() -> Submission {
        let tests = vec![TestCase::new(1, "x".repeat(LARGE), "small")];
        Submission::new("python".parse().unwrap(), "", tests)
    }

    #[tokio::test]
    async fn what_is_large_is_stored_and_named() {
        let (api, content) = api(LARGE as u64).await;
        // The second time it is there.
        for _ in 0..2 {
            let mut submission = submission();
            send_apart(&api, &mut submission).await.unwrap();
            let test = &submission.test_cases[0];
            assert_eq!((&test.input, &test.input_base64), (&None, &None));
            assert_eq!(test.expected_output.as_deref(), Some("small"));
            let digest = test.input_sha256.as_ref().unwrap().digest();
            let stored = content.get(digest).await.unwrap().unwrap();
            assert!(stored.into_bytes(1 << 30).await.unwrap()[..] == *"x".repeat(LARGE).as_bytes());
            api.submit(&submission, None).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_not_taken_is_sent_along() {
        let (api, _) = api(LARGE as u64 - 1).await;
        let mut sent = submission();
        send_apart(&api, &mut sent).await.unwrap();
        assert_eq!(sent, submission());
    }
}
