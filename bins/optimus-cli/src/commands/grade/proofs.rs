//! Whether a verdict is the program's own doing.
//!
//! A language's box may be ready, and no program of it run there: a library is missing, or what its recipe calls is. Whoever
//! handed in the program must not pay for that. A program that has passed a test shows that others can run; where none
//! has, the language's own sample is run before the first other verdict is believed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use optimus_common::{
    LanguageName,
    result::{JobResult, Verdict},
};
use tokio::sync::OnceCell;

use crate::{
    embedded::Embedded,
    exit::{Classify, Failure},
};

/// Why programs of a language do not run, if they do not.
type Proof = Result<(), String>;

/// What is known of each language by now. No sample is run twice.
#[derive(Debug, Default)]
pub(super) struct Proofs(Mutex<HashMap<LanguageName, Arc<OnceCell<Proof>>>>);

impl Proofs {
    /// Answers why this result says nothing about its program, if that is so.
    pub(super) async fn doubt(
        &self,
        embedded: &Embedded,
        name: &LanguageName,
        result: &JobResult,
    ) -> Result<Option<String>, Failure> {
        let proof = self.of(name);
        if result.test_results.iter().any(|test| test.passed) {
            // Where another task is just running the sample, that answers the same.
            let _ = proof.set(Ok(()));
            return Ok(None);
        }
        if result.verdict == Verdict::Cancelled {
            return Ok(None);
        }
        let proved = proof
            .get_or_try_init(|| async { Box::pin(prove(embedded, name)).await })
            .await?;
        Ok(proved.clone().err())
    }

    fn of(&self, name: &LanguageName) -> Arc<OnceCell<Proof>> {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(proofs.entry(name.clone()).or_default())
    }
}

async fn prove(embedded: &Embedded, name: &LanguageName) -> Result<Proof, Failure> {
    let settings = &embedded.settings;
    let languages = settings.languages_file.load().usage()?;
    let language = languages
        .get(name)
        .with_context(|| format!("there is no language {name} any more"))
        .usage()?;
    let proved = optimus_worker::prove(embedded.choice.backend.as_ref(), language, settings).await;
    Ok(proved.map(|_toolchain| ()))
}
