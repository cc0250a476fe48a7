//! Frames on their way to a box: what its agent makes of executions and their inputs, and of the names of files.

use std::path::{Component, Path};

use optimus_common::submission::check_file_name;
use optimus_protocol::{
    CHUNK, FrameKind, HEADER_LEN, OutputTag, Put, StdinSource, WINDOW, encode, encode_json,
};
use optimus_runner::fuzzing::{Asked, End, Received, receive};

use super::frames;
use crate::{
    memory::bounded,
    pieces::{Cuts, Stream, choices},
};

/// A frame's announced payload, and the agent's buffer.
const MEMORY: usize = 2 << 20;

pub fn worker_frames(input: &[u8]) {
    let ([cuts], text) = choices::<1>(input);
    let bytes = frames::compose(text);
    bounded(MEMORY + 8 * input.len(), || {
        let received = receive(Stream::whole(&bytes));
        check_asked(&received, &bytes);
        let in_parts = receive(Stream::cut(&bytes, Cuts::new(cuts)));
        assert_eq!(received, in_parts, "the result depends on how frames arrive");
        check_put(text);
        check_tag(text);
    });
}

/// Inputs have the announced length, and are made of nothing but what was sent.
fn check_asked(received: &Received, sent: &[u8]) {
    let mut total = 0;
    for asked in &received.asked {
        match asked {
            Asked::Exec(exec, input) => {
                let announced = match exec.stdin {
                    StdinSource::Bytes(bytes) => Some(bytes),
                    StdinSource::Live => None,
                };
                assert_eq!(input.as_ref().map(|input| input.len() as u64), announced);
                total += input.as_ref().map_or(0, Vec::len);
            }
            Asked::Input(_, bytes) => {
                assert!(bytes.len() <= WINDOW);
                total += bytes.len();
            }
            Asked::CloseInput(_)
            | Asked::OutputTaken(_)
            | Asked::Kill(_)
            | Asked::Seal(_)
            | Asked::Get(_) => {}
        }
        total += HEADER_LEN;
    }
    assert!(total <= sent.len());
    if received.end == End::Said {
        let end = frames::compose(b"E");
        assert!(sent.windows(HEADER_LEN).any(|window| window == end));
    }
    // What was understood can be said again.
    let mut again = Vec::new();
    for asked in &received.asked {
        say(asked, &mut again);
    }
    encode(&mut again, FrameKind::End, &[]);
    let again = receive(Stream::whole(&again));
    assert_eq!((&again.asked, &again.end), (&received.asked, &End::Said));
}

fn say(asked: &Asked, to: &mut Vec<u8>) {
    let short = "what was understood fits a frame";
    match asked {
        Asked::Exec(exec, input) => {
            encode_json(to, FrameKind::Exec, exec).expect(short);
            for chunk in input.iter().flat_map(|input| input.chunks(CHUNK)) {
                encode(to, FrameKind::Data, &[chunk]);
            }
        }
        Asked::Input(id, bytes) => encode(to, FrameKind::Input, &[&id.encode(), bytes]),
        Asked::CloseInput(id) => encode(to, FrameKind::CloseInput, &[&id.encode()]),
        Asked::OutputTaken(taken) => encode(to, FrameKind::OutputTaken, &[&taken.encode()]),
        Asked::Kill(id) => encode(to, FrameKind::Kill, &[&id.encode()]),
        Asked::Seal(seal) => encode_json(to, FrameKind::Seal, seal).expect(short),
        Asked::Get(get) => encode_json(to, FrameKind::Get, get).expect(short),
    }
}

/// No name that passes leaves the work directory.
fn check_put(text: &[u8]) {
    let Ok(put) = serde_json::from_slice::<Put>(text) else {
        return;
    };
    if check_file_name(&put.path).is_ok() {
        let mut parts = Path::new(&put.path).components();
        assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{put:?}");
    }
    let json = serde_json::to_vec(&put).expect("it is JSON");
    let again: Put = serde_json::from_slice(&json).expect("what was written can be read");
    assert_eq!(put, again);
}

fn check_tag(payload: &[u8]) {
    if let Ok((tag, data)) = OutputTag::decode(payload) {
        assert_eq!([&tag.encode()[..], data].concat(), payload);
    }
}
