//! What the fuzz targets need of this crate's private parts.

use std::{fs::File, io::Read, os::fd::AsFd};

use optimus_protocol::TestHeader;

use crate::inbox::{Inbox, Request};

/// What an agent makes of the frames with tests: each test with its input as the run would read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub tests: Vec<(TestHeader, Vec<u8>)>,
    pub end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The worker said that no test follows.
    Said,
    /// The agent refused to read on, for this reason.
    Refused(String),
}

/// Reads what comes from `worker`.
pub fn receive(mut worker: impl Read) -> Received {
    let mut inbox = Inbox::new();
    let mut tests = Vec::new();
    let end = loop {
        let request = inbox.receive_by(|buffer| match worker.read(buffer)? {
            0 => anyhow::bail!("the worker is gone"),
            read => Ok(read),
        });
        match request {
            Ok(None) => {}
            Ok(Some(Request::End)) => break End::Said,
            Ok(Some(Request::Test(header, input))) => {
                let mut bytes = Vec::new();
                input
                    .as_fd()
                    .try_clone_to_owned()
                    .and_then(|input| File::from(input).read_to_end(&mut bytes))
                    .expect("a finished input can be read");
                tests.push((header, bytes));
            }
            Err(error) => break End::Refused(format!("{error:#}")),
        }
    };
    Received { tests, end }
}
