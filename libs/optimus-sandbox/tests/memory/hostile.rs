//! Sessions with boxes that do not keep to the protocol. None may make a panic, and none may be believed.

use std::time::Duration;

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts},
    protocol::{CompileDone, FrameKind, HEADER_LEN, RunAgain, Step, Stream, VERSION},
};
use optimus_sandbox::session::{Event, Session, SessionError};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use crate::{
    peer::{CPU_LIMIT, LIMIT, compiled_job, facts, frame, job, new_box, output, run_done},
    session::{PATIENCE, open},
};

fn json(kind: FrameKind, value: &impl serde::Serialize) -> Vec<u8> {
    frame(kind, &serde_json::to_vec(value).unwrap())
}

fn no_compile() -> Vec<u8> {
    json(
        FrameKind::CompileDone,
        &CompileDone {
            program_missing: false,
            facts: None,
        },
    )
}

fn compiled(code: i32) -> Vec<u8> {
    json(
        FrameKind::CompileDone,
        &CompileDone {
            program_missing: false,
            facts: Some(facts(RunEnd::Exited { code }, 0)),
        },
    )
}

fn printed(step: Step, data: &[u8]) -> Vec<u8> {
    frame(FrameKind::Output, &output(step, Stream::Stdout, data))
}

/// A try that ended by itself after this CPU time.
fn again(cpu_time: Duration, stdout_bytes: u64) -> Vec<u8> {
    let facts = RunFacts {
        cpu_time,
        ..facts(RunEnd::Exited { code: 0 }, stdout_bytes)
    };
    json(FrameKind::RunAgain, &RunAgain { run: 0, facts })
}

