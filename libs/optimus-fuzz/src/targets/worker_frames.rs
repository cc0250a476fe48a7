//! Frames on their way to a box: what its agent makes of tests and their inputs, and of a job's header.

use std::path::{Component, Path};

use optimus_common::submission::check_file_name;
use optimus_protocol::{FrameKind, HEADER_LEN, JobHeader, OutputTag, TestHeader, encode, encode_json};
use optimus_runner::fuzzing::{End, Received, receive};

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
        check_tests(&received, &bytes);
        let in_parts = receive(Stream::cut(&bytes, Cuts::new(cuts)));
        assert_eq!(received, in_parts, "the result depends on how frames arrive");
        check_header(text);
        check_tag(text);
    });
}

/// Inputs have the announced length, and are made of nothing but what was sent.
fn check_tests(received: &Received, sent: &[u8]) {
    let mut total = 0;
    for (header, input) in &received.tests {
        assert_eq!(input.len() as u64, header.input_bytes);
        total += input.len() + 2 * HEADER_LEN;
    }
    assert!(total <= sent.len() + HEADER_LEN * received.tests.len());
    if received.end == End::Said {
        let end = frames::compose(b"E");
        assert!(sent.windows(HEADER_LEN).any(|window| window == end));
    }
    // What was understood can be said again.
    let mut again = Vec::new();
    for (header, input) in &received.tests {
        encode_json(&mut again, FrameKind::Test, header).expect("a header is short");
        if !input.is_empty() {
            encode(&mut again, FrameKind::InputData, &[input]);
        }
    }
    encode(&mut again, FrameKind::End, &[]);
    let again = receive(Stream::whole(&again));
    let headers = |received: &Received| -> Vec<TestHeader> {
        received.tests.iter().map(|(header, _)| *header).collect()
    };
    assert_eq!((headers(&again), &again.end), (headers(received), &End::Said));
}

/// No name that passes leaves the work directory.
fn check_header(text: &[u8]) {
    let Ok(header) = serde_json::from_slice::<JobHeader>(text) else {
        return;
    };
    for file in &header.files {
        if check_file_name(&file.name).is_ok() {
            let mut parts = Path::new(&file.name).components();
            assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{file:?}");
        }
    }
    let json = serde_json::to_vec(&header).expect("a header is JSON");
    let again: JobHeader = serde_json::from_slice(&json).expect("what was written can be read");
    assert_eq!(header, again);
}

fn check_tag(payload: &[u8]) {
    if let Ok((tag, data)) = OutputTag::decode(payload) {
        assert_eq!([&tag.encode()[..], data].concat(), payload);
    }
}
