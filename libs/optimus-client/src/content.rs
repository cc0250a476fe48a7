//! Content by digest: large inputs and expected outputs of a submission are sent once.

use std::mem;

use http::{Method, StatusCode};
use optimus_common::{
    content::{Digest, NamedContent},
    payload::Base64Bytes,
    submission::Submission,
};
use sha2::{Digest as _, Sha256};

use crate::{
    Client, Error, JobState, Result,
    request::{ANSWER_TIMEOUT, request},
};

/// What is smaller is quicker sent than asked for.
const LARGE: usize = 1 << 20;

/// What of a submission was stored, and can be put back in its place.
#[derive(Debug, Default)]
struct Taken(Vec<(usize, Part)>);

#[derive(Debug)]
enum Part {
    Input(Payload),
    ExpectedOutput(Payload),
}

/// What was in the submission: text or bytes.
type Payload = (Option<String>, Option<Base64Bytes>);

impl Taken {
    fn put_back(self, submission: &mut Submission) {
        for (number, part) in self.0 {
            let case = &mut submission.test_cases[number];
            match part {
                Part::Input(payload) => {
                    (case.input, case.input_base64) = payload;
                    case.input_sha256 = None;
                }
                Part::ExpectedOutput(payload) => {
                    (case.expected_output, case.expected_output_base64) = payload;
                    case.expected_output_sha256 = None;
                }
            }
        }
    }
}

impl Client {
    /// Stores content under its digest, unless it is there. False where the installation does not take it: it knows no content,
    /// or takes none of this size, or has no room, or its content store is away.
    pub async fn store(&self, digest: Digest, bytes: &[u8]) -> Result<bool> {
        let path = format!("/blobs/{digest}");
        let there = self.send(request(Method::HEAD, &path), ANSWER_TIMEOUT).await?;
        match there.status() {
            // What would not be read had better not be sent.
            StatusCode::SERVICE_UNAVAILABLE => return Ok(false),
            status if status.is_success() => return Ok(true),
            _ => {}
        }
        let mut put = request(Method::PUT, &path);
        *put.body_mut() = bytes.to_vec().into();
        let response = self.send(put, ANSWER_TIMEOUT).await?;
        match response.status() {
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::INSUFFICIENT_STORAGE => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refusal(response).await),
        }
    }

    /// Stores what of a submission is large, as far as the installation takes it, and names it in its place. The rest stays
    /// where it is.
    pub async fn store_large(&self, submission: &mut Submission) -> Result<()> {
        self.take_large(submission).await.map(drop)
    }

    /// As [`Client::submit`], with what is large stored first and named in its place; where the installation takes no content,
    /// or cannot use it any more, all is sent along.
    pub async fn submit_large(
        &self,
        mut submission: Submission,
        idempotency_key: Option<&str>,
    ) -> Result<JobState> {
        let taken = self.take_large(&mut submission).await?;
        match self.submit(&submission, idempotency_key).await {
            Err(Error::Refused(refusal)) if !taken.0.is_empty() && refusal.is_about_content() => {
                taken.put_back(&mut submission);
                self.submit(&submission, idempotency_key).await
            }
            answer => answer,
        }
    }

    async fn take_large(&self, submission: &mut Submission) -> Result<Taken> {
        let mut taken = Taken::default();
        for (i, test) in submission.test_cases.iter_mut().enumerate() {
            if let Some((named, payload)) = self.stored(&mut test.input, &mut test.input_base64).await? {
                test.input_sha256 = Some(named);
                taken.0.push((i, Part::Input(payload)));
            }
            let (text, base64) = (&mut test.expected_output, &mut test.expected_output_base64);
            if let Some((named, payload)) = self.stored(text, base64).await? {
                test.expected_output_sha256 = Some(named);
                taken.0.push((i, Part::ExpectedOutput(payload)));
            }
        }
        Ok(taken)
    }

    async fn stored(
        &self,
        text: &mut Option<String>,
        base64: &mut Option<Base64Bytes>,
    ) -> Result<Option<(NamedContent, Payload)>> {
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
        Ok(Some((
            NamedContent::new(digest),
            (mem::take(text), mem::take(base64)),
        )))
    }
}
