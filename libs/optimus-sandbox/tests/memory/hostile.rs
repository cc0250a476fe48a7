//! Sessions with boxes that do not keep to the protocol. None may make a panic, and none may be believed.

use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{ExecId, Exited, FileFound, FrameKind, Seal, Stream, Taken, VERSION};
use optimus_sandbox::session::{Event, Input, Session, SessionError};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use crate::{
    peer::{LIMIT, command, exited, facts, frame, new_box, output, sealed},
    session::{COMPILE, FIRST, TIMEOUT, open, sealed_box},
};

fn json(kind: FrameKind, value: &impl serde::Serialize) -> Vec<u8> {
    frame(kind, &serde_json::to_vec(value).unwrap())
}

fn is_sealed() -> Vec<u8> {
    json(FrameKind::Sealed, &sealed())
}

fn ended(id: ExecId, bytes: u64) -> Vec<u8> {
    json(FrameKind::Exited, &exited(id, bytes))
}

fn printed(id: ExecId, data: &[u8]) -> Vec<u8> {
    frame(FrameKind::Output, &output(id, Stream::Stdout, data))
}

fn taken(id: ExecId, bytes: u32) -> Vec<u8> {
    frame(FrameKind::InputTaken, &Taken { id, bytes }.encode())
}

fn closed(id: ExecId) -> Vec<u8> {
    frame(FrameKind::StdoutClosed, &id.encode())
}

fn file(found: FileFound) -> Vec<u8> {
    json(FrameKind::File, &found)
}

/// What a box was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// To seal its work directory, and to execute the first test.
    Test,
    /// To compile.
    Compile,
    /// All of that, without waiting for anything.
    Both,
    /// To execute the first test, which was sent 3 bytes of its live input, and for a file of 2 bytes at most.
    More,
    /// To execute the first test joined to another one.
    Joined,
}

/// Everything a box that was asked for this says until it is refused. The box closes its stream at the end.
async fn hear(asked: Asked, said: Vec<u8>) -> (Vec<Event>, SessionError) {
    let (session, mut peer) = open().await;
    let mut at_work = session.begin(2).await.unwrap();
    let (mut sender, mut receiver) = at_work.split();
    let command = command();
    sender.prepare(&[]).await.unwrap();
    if matches!(asked, Asked::Compile | Asked::Both) {
        let nothing = Input::Bytes(b"");
        sender.exec(COMPILE, &command, None, nothing).await.unwrap();
    }
    if asked != Asked::Compile {
        sender.seal(&Seal::default()).await.unwrap();
        match asked {
            Asked::Joined => sender.exec_joined(FIRST, &command).await,
            Asked::More => sender.exec(FIRST, &command, None, Input::Live).await,
            _ => sender.exec(FIRST, &command, None, Input::Bytes(b"")).await,
        }
        .unwrap();
    }
    if asked == Asked::More {
        sender.input(FIRST, b"abc").await.unwrap();
        sender.get("made", 2).await.unwrap();
    }
    let speak = async move {
        // The session may stop listening half-way.
        peer.0.write_all(&said).await.ok();
        drop(peer);
    };
    let listen = async {
        let mut events = Vec::new();
        loop {
            match receiver.next().await {
                Ok(event) => events.push(event),
                Err(error) => return (events, error),
            }
        }
    };
    tokio::pin!(speak, listen);
    tokio::select! {
        heard = &mut listen => heard,
        () = &mut speak => listen.await,
    }
}

