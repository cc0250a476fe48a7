//! Sessions with boxes that keep to the protocol.

use std::time::Duration;

use optimus_common::facts::RunEnd;
use optimus_protocol::{CompileDone, FrameKind, JobStep, Ready, Stream, VERSION};
use optimus_sandbox::session::{Event, Session, SessionError};
use tokio::io::AsyncWriteExt;

use crate::peer::{
    self, Census, LIMIT, Peer, compiled_job, counted_box, facts, frame, job, new_box, run_done,
};

/// Longer than any step of a test takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A session with a box that said it is ready.
pub(crate) async fn open() -> (Session, Peer) {
    let (live, mut peer) = new_box();
    peer.ready().await;
    (Session::open(live, PATIENCE).await.unwrap(), peer)
}

/// A session with an echoing box.
async fn open_echo() -> Session {
    let (live, peer) = new_box();
    tokio::spawn(peer.echo());
    Session::open(live, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_ready_box_tells_its_toolchain() {
    let (session, _peer) = open().await;
    assert_eq!(session.toolchain(), Some("Echo 1.0"));
}

#[tokio::test]
async fn a_box_of_another_version_is_refused() {
    let (live, mut peer) = new_box();
    peer.json(
        FrameKind::Ready,
        &Ready {
            version: VERSION + 1,
            toolchain: None,
        },
    )
    .await;
    let error = Session::open(live, PATIENCE).await.unwrap_err();
    assert!(
        matches!(error, SessionError::Version { theirs } if theirs == VERSION + 1),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_box_is_given_up_and_destroyed() {
    let census = Census::default();
    let (live, _peer) = counted_box(&census);
    let error = Session::open(live, Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(error, SessionError::NotReady { .. }), "{error:?}");
    assert_eq!(census.alive(), 0);
}

#[tokio::test]
async fn files_arrive_whole_and_in_order() {
    let (session, mut peer) = open().await;
    let large = vec![7; 300_000];
    let files: [&[u8]; 3] = [b"first", b"", &large];
    let header = job(&files);
    let (started, (received, contents)) =
        tokio::join!(session.start_job(&header, &files), peer.receive_job());
    started.unwrap();
    assert_eq!(received, header);
    assert_eq!(contents, files);
}

#[tokio::test]
#[should_panic(expected = "files differ from their headers")]
async fn contents_that_differ_from_their_header_are_refused() {
    let (session, _peer) = open().await;
    session.start_job(&job(&[b"four"]), &[b"fives"]).await.ok();
}

/// Sends all tests ahead while receiving, through pipes far smaller than the inputs.
#[tokio::test]
async fn tests_streamed_ahead_come_back_unchanged() {
    let mut job_session = open_echo().await.start_job(&job(&[]), &[]).await.unwrap();
    let inputs: Vec<Vec<u8>> = [0_usize, 1, 65_536, 65_537, 1_000_000]
        .iter()
        .map(|len| (0..=u8::MAX).cycle().take(*len).collect())
        .collect();
    let (mut sender, mut receiver) = job_session.split();
    let send = async {
        for (run, input) in (0..).zip(&inputs) {
            sender.test(run, input).await?;
        }
        sender.end().await
    };
    let receive = async {
        let mut outputs = vec![Vec::new(); inputs.len()];
        let mut done = Vec::new();
        assert_eq!(
            receiver.next().await?,
            Event::CompileDone(CompileDone {
                program_missing: false,
                too_many_entries: false,
                facts: None
            })
        );
        while done.len() < inputs.len() {
            match receiver.next().await? {
                Event::Output {
                    step: JobStep::Run(run),
                    stream: Stream::Stdout,
                    data,
                } => {
                    outputs[run as usize].extend_from_slice(&data);
                }
                Event::RunDone(run_done) => done.push(run_done.run),
                other => panic!("{other:?}"),
            }
        }
        assert!(
            matches!(receiver.next().await, Err(SessionError::Closed)),
            "it leaves after the end"
        );
        Ok((outputs, done))
    };
    let ((), (outputs, done)) = tokio::try_join!(send, receive).unwrap();
    assert_eq!(outputs, inputs);
    assert_eq!(done, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn tests_can_go_one_by_one() {
    let mut job_session = open_echo().await.start_job(&job(&[]), &[]).await.unwrap();
    for (run, input) in [(3, b"three"), (1, b"again"), (2, b"twice")] {
        let (mut sender, mut receiver) = job_session.split();
        let receive = async {
            let mut output = Vec::new();
            loop {
                match receiver.next().await? {
                    Event::Output { data, .. } => output.extend_from_slice(&data),
                    Event::RunDone(done) => return Ok((done, output)),
                    Event::CompileDone(_) => {}
                }
            }
        };
        let ((), (done, output)) = tokio::try_join!(sender.test(run, input), receive).unwrap();
        assert_eq!((done, &output[..]), (run_done(run, 5), &input[..]));
    }
}

#[tokio::test]
async fn compiler_output_comes_before_its_facts() {
    let (session, mut peer) = open().await;
    let mut job_session = session.start_job(&compiled_job(), &[]).await.unwrap();
    peer.frame(
        FrameKind::Output,
        &peer::output(JobStep::Compile, Stream::Stderr, b"no such variable"),
    )
    .await;
    let mut failed = facts(RunEnd::Exited { code: 1 }, 0);
    failed.stderr_bytes = 16;
    let done = CompileDone {
        program_missing: false,
        too_many_entries: false,
        facts: Some(failed),
    };
    peer.json(FrameKind::CompileDone, &done).await;
    let (_, mut receiver) = job_session.split();
    let first = receiver.next().await.unwrap();
    assert_eq!(
        first,
        Event::Output {
            step: JobStep::Compile,
            stream: Stream::Stderr,
            data: "no such variable".into()
        },
    );
    assert_eq!(receiver.next().await.unwrap(), Event::CompileDone(done));
}

/// A worker waits for a cancellation beside each event, so a call is dropped half-way again and again.
#[tokio::test]
async fn receiving_can_be_interrupted_at_any_byte() {
    let (session, mut peer) = open().await;
    let mut job_session = session.start_job(&job(&[]), &[]).await.unwrap();
    let (mut sender, mut receiver) = job_session.split();
    sender.test(5, b"").await.unwrap();
    let stream = [
        frame(
            FrameKind::CompileDone,
            &serde_json::to_vec(&CompileDone {
                program_missing: false,
                too_many_entries: false,
                facts: None,
            })
            .unwrap(),
        ),
        frame(
            FrameKind::Output,
            &peer::output(JobStep::Run(5), Stream::Stdout, b"hello"),
        ),
        frame(FrameKind::RunDone, &serde_json::to_vec(&run_done(5, 5)).unwrap()),
    ]
    .concat();
    let mut events = Vec::new();
    for byte in stream {
        peer.0.write_all(&[byte]).await.unwrap();
        // Polled once or a few times, never to its end unless a frame is whole.
        tokio::select! {
            biased;
            event = receiver.next() => events.push(event.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(
        events[1],
        Event::Output {
            step: JobStep::Run(5),
            stream: Stream::Stdout,
            data: "hello".into()
        }
    );
}

#[tokio::test]
async fn the_byte_over_the_limit_is_still_taken() {
    let (session, mut peer) = open().await;
    let mut job_session = session.start_job(&job(&[]), &[]).await.unwrap();
    let (mut sender, mut receiver) = job_session.split();
    sender.test(0, b"").await.unwrap();
    let feed = async {
        peer.json(
            FrameKind::CompileDone,
            &CompileDone {
                program_missing: false,
                too_many_entries: false,
                facts: None,
            },
        )
        .await;
        for _ in 0..LIMIT >> 16 {
            peer.frame(
                FrameKind::Output,
                &peer::output(JobStep::Run(0), Stream::Stdout, &vec![0; 1 << 16]),
            )
            .await;
        }
        peer.json(FrameKind::RunDone, &run_done(0, LIMIT + 1)).await;
    };
    let receive = async {
        loop {
            if let Event::RunDone(done) = receiver.next().await.unwrap() {
                return done;
            }
        }
    };
    let ((), done) = tokio::join!(feed, receive);
    assert_eq!(done.facts.stdout_bytes, LIMIT + 1);
}

#[tokio::test]
async fn a_waiting_box_that_leaves_is_noticed() {
    let (mut session, peer) = open().await;
    tokio::select! {
        biased;
        error = session.failed() => panic!("{error}"),
        () = tokio::task::yield_now() => {}
    }
    drop(peer);
    assert!(matches!(session.failed().await, SessionError::Closed));
}
