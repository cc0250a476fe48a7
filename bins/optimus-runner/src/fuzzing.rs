//! What the fuzz targets need of this crate's private parts.

use std::{fs::File, io::Read, os::fd::AsFd};

use optimus_cell::Input;
use optimus_protocol::{Exec, ExecId, Get, Seal, Taken};

use crate::inbox::{Execution, Inbox, Request};

/// What an agent makes of the frames after its files: each execution with its input as the program would read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub asked: Vec<Asked>,
    pub end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// With its input, unless it is a live one.
    Exec(Exec, Option<Vec<u8>>),
    Input(ExecId, Vec<u8>),
    CloseInput(ExecId),
    OutputTaken(Taken),
    Kill(ExecId),
    Seal(Seal),
    Get(Get),
}

#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The worker said that nothing follows.
    Said,
    /// The agent refused to read on, for this reason.
    Refused(String),
}

/// Reads what comes from `worker`.
pub fn receive(mut worker: impl Read) -> Received {
    let mut inbox = Inbox::new();
    let mut asked = Vec::new();
    let end = loop {
        let request = inbox.receive_by(|buffer| match worker.read(buffer)? {
            0 => anyhow::bail!("the worker is gone"),
            read => Ok(read),
        });
        match request {
            Ok(None) => {}
            Ok(Some(Request::End)) => break End::Said,
            Ok(Some(Request::Exec(Execution { exec, input }))) => {
                asked.push(Asked::Exec(exec, input.as_ref().map(contents)));
            }
            Ok(Some(Request::Input(id, bytes))) => asked.push(Asked::Input(id, bytes)),
            Ok(Some(Request::CloseInput(id))) => asked.push(Asked::CloseInput(id)),
            Ok(Some(Request::OutputTaken(taken))) => asked.push(Asked::OutputTaken(taken)),
            Ok(Some(Request::Kill(id))) => asked.push(Asked::Kill(id)),
            Ok(Some(Request::Seal(seal))) => asked.push(Asked::Seal(seal)),
            Ok(Some(Request::Get(get))) => asked.push(Asked::Get(get)),
            Err(error) => break End::Refused(format!("{error:#}")),
        }
    };
    Received { asked, end }
}

fn contents(input: &Input) -> Vec<u8> {
    let mut bytes = Vec::new();
    input
        .as_fd()
        .try_clone_to_owned()
        .and_then(|input| File::from(input).read_to_end(&mut bytes))
        .expect("a finished input can be read");
    bytes
}
