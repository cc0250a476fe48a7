//! A client of the HTTP API of Optimus.
//!
//! [`Client`] has a method for each thing that clients do: submit a program, wait for its end, follow it while it runs, cancel
//! it, store large content once, ask what there is. What goes wrong is an [`Error`], which knows whether it is worth trying
//! again.
//!
//! ```
//! use optimus_client::{Client, JobEvent};
//! use optimus_common::submission::{Submission, TestCase};
//!
//! # async fn example(address: &str) -> optimus_client::Result<()> {
//! let client = Client::new(address)?;
//! let tests = vec![TestCase::new(1, "4\n", "16\n")];
//! let submission = Submission::new("python".parse().unwrap(), "print(int(input()) ** 2)", tests);
//!
//! // Inputs and outputs of more than a mebibyte travel once. With a key it may be sent again where no answer came: it stays one
//! // job.
//! let job = client.submit_large(submission, Some("square-1")).await?;
//!
//! let mut events = client.follow(job.job_id);
//! while let Some(event) = events.next().await? {
//!     if let JobEvent::Run(run) = event {
//!         println!("test {}: {}", run.test_id, run.verdict.as_str());
//!     }
//! }
//! let record = client.job(job.job_id).await?;
//! println!("{}", record.status.as_str());
//! # assert_eq!(record.status, optimus_common::job::JobStatus::Cancelled);
//! # Ok(())
//! # }
//! # // An installation without workers, whose jobs are cancelled as soon as they wait.
//! # #[tokio::main]
//! # async fn main() {
//! #     use std::{sync::Arc, time::Duration};
//! #     use optimus_api::Settings;
//! #     use optimus_common::language::LanguagesFile;
//! #     let mut settings = Settings::defaults();
//! #     settings.languages_file = LanguagesFile::BuiltIn;
//! #     let rules = optimus_content::Rules::of(&settings.content);
//! #     let store = Arc::new(optimus_queue::memory::MemoryStore::new(&settings.queue));
//! #     let app = optimus_api::App::new(store, Arc::new(optimus_content::Memory::new(rules)), settings).unwrap();
//! #     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! #     let address = format!("http://{}", listener.local_addr().unwrap());
//! #     tokio::spawn(optimus_api::serve(listener, Arc::new(app), std::future::pending()));
//! #     let client = Client::new(&address).unwrap();
//! #     let tests = vec![TestCase::new(1, "4\n", "16\n")];
//! #     let submission = Submission::new("python".parse().unwrap(), "print(int(input()) ** 2)", tests);
//! #     let same = client.submit(&submission, Some("square-1")).await.unwrap();
//! #     client.cancel(same.job_id).await.unwrap();
//! #     example(&address).await.unwrap();
//! # }
//! ```
//!
//! - `client`: one installation's API; `content`: what it does with content; `events`: a job that is followed
//! - `answers`: what the API answers beside the domain's types; `error`: what may go wrong; `request`: what all requests begin with
#![forbid(unsafe_code)]

mod answers;
mod client;
mod content;
mod error;
mod events;
mod request;

pub use http::{HeaderMap, Method, Request, Response, StatusCode};

pub use self::{
    answers::{JobState, LanguageEntry, QueueEntry},
    client::Client,
    error::{Error, Problem, Refusal, Result},
    events::{Compile, End, Events, JobEvent, Run, Started},
};
