//! Sessions with boxes that do not keep to the protocol. None may make a panic, and none may be believed.

use std::time::Duration;

use optimus_common::{
    facts::{LimitKind, RunEnd},
    language::{Language, Languages},
    settings::Settings,
    submission::Submission,
};
use optimus_judge::{
    engine::{self, Action, BoxId, Engine, EngineError, Execution},
    plan::JobPlan,
};
use optimus_protocol::{CompileDone, FrameKind, JobHeader, JobStep, Stream, VERSION};
use optimus_sandbox::session::{Event, Receiver, Session, SessionError};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use crate::{
    peer::{LIMIT, compiled_job, facts, frame, job, new_box, output, run_done},
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
            too_many_entries: false,
            facts: None,
        },
    )
}

fn compiled(code: i32) -> Vec<u8> {
    json(
        FrameKind::CompileDone,
        &CompileDone {
            program_missing: false,
            too_many_entries: false,
            facts: Some(facts(RunEnd::Exited { code }, 0)),
        },
    )
}

fn printed(step: JobStep, data: &[u8]) -> Vec<u8> {
    frame(FrameKind::Output, &output(step, Stream::Stdout, data))
}

/// Why a box is not believed any more: its session says so, or the engine of its job.
#[derive(Debug)]
enum Refused {
    Session(SessionError),
    Engine(EngineError),
}

impl Refused {
    /// Whether the box said something wrong, and did not just leave.
    fn is_violation(&self) -> bool {
        match self {
            Self::Session(error) => matches!(error, SessionError::Violation(_) | SessionError::Protocol(_)),
            Self::Engine(_) => true,
        }
    }
}

/// Listens as a worker does, until the box is refused: to all that the session lets pass and the engine takes.
async fn listen(receiver: &mut Receiver<'_>, engine: &mut Engine<'_>) -> (Vec<Event>, Refused) {
    let mut events = Vec::new();
    loop {
        let event = match receiver.next().await {
            Ok(event) => event,
            Err(error) => return (events, Refused::Session(error)),
        };
        let taken = match event.clone() {
            Event::Output { step, stream, data } => engine.handle(engine::Event::Output {
                in_box: BoxId::PROGRAM,
                id: step.into(),
                stream,
                data: &data,
            }),
            Event::CompileDone(done) => engine.handle(engine::Event::compile_done(BoxId::PROGRAM, done)),
            Event::RunDone(done) => engine.handle(engine::Event::run_done(BoxId::PROGRAM, done)),
        };
        match taken {
            Ok(()) => events.push(event),
            Err(error) => return (events, Refused::Engine(error)),
        }
    }
}

/// What an engine borrows, for a job of one test that expects `first`.
struct Graded {
    submission: Submission,
    language: Language,
    plan: JobPlan,
}

impl Graded {
    fn new(header: JobHeader) -> Self {
        let languages = include_str!("../../../../config/languages.json");
        let mut languages: Languages = serde_json::from_str(languages).unwrap();
        let submission = serde_json::json!({
            "language": "python", "source_code": "", "test_cases": [{"id": 1, "expected_output": "first"}],
        });
        Self {
            submission: serde_json::from_value(submission).unwrap(),
            language: languages.languages.remove(0),
            plan: JobPlan {
                header,
                largest_input_bytes: 0,
                box_memory_bytes: 0,
            },
        }
    }

    /// One that has asked for everything there is to ask for.
    fn engine(&self) -> Engine<'_> {
        let results = Settings::defaults().results;
        let mut engine = Engine::new(&self.submission, &self.language, &self.plan, &results);
        while engine.poll().is_some() {}
        engine
    }
}

