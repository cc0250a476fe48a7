//! Content by digest: large inputs and expected outputs of a submission are sent once.

use std::mem;

use http::{Method, StatusCode};
use optimus_common::{
    content::{Digest, NamedContent},
    payload::Base64Bytes,
    submission::Submission,
};
use sha2::{Digest as _, Sha256};

use crate::{ANSWER_TIMEOUT, Client, Result, client::request};

/// What is smaller is quicker sent than asked for.
const LARGE: usize = 1 << 20;

impl Client {
    /// Stores content under its digest, unless it is there. False where the installation does not take it: it knows no content,
    /// or takes none of this size, or has no room.
    pub async fn store(&self, digest: Digest, bytes: &[u8]) -> Result<bool> {
        let path = format!("/blobs/{digest}");
        let there = self.send(request(Method::HEAD, &path), ANSWER_TIMEOUT).await?;
        if there.status().is_success() {
            return Ok(true);
        }
        let mut put = request(Method::PUT, &path);
        *put.body_mut() = bytes.to_vec().into();
        let response = self.send(put, ANSWER_TIMEOUT).await?;
        match response.status() {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::INSUFFICIENT_STORAGE => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refusal(response).await),
        }
    }

    /// Stores what of a submission is large, as far as the installation takes it, and names it in its place. The rest stays
    /// where it is.
    pub async fn store_large(&self, submission: &mut Submission) -> Result<()> {
        for test in &mut submission.test_cases {
            if let Some(named) = self.stored(&mut test.input, &mut test.input_base64).await? {
                test.input_sha256 = Some(named);
            }
            let (text, base64) = (&mut test.expected_output, &mut test.expected_output_base64);
            if let Some(named) = self.stored(text, base64).await? {
                test.expected_output_sha256 = Some(named);
            }
        }
        Ok(())
    }

    async fn stored(
        &self,
        text: &mut Option<String>,
        base64: &mut Option<Base64Bytes>,
    ) -> Result<Option<NamedContent>> {
        let bytes = match (&*text, &*base64) {
            (Some(text), None) => text.as_bytes(),
            (None, Some(bytes)) => &bytes.0,
            _ => return Ok(None),
        };
        if bytes.len() < LARGE {
            return Ok(None);
        }
        let digest = Digest::from(<[u8; 32]>::from(Sha256::digest(bytes)));
        if !self.store(digest, bytes).await? {
            return Ok(None);
        }
        drop((mem::take(text), mem::take(base64)));
        Ok(Some(NamedContent::new(digest)))
    }
}