/// Everything a box that was given run 0 says until it is refused. The box closes its stream at the end.
async fn hear(compile: bool, said: Vec<u8>) -> (Vec<Event>, SessionError) {
    let (session, mut peer) = open().await;
    let header = if compile { compiled_job() } else { job(&[]) };
    let mut job_session = session.start_job(&header, &[]).await.unwrap();
    let (mut sender, mut receiver) = job_session.split();
    sender.test(0, b"").await.unwrap();
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
    let signalled = CompileDone {
        program_missing: false,
        facts: Some(facts(
            RunEnd::Killed {
                limit: LimitKind::Memory,
            },
            0,
        )),
    };
    let close = CPU_LIMIT + CPU_LIMIT / 20;
    let flood = printed(Step::Run(0), &vec![0; 1 << 16]).repeat((LIMIT >> 16) as usize + 2);
    let long_control = frame(FrameKind::RunDone, &vec![b' '; 1 << 17]);
    let cases: Vec<(&str, bool, Vec<Vec<u8>>)> = vec![
        (
            "a second ready",
            false,
            vec![no_compile(), frame(FrameKind::Ready, b"{}")],
        ),
        (
            "a frame of ours",
            false,
            vec![no_compile(), frame(FrameKind::Test, b"{}")],
        ),
        ("an unknown kind", false, vec![vec![200, 0, 0, 0, 0]]),
        (
            "a frame too long",
            false,
            vec![vec![FrameKind::Output as u8, 255, 255, 255, 255]],
        ),
        (
            "a control frame too long",
            false,
            vec![no_compile(), long_control],
        ),
        ("no JSON", false, vec![frame(FrameKind::CompileDone, b"\xff\0")]),
        (
            "output without a tag",
            false,
            vec![no_compile(), frame(FrameKind::Output, b"\0\0")],
        ),
        (
            "output of no stream",
            false,
            vec![no_compile(), frame(FrameKind::Output, b"\0\0\0\0\x03x")],
        ),
        (
            "output without output",
            false,
            vec![no_compile(), printed(Step::Run(0), b"")],
        ),
        ("compile facts without a compile step", false, vec![compiled(0)]),
        (
            "compiler output without a compile step",
            false,
            vec![printed(Step::Compile, b"x")],
        ),
        ("no compile facts with a compile step", true, vec![no_compile()]),
        (
            "two ends of the compile step",
            true,
            vec![compiled(0), compiled(0)],
        ),
        (
            "compiler output after its end",
            true,
            vec![compiled(0), printed(Step::Compile, b"x")],
        ),
        (
            "a run before the compile step",
            true,
            vec![json(FrameKind::RunDone, &run_done(0, 0))],
        ),
        (
            "a run after a failed compile step",
            true,
            vec![compiled(1), printed(Step::Run(0), b"x")],
        ),
        (
            "a run after a killed compile step",
            true,
            vec![
                json(FrameKind::CompileDone, &signalled),
                json(FrameKind::RunDone, &run_done(0, 0)),
            ],
        ),
        (
            "a run nobody asked for",
            false,
            vec![no_compile(), json(FrameKind::RunDone, &run_done(1, 0))],
        ),
        (
            "output after the end of its run",
            false,
            vec![
                no_compile(),
                json(FrameKind::RunDone, &run_done(0, 0)),
                printed(Step::Run(0), b"x"),
            ],
        ),
        (
            "two ends of a run",
            false,
            vec![
                no_compile(),
                json(FrameKind::RunDone, &run_done(0, 0)),
                json(FrameKind::RunDone, &run_done(0, 0)),
            ],
        ),
        (
            "more output than the limit",
            false,
            vec![no_compile(), flood.clone()],
        ),
        (
            "a third try",
            false,
            vec![no_compile(), again(close, 0), again(close, 0)],
        ),
        (
            "a second try of a run within its limits",
            false,
            vec![no_compile(), again(CPU_LIMIT, 0)],
        ),
        (
            "a second try of a run far over its limit",
            false,
            vec![no_compile(), again(CPU_LIMIT * 2, 0)],
        ),
        (
            "a second try after the end",
            false,
            vec![
                no_compile(),
                json(FrameKind::RunDone, &run_done(0, 0)),
                again(close, 0),
            ],
        ),
        (
            "a second try before the compile step",
            true,
            vec![again(close, 0)],
        ),
        (
            "less output than the facts of the first try say",
            false,
            vec![no_compile(), again(close, 1)],
        ),
        (
            "output of the first try in the second one's facts",
            false,
            vec![
                no_compile(),
                printed(Step::Run(0), b"x"),
                again(close, 1),
                json(FrameKind::RunDone, &run_done(0, 1)),
            ],
        ),
        (
            "more output than the limit in the second try",
            false,
            vec![no_compile(), again(close, 0), flood],
        ),
        (
            "less output than the facts say",
            false,
            vec![
                no_compile(),
                printed(Step::Run(0), b"x"),
                json(FrameKind::RunDone, &run_done(0, 2)),
            ],
        ),
        (
            "more output than the facts say",
            false,
            vec![
                no_compile(),
                printed(Step::Run(0), b"xyz"),
                json(FrameKind::RunDone, &run_done(0, 2)),
            ],
        ),
    ];
    for (what, compile, said) in cases {
        let (_, error) = hear(compile, said.concat()).await;
        assert!(
            matches!(error, SessionError::Violation(_) | SessionError::Protocol(_)),
            "{what}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_close_time_out_may_be_tried_once_more() {
    let said = [
        no_compile(),
        printed(Step::Run(0), b"first"),
        again(CPU_LIMIT + CPU_LIMIT / 20, 5),
        printed(Step::Run(0), b"2nd"),
        json(FrameKind::RunDone, &run_done(0, 3)),
    ];
    let (events, error) = hear(false, said.concat()).await;
    assert!(matches!(error, SessionError::Closed), "{error:?}");
    let [
        _,
        Event::Output { .. },
        Event::RunAgain(again),
        Event::Output { .. },
        Event::RunDone(done),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((again.facts.stdout_bytes, done.facts.stdout_bytes), (5, 3));
}

#[tokio::test]
async fn a_box_that_leaves_early_is_closed() {
    for said in [Vec::new(), no_compile(), vec![FrameKind::RunDone as u8, 0, 0]] {
        let (_, error) = hear(false, said).await;
        assert!(matches!(error, SessionError::Closed), "{error:?}");
    }
}

#[tokio::test]
async fn an_agent_that_gives_up_is_quoted_in_a_printable_way() {
    let said = frame(FrameKind::Fault, b"no space\x1b[31m left\xff\n");
    let (_, error) = hear(false, said).await;
    assert!(
        matches!(&error, SessionError::Agent(text) if text == "no space [31m left\u{fffd}"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_fault_instead_of_ready_is_quoted() {
    let (live, mut peer) = new_box();
    peer.frame(FrameKind::Fault, b"/proc is missing").await;
    let error = Session::open(live, PATIENCE).await.unwrap_err();
    assert!(
        matches!(&error, SessionError::Agent(text) if text == "/proc is missing"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_toolchain_is_shortened_and_printable() {
    let (live, mut peer) = new_box();
    let toolchain = format!("\u{1b}]0;\u{7}{}", "x".repeat(5000));
    let ready = serde_json::json!({"version": VERSION, "toolchain": toolchain});
    let (session, ()) = tokio::join!(Session::open(live, PATIENCE), peer.json(FrameKind::Ready, &ready));
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
    let mut job_session = session.start_job(&job(&[]), &[]).await.unwrap();
    let (mut sender, mut receiver) = job_session.split();
    peer.frame(FrameKind::Fault, b"stuck").await;
    let input = vec![0; 1 << 20];
    tokio::select! {
        sent = sender.test(0, &input) => panic!("nobody took it: {sent:?}"),
        event = receiver.next() => assert!(matches!(event, Err(SessionError::Agent(_))), "{event:?}"),
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop_oneof![
        Just(FrameKind::Ready),
        Just(FrameKind::Output),
        Just(FrameKind::CompileDone),
        Just(FrameKind::RunDone),
        Just(FrameKind::RunAgain),
        Just(FrameKind::Fault),
        Just(FrameKind::End),
    ];
    let payloads = prop_oneof![
        any::<Vec<u8>>(),
        Just(output(Step::Run(0), Stream::Stdout, b"x")),
        Just(output(Step::Run(9), Stream::Stderr, b"x")),
        Just(output(Step::Compile, Stream::Stderr, b"x")),
        Just(
            serde_json::to_vec(&CompileDone {
                program_missing: false,
                facts: None
            })
            .unwrap()
        ),
        Just(serde_json::to_vec(&run_done(0, 0)).unwrap()),
        Just(serde_json::to_vec(&run_done(0, 1)).unwrap()),
        Just(again(CPU_LIMIT + CPU_LIMIT / 20, 0).split_off(HEADER_LEN)),
    ];
    (kinds, payloads).prop_map(|(kind, payload)| frame(kind, &payload))
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
    fn random_bytes_end_in_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..4096), compile: bool) {
        let len = bytes.len();
        let (events, _) = block_on(hear(compile, bytes));
        prop_assert!(events.len() <= len);
    }

    #[test]
    fn random_frames_never_make_two_ends_of_a_run(
        frames in proptest::collection::vec(any_frame(), 0..20),
        compile: bool,
    ) {
        let (events, _) = block_on(hear(compile, frames.concat()));
        let ends = events.iter().filter(|event| matches!(event, Event::RunDone(_))).count();
        prop_assert!(ends <= 1);
        let again = events.iter().filter(|event| matches!(event, Event::RunAgain(_))).count();
        prop_assert!(again <= 1);
        let compiled = events.iter().filter(|event| matches!(event, Event::CompileDone(_))).count();
        prop_assert!(compiled <= 1);
    }

    #[test]
    fn a_random_start_is_never_ready(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let opened = block_on(async {
            let (live, mut peer) = new_box();
            let speak = async move {
                peer.0.write_all(&bytes).await.ok();
                drop(peer);
            };
            let (opened, ()) = tokio::join!(Session::open(live, PATIENCE), speak);
            opened.map(drop)
        });
        prop_assert!(opened.is_err());
    }

    #[test]
    fn announced_lengths_are_bounded(len in (1_u32 << 20) + 1.., kind in 65_u8..71) {
        let header = [&[kind][..], &len.to_be_bytes()].concat();
        let (_, error) = block_on(hear(false, header));
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

    let done = CompileDone {
        program_missing: false,
        facts: Some(facts(
            RunEnd::NotStarted {
                error: hostile.clone(),
            },
            0,
        )),
    };
    let (events, _) = hear(true, json(FrameKind::CompileDone, &done)).await;
    let [
        Event::CompileDone(CompileDone {
            program_missing: false,
            facts:
                Some(RunFacts {
                    end: RunEnd::NotStarted { error },
                    ..
                }),
        }),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    check(error);

    let unknown = serde_json::json!({"facts": {"end": {"how": hostile}}});
    let (_, error) = hear(true, json(FrameKind::CompileDone, &unknown)).await;
    check(&error.to_string());
}