/// Everything a box that was given run 0 says until it is refused. The box closes its stream at the end.
async fn hear(compile: bool, said: Vec<u8>) -> (Vec<Event>, Refused) {
    let (session, mut peer) = open().await;
    let header = if compile { compiled_job() } else { job(&[]) };
    let graded = Graded::new(header);
    let mut engine = graded.engine();
    let mut job_session = session.start_job(&graded.plan.header, &[]).await.unwrap();
    let (mut sender, mut receiver) = job_session.split();
    sender.test(0, b"").await.unwrap();
    let speak = async move {
        // The session may stop listening half-way.
        peer.0.write_all(&said).await.ok();
        drop(peer);
    };
    let listen = listen(&mut receiver, &mut engine);
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
        too_many_entries: false,
        facts: Some(facts(
            RunEnd::Killed {
                limit: LimitKind::Memory,
            },
            0,
        )),
    };
    let flood = printed(JobStep::Run(0), &vec![0; 1 << 16]).repeat((LIMIT >> 16) as usize + 2);
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
            vec![no_compile(), printed(JobStep::Run(0), b"")],
        ),
        ("compile facts without a compile step", false, vec![compiled(0)]),
        (
            "compiler output without a compile step",
            false,
            vec![printed(JobStep::Compile, b"x")],
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
            vec![compiled(0), printed(JobStep::Compile, b"x")],
        ),
        (
            "a run before the compile step",
            true,
            vec![json(FrameKind::RunDone, &run_done(0, 0))],
        ),
        (
            "a run after a failed compile step",
            true,
            vec![compiled(1), printed(JobStep::Run(0), b"x")],
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
                printed(JobStep::Run(0), b"x"),
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
        ("more output than the limit", false, vec![no_compile(), flood]),
        (
            "less output than the facts say",
            false,
            vec![
                no_compile(),
                printed(JobStep::Run(0), b"x"),
                json(FrameKind::RunDone, &run_done(0, 2)),
            ],
        ),
        (
            "more output than the facts say",
            false,
            vec![
                no_compile(),
                printed(JobStep::Run(0), b"xyz"),
                json(FrameKind::RunDone, &run_done(0, 2)),
            ],
        ),
    ];
    for (what, compile, said) in cases {
        let (_, error) = hear(compile, said.concat()).await;
        assert!(error.is_violation(), "{what}: {error:?}");
    }
}

/// Hears a whole first try that is right and a little late, sends the test once more as run 1, and hears all of that.
async fn hear_twice(said: Vec<Vec<u8>>) -> (Vec<Event>, Refused) {
    let (session, mut peer) = open().await;
    let graded = Graded::new(job(&[]));
    let mut engine = graded.engine();
    let mut job_session = session.start_job(&graded.plan.header, &[]).await.unwrap();
    let (mut sender, mut receiver) = job_session.split();
    sender.test(0, b"").await.unwrap();
    let mut late = run_done(0, 5);
    late.facts.cpu_time = graded.plan.header.run.limits.cpu_time + Duration::from_micros(1);
    let first = [
        no_compile(),
        printed(JobStep::Run(0), b"first"),
        json(FrameKind::RunDone, &late),
    ];
    peer.0.write_all(&first.concat()).await.unwrap();
    let again = loop {
        tokio::select! {
            biased;
            heard = listen(&mut receiver, &mut engine) => panic!("{heard:?}"),
            () = tokio::task::yield_now() => {}
        }
        if let Some(action) = engine.poll() {
            break action;
        }
    };
    let Action::Execute(Execution { id, .. }) = again else {
        panic!("{again:?}");
    };
    assert_eq!(id.run(), 1);
    sender.test(id.run(), b"").await.unwrap();
    let speak = async move {
        peer.0.write_all(&said.concat()).await.ok();
        drop(peer);
    };
    tokio::join!(speak, listen(&mut receiver, &mut engine)).1
}