#[tokio::test]
async fn what_a_box_must_not_say_is_refused() {
    let flood = printed(FIRST, &vec![0; 1 << 16]).repeat((LIMIT >> 16) as usize + 2);
    let long_control = frame(FrameKind::Exited, &vec![b' '; 1 << 17]);
    let mut stopped = exited(FIRST, 0);
    stopped.facts.end = RunEnd::Stopped;
    let stopped = json(FrameKind::Exited, &stopped);
    let (test, compile, both, more) = (Asked::Test, Asked::Compile, Asked::Both, Asked::More);
    let joined = Asked::Joined;
    let nobodys = ExecId(2);
    let cases: Vec<(&str, Asked, Vec<Vec<u8>>)> = vec![
        (
            "a second ready",
            test,
            vec![is_sealed(), frame(FrameKind::Ready, b"{}")],
        ),
        (
            "a frame of ours",
            test,
            vec![is_sealed(), frame(FrameKind::Exec, b"{}")],
        ),
        ("an unknown kind", test, vec![vec![200, 0, 0, 0, 0]]),
        (
            "a frame too long",
            test,
            vec![vec![FrameKind::Output as u8, 255, 255, 255, 255]],
        ),
        ("a control frame too long", test, vec![is_sealed(), long_control]),
        ("no JSON", test, vec![frame(FrameKind::Sealed, b"\xff\0")]),
        (
            "output without a tag",
            test,
            vec![is_sealed(), frame(FrameKind::Output, b"\0\0")],
        ),
        (
            "output of no stream",
            test,
            vec![is_sealed(), frame(FrameKind::Output, b"\0\0\0\x01\x03x")],
        ),
        (
            "output without output",
            test,
            vec![is_sealed(), printed(FIRST, b"")],
        ),
        (
            "compile facts without a compile step",
            test,
            vec![ended(COMPILE, 0)],
        ),
        (
            "compiler output without a compile step",
            test,
            vec![printed(COMPILE, b"x")],
        ),
        ("a seal before the compile step's end", both, vec![is_sealed()]),
        ("a seal nobody asked for", compile, vec![is_sealed()]),
        (
            "a seal nobody asked for, after the compile step",
            compile,
            vec![ended(COMPILE, 0), is_sealed()],
        ),
        ("two seals", test, vec![is_sealed(), is_sealed()]),
        (
            "two ends of the compile step",
            compile,
            vec![ended(COMPILE, 0), ended(COMPILE, 0)],
        ),
        (
            "compiler output after its end",
            compile,
            vec![ended(COMPILE, 0), printed(COMPILE, b"x")],
        ),
        ("a run before the compile step", both, vec![ended(FIRST, 0)]),
        (
            "a run before the seal",
            both,
            vec![ended(COMPILE, 0), printed(FIRST, b"x")],
        ),
        (
            "a run that was not asked for after the compile step",
            compile,
            vec![ended(COMPILE, 0), printed(FIRST, b"x")],
        ),
        (
            "a run nobody asked for",
            test,
            vec![is_sealed(), ended(nobodys, 0)],
        ),
        (
            "output after the end of its run",
            test,
            vec![is_sealed(), ended(FIRST, 0), printed(FIRST, b"x")],
        ),
        (
            "two ends of a run",
            test,
            vec![is_sealed(), ended(FIRST, 0), ended(FIRST, 0)],
        ),
        ("a run stopped by nobody", test, vec![is_sealed(), stopped]),
        ("more output than the limit", test, vec![is_sealed(), flood]),
        (
            "input taken that is not live",
            test,
            vec![is_sealed(), taken(FIRST, 1)],
        ),
        (
            "more input taken than sent",
            more,
            vec![is_sealed(), taken(FIRST, 4)],
        ),
        (
            "more input taken than sent, in two parts",
            more,
            vec![is_sealed(), taken(FIRST, 3), taken(FIRST, 1)],
        ),
        ("no input taken", more, vec![is_sealed(), taken(FIRST, 0)]),
        (
            "input taken after the end",
            more,
            vec![is_sealed(), ended(FIRST, 0), taken(FIRST, 1)],
        ),
        (
            "input taken by nobody",
            more,
            vec![is_sealed(), taken(nobodys, 1)],
        ),
        (
            "input taken without a number of bytes",
            more,
            vec![is_sealed(), frame(FrameKind::InputTaken, &FIRST.encode())],
        ),
        (
            "an end of an output without a window",
            more,
            vec![is_sealed(), closed(FIRST)],
        ),
        (
            "two ends of an output",
            joined,
            vec![is_sealed(), closed(FIRST), closed(FIRST)],
        ),
        (
            "output behind its end",
            joined,
            vec![is_sealed(), closed(FIRST), printed(FIRST, b"x")],
        ),
        (
            "an end of an output after that of its run",
            joined,
            vec![is_sealed(), ended(FIRST, 0), closed(FIRST)],
        ),
        (
            "an end of an output of nobody",
            joined,
            vec![is_sealed(), closed(nobodys)],
        ),
        (
            "an end of an output, and something else",
            joined,
            vec![is_sealed(), frame(FrameKind::StdoutClosed, b"\0\0\0\x01\0")],
        ),
        (
            "a file nobody asked for",
            test,
            vec![is_sealed(), file(FileFound::Missing)],
        ),
        ("a file before the seal", more, vec![file(FileFound::Missing)]),
        (
            "a file too large",
            more,
            vec![is_sealed(), file(FileFound::Bytes(3))],
        ),
        (
            "a file too large that is not",
            more,
            vec![is_sealed(), file(FileFound::TooLarge(2))],
        ),
        (
            "two files",
            more,
            vec![is_sealed(), file(FileFound::Missing), file(FileFound::Missing)],
        ),
        (
            "a file's bytes without a file",
            more,
            vec![is_sealed(), frame(FrameKind::Data, b"x")],
        ),
        (
            "more of a file than its size",
            more,
            vec![
                is_sealed(),
                file(FileFound::Bytes(2)),
                frame(FrameKind::Data, b"ab"),
                frame(FrameKind::Data, b"c"),
            ],
        ),
        (
            "nothing of a file",
            more,
            vec![
                is_sealed(),
                file(FileFound::Bytes(2)),
                frame(FrameKind::Data, b""),
            ],
        ),
    ];
    for (what, asked, said) in cases {
        let (_, error) = hear(asked, said.concat()).await;
        assert!(
            matches!(error, SessionError::Violation(_) | SessionError::Protocol(_)),
            "{what}: {error:?}"
        );
    }
}