#[tokio::test]
async fn a_test_may_be_sent_once_more() {
    let second = vec![
        printed(JobStep::Run(1), b"2nd"),
        json(FrameKind::RunDone, &run_done(1, 3)),
    ];
    let (events, error) = hear_twice(second).await;
    assert!(
        matches!(error, Refused::Session(SessionError::Closed)),
        "{error:?}"
    );
    let [Event::Output { .. }, Event::RunDone(done)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(done.facts.stdout_bytes, 3);
}

#[tokio::test]
async fn a_second_try_is_held_to_what_a_first_one_is() {
    let done = |bytes| json(FrameKind::RunDone, &run_done(1, bytes));
    let flood = printed(JobStep::Run(1), &vec![0; 1 << 16]).repeat((LIMIT >> 16) as usize + 2);
    for (what, said) in [
        ("output of the first try in the second one's facts", vec![done(5)]),
        ("more output than the limit", vec![flood]),
        ("a third try", vec![done(0), done(0)]),
        (
            "output after the end",
            vec![done(0), printed(JobStep::Run(1), b"x")],
        ),
        ("output of the first try", vec![printed(JobStep::Run(0), b"x")]),
        (
            "the end of the first try",
            vec![json(FrameKind::RunDone, &run_done(0, 0))],
        ),
    ] {
        let (_, error) = hear_twice(said).await;
        assert!(error.is_violation(), "{what}: {error:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "run 0 is going on")]
async fn a_test_is_not_sent_again_before_its_end() {
    let (session, _peer) = open().await;
    let mut job_session = session.start_job(&job(&[]), &[]).await.unwrap();
    let (mut sender, _) = job_session.split();
    sender.test(0, b"").await.unwrap();
    sender.test(0, b"").await.ok();
}

#[tokio::test]
async fn a_box_that_leaves_early_is_closed() {
    for said in [Vec::new(), no_compile(), vec![FrameKind::RunDone as u8, 0, 0]] {
        let (_, error) = hear(false, said).await;
        assert!(
            matches!(error, Refused::Session(SessionError::Closed)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_agent_that_gives_up_is_quoted_in_a_printable_way() {
    let said = frame(FrameKind::Fault, b"no space\x1b[31m left\xff\n");
    let (_, error) = hear(false, said).await;
    assert!(
        matches!(&error, Refused::Session(SessionError::Agent(text)) if text == "no space [31m left\u{fffd}"),
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
        Just(FrameKind::Fault),
        Just(FrameKind::End),
    ];
    let payloads = prop_oneof![
        any::<Vec<u8>>(),
        Just(output(JobStep::Run(0), Stream::Stdout, b"x")),
        Just(output(JobStep::Run(9), Stream::Stderr, b"x")),
        Just(output(JobStep::Compile, Stream::Stderr, b"x")),
        Just(
            serde_json::to_vec(&CompileDone {
                program_missing: false,
                too_many_entries: false,
                facts: None
            })
            .unwrap()
        ),
        Just(serde_json::to_vec(&run_done(0, 0)).unwrap()),
        Just(serde_json::to_vec(&run_done(0, 1)).unwrap()),
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
    fn announced_lengths_are_bounded(len in (1_u32 << 20) + 1.., kind in 65_u8..70) {
        let header = [&[kind][..], &len.to_be_bytes()].concat();
        let (_, error) = block_on(hear(false, header));
        prop_assert!(matches!(error, Refused::Session(SessionError::Protocol(_))), "{error:?}");
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
        too_many_entries: false,
        facts: Some(facts(
            RunEnd::NotStarted {
                error: hostile.clone(),
            },
            0,
        )),
    };
    let (_, error) = hear(true, json(FrameKind::CompileDone, &done)).await;
    let Refused::Engine(EngineError::CompilerNotStarted(error)) = &error else {
        panic!("{error:?}")
    };
    check(error);

    let unknown = serde_json::json!({"facts": {"end": {"how": hostile}}});
    let (_, error) = hear(true, json(FrameKind::CompileDone, &unknown)).await;
    let Refused::Session(error) = &error else {
        panic!("{error:?}")
    };
    check(&error.to_string());
}