const AGAIN: ExecId = ExecId(2);

/// Hears a whole first try, sends the test once more, and hears all of that.
async fn hear_twice(said: Vec<Vec<u8>>) -> (Vec<Event>, SessionError) {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    let command = command();
    sender
        .exec(FIRST, &command, None, Input::Bytes(b""))
        .await
        .unwrap();
    let first = [is_sealed(), printed(FIRST, b"first"), ended(FIRST, 5)];
    peer.0.write_all(&first.concat()).await.unwrap();
    while !matches!(receiver.next().await.unwrap(), Event::Exited(_)) {}
    sender
        .exec(AGAIN, &command, None, Input::Bytes(b""))
        .await
        .unwrap();
    let speak = async move {
        peer.0.write_all(&said.concat()).await.ok();
        drop(peer);
    };
    let listen = async {
        let mut events = Vec::new();
        loop {
            match receiver.next().await {
                Ok(event) => events.push(event),
                Err(error) => return (events, error),
            }
        }
    };
    tokio::join!(speak, listen).1
}

#[tokio::test]
async fn a_test_may_be_sent_once_more() {
    let second = vec![printed(AGAIN, b"2nd"), ended(AGAIN, 3)];
    let (events, error) = hear_twice(second).await;
    assert!(matches!(error, SessionError::Closed), "{error:?}");
    let [Event::Output { .. }, Event::Exited(exited)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(exited.facts.stdout_bytes, 3);
}

#[tokio::test]
async fn a_second_try_is_held_to_what_a_first_one_is() {
    let done = |bytes| ended(AGAIN, bytes);
    let flood = printed(AGAIN, &vec![0; 1 << 16]).repeat((LIMIT >> 16) as usize + 2);
    for (what, said) in [
        ("more output than the limit", vec![flood]),
        ("a third try", vec![done(0), done(0)]),
        ("output after the end", vec![done(0), printed(AGAIN, b"x")]),
        ("output of the first try", vec![printed(FIRST, b"x")]),
    ] {
        let (_, error) = hear_twice(said).await;
        assert!(matches!(error, SessionError::Violation(_)), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn a_box_that_leaves_early_is_closed() {
    for said in [Vec::new(), is_sealed(), vec![FrameKind::Exited as u8, 0, 0]] {
        let (_, error) = hear(Asked::Test, said).await;
        assert!(matches!(error, SessionError::Closed), "{error:?}");
    }
}

#[tokio::test]
async fn an_agent_that_gives_up_is_quoted_in_a_printable_way() {
    let said = frame(FrameKind::Fault, b"no space\x1b[31m left\xff\n");
    let (_, error) = hear(Asked::Test, said).await;
    assert!(
        matches!(&error, SessionError::Agent(text) if text == "no space [31m left\u{fffd}"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_fault_instead_of_ready_is_quoted() {
    let (live, mut peer) = new_box();
    peer.frame(FrameKind::Fault, b"/proc is missing").await;
    let error = Session::open(live, TIMEOUT).await.unwrap_err();
    assert!(
        matches!(&error, SessionError::Agent(text) if text == "/proc is missing"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_toolchain_is_shortened_and_printable() {
    let (live, mut peer) = new_box();
    let toolchain = format!("\u{1b}]0;\u{7}{}", "x".repeat(5000));
    let ready = serde_json::json!({"version": VERSION, "toolchain": toolchain, "places": 1});
    let (session, ()) = tokio::join!(Session::open(live, TIMEOUT), peer.json(FrameKind::Ready, &ready));
    let session = session.unwrap();
    let shown = session.toolchain().unwrap();
    assert!(
        shown.chars().count() <= 1000 && !shown.chars().any(char::is_control),
        "{shown:?}"
    );
}

#[tokio::test]
async fn a_waiting_box_that_speaks_is_not_trusted() {
    let (mut session, mut peer) = open().await;
    peer.0.write_all(b"x").await.unwrap();
    let error = session.failed().await;
    assert!(matches!(error, SessionError::Violation(_)), "{error:?}");
}

#[tokio::test]
async fn a_box_that_reads_nothing_does_not_stop_the_receiver() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    let command = command();
    peer.frame(FrameKind::Fault, b"stuck").await;
    let input = vec![0; 1 << 20];
    tokio::select! {
        sent = sender.exec(FIRST, &command, None, Input::Bytes(&input)) => panic!("nobody took it: {sent:?}"),
        event = receiver.next() => assert!(matches!(event, Err(SessionError::Agent(_))), "{event:?}"),
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop_oneof![
        Just(FrameKind::Ready),
        Just(FrameKind::Output),
        Just(FrameKind::Exited),
        Just(FrameKind::Sealed),
        Just(FrameKind::InputTaken),
        Just(FrameKind::File),
        Just(FrameKind::Data),
        Just(FrameKind::Fault),
        Just(FrameKind::End),
    ];
    let payloads = prop_oneof![
        any::<Vec<u8>>(),
        Just(output(FIRST, Stream::Stdout, b"x")),
        Just(output(ExecId(9), Stream::Stderr, b"x")),
        Just(output(COMPILE, Stream::Stderr, b"x")),
        Just(serde_json::to_vec(&sealed()).unwrap()),
        Just(serde_json::to_vec(&exited(FIRST, 0)).unwrap()),
        Just(serde_json::to_vec(&exited(FIRST, 1)).unwrap()),
        Just(serde_json::to_vec(&FileFound::Bytes(1)).unwrap()),
        Just(Taken { id: FIRST, bytes: 1 }.encode().to_vec()),
    ];
    (kinds, payloads).prop_map(|(kind, mut payload)| {
        payload.truncate(kind.max_payload());
        frame(kind, &payload)
    })
}

fn any_asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        Just(Asked::Test),
        Just(Asked::Compile),
        Just(Asked::Both),
        Just(Asked::More),
    ]
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn random_bytes_end_in_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..4096), asked in any_asked()) {
        let len = bytes.len();
        let (events, _) = block_on(hear(asked, bytes));
        prop_assert!(events.len() <= len);
    }

    #[test]
    fn random_frames_never_make_two_ends_of_a_run(
        frames in proptest::collection::vec(any_frame(), 0..20),
        asked in any_asked(),
    ) {
        let (events, _) = block_on(hear(asked, frames.concat()));
        for id in [COMPILE, FIRST] {
            let is_end = |event: &&Event| matches!(event, Event::Exited(exited) if exited.id == id);
            prop_assert!(events.iter().filter(is_end).count() <= 1);
        }
        let seals = events.iter().filter(|event| matches!(event, Event::Sealed(_))).count();
        prop_assert!(seals <= 1);
        let of_file = |event: &Event| match event {
            Event::FileData(data) => data.len(),
            _ => 0,
        };
        prop_assert!(events.iter().map(of_file).sum::<usize>() <= 2);
    }

    #[test]
    fn a_random_start_is_never_ready(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let opened = block_on(async {
            let (live, mut peer) = new_box();
            let speak = async move {
                peer.0.write_all(&bytes).await.ok();
                drop(peer);
            };
            let (opened, ()) = tokio::join!(Session::open(live, TIMEOUT), speak);
            opened.map(drop)
        });
        prop_assert!(opened.is_err());
    }

    #[test]
    fn announced_lengths_are_bounded(len in (1_u32 << 20) + 1.., kind in 65_u8..72) {
        let header = [&[kind][..], &len.to_be_bytes()].concat();
        let (_, error) = block_on(hear(Asked::Test, header));
        prop_assert!(matches!(error, SessionError::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn texts_of_a_box_are_short_and_without_control_characters() {
    let hostile = format!("\u{1b}[2J\n{}", "x".repeat(5000));
    let check = |text: &str| {
        assert!(text.chars().count() < 1200, "{} characters", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    };

    let end = RunEnd::NotStarted {
        error: hostile.clone(),
    };
    let done = Exited {
        id: COMPILE,
        facts: facts(end, 0),
    };
    let (events, _) = hear(Asked::Compile, json(FrameKind::Exited, &done)).await;
    let [
        Event::Exited(Exited {
            facts:
                RunFacts {
                    end: RunEnd::NotStarted { error },
                    ..
                },
            ..
        }),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    check(error);

    let unknown = serde_json::json!({"id": 0, "facts": {"end": {"how": hostile}}});
    let (_, error) = hear(Asked::Compile, json(FrameKind::Exited, &unknown)).await;
    check(&error.to_string());
}
