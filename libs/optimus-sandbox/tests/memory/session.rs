//! Sessions with boxes that keep to the protocol.

use std::time::Duration;

use optimus_common::facts::RunEnd;
use optimus_protocol::{
    Exec, ExecId, FileFound, FrameKind, Ready, Seal, StdinSource, StdoutFlow, Stream, Taken, VERSION, WINDOW,
    WINDOW_SLACK,
};
use optimus_sandbox::session::{BoxSession, Event, Input, Session, SessionError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::peer::{self, Census, LIMIT, Peer, command, counted_box, exited, facts, frame, new_box, sealed};

/// The numbers of a compile step, and of the first execution after it.
pub(crate) const COMPILE: ExecId = ExecId(0);
pub(crate) const FIRST: ExecId = ExecId(1);

/// Longer than any step of a test takes.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// A session with a box that said it is ready.
pub(crate) async fn open() -> (Session, Peer) {
    let (live, mut peer) = new_box();
    peer.ready().await;
    (Session::open(live, TIMEOUT).await.unwrap(), peer)
}

/// A box with nothing in its work directory, which is to be sealed.
pub(crate) async fn sealed_box(session: Session) -> BoxSession {
    let mut at_work = session.begin(2).await.unwrap();
    let (mut sender, _) = at_work.split();
    sender.prepare(&[]).await.unwrap();
    sender.seal(&Seal::default()).await.unwrap();
    at_work
}

/// A session with an echoing box.
async fn open_echo() -> Session {
    let (live, peer) = new_box();
    tokio::spawn(peer.echo());
    Session::open(live, TIMEOUT).await.unwrap()
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
            places: 1,
        },
    )
    .await;
    let error = Session::open(live, TIMEOUT).await.unwrap_err();
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
    let files: [(&str, &[u8]); 3] = [("b", b"first"), ("a/c", b""), ("a/b", &large)];
    let give = async {
        let mut at_work = session.begin(7).await?;
        let (mut sender, _) = at_work.split();
        for (path, content) in files {
            sender.put(path, content).await?;
        }
        sender.prepare(&[]).await?;
        sender.seal(&Seal::default()).await?;
        Ok::<_, SessionError>(at_work)
    };
    let (given, (begin, received)) = tokio::join!(give, peer.receive_files());
    given.unwrap();
    assert_eq!((begin.version, begin.parallel), (VERSION, 7));
    let files = files.map(|(path, content)| (path.to_owned(), content.to_owned()));
    assert_eq!(received, files);
}

/// Sends all tests ahead while receiving, through pipes far smaller than the inputs.
#[tokio::test]
async fn tests_streamed_ahead_come_back_unchanged() {
    let mut at_work = sealed_box(open_echo().await).await;
    let inputs: Vec<Vec<u8>> = [0_usize, 1, 65_536, 65_537, 1_000_000]
        .iter()
        .map(|len| (0..=u8::MAX).cycle().take(*len).collect())
        .collect();
    let (mut sender, mut receiver) = at_work.split();
    let command = command();
    let send = async {
        for (id, input) in (0..).map(ExecId).zip(&inputs) {
            sender.exec(id, &command, None, Input::Bytes(input)).await?;
        }
        sender.end().await
    };
    let receive = async {
        let mut outputs = vec![Vec::new(); inputs.len()];
        let mut done = Vec::new();
        assert_eq!(receiver.next().await?, Event::Sealed(sealed()));
        while done.len() < inputs.len() {
            match receiver.next().await? {
                Event::Output {
                    id,
                    stream: Stream::Stdout,
                    data,
                } => {
                    outputs[id.0 as usize].extend_from_slice(&data);
                }
                Event::Exited(exited) => done.push(exited.id.0),
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
    let mut at_work = sealed_box(open_echo().await).await;
    for (id, input) in [(1, b"three"), (2, b"again"), (3, b"twice")] {
        let id = ExecId(id);
        let (mut sender, mut receiver) = at_work.split();
        let receive = async {
            let mut output = Vec::new();
            loop {
                match receiver.next().await? {
                    Event::Output { data, .. } => output.extend_from_slice(&data),
                    Event::Exited(exited) => return Ok((exited, output)),
                    Event::Sealed(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        let command = command();
        let send = sender.exec(id, &command, None, Input::Bytes(input));
        let ((), (done, output)) = tokio::try_join!(send, receive).unwrap();
        assert_eq!((done, &output[..]), (exited(id, 5), &input[..]));
    }
}

#[tokio::test]
#[should_panic(expected = "comes after one of a larger number")]
async fn no_number_is_used_twice() {
    let mut at_work = sealed_box(open_echo().await).await;
    let (mut sender, _) = at_work.split();
    for _ in 0..2 {
        sender.exec(FIRST, &command(), None, Input::Bytes(b"")).await.ok();
    }
}

#[tokio::test]
async fn compiler_output_comes_before_its_facts() {
    let (session, mut peer) = open().await;
    let mut at_work = session.begin(1).await.unwrap();
    let (mut sender, mut receiver) = at_work.split();
    sender.prepare(&[]).await.unwrap();
    sender
        .exec(COMPILE, &command(), Some(100), Input::Bytes(b""))
        .await
        .unwrap();
    let said = peer::output(COMPILE, Stream::Stderr, b"no such variable");
    peer.frame(FrameKind::Output, &said).await;
    let mut failed = exited(COMPILE, 0);
    failed.facts = facts(RunEnd::Exited { code: 1 }, 0);
    failed.facts.stderr_bytes = 16;
    peer.json(FrameKind::Exited, &failed).await;
    let first = receiver.next().await.unwrap();
    assert_eq!(
        first,
        Event::Output {
            id: COMPILE,
            stream: Stream::Stderr,
            data: "no such variable".into()
        },
    );
    assert_eq!(receiver.next().await.unwrap(), Event::Exited(failed));
}

#[tokio::test]
async fn live_input_keeps_to_the_window_and_is_dropped_at_the_end() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    peer.receive_files().await;
    peer.receive().await;
    peer.json(FrameKind::Sealed, &sealed()).await;
    let (mut sender, mut receiver) = at_work.split();
    assert_eq!(receiver.next().await.unwrap(), Event::Sealed(sealed()));
    sender.exec(FIRST, &command(), None, Input::Live).await.unwrap();
    peer.receive().await;
    assert_eq!(sender.input_room(FIRST), Some(WINDOW));
    let all = vec![b'x'; WINDOW];
    let (sent, (kind, payload)) = tokio::join!(sender.input(FIRST, &all), peer.receive());
    sent.unwrap();
    assert_eq!((kind, payload.len()), (FrameKind::Input, ExecId::LEN + WINDOW));
    assert_eq!(sender.input_room(FIRST), Some(0));
    let taken = Taken { id: FIRST, bytes: 10 };
    peer.frame(FrameKind::InputTaken, &taken.encode()).await;
    assert_eq!(receiver.next().await.unwrap(), Event::InputTaken(FIRST));
    assert_eq!(sender.input_room(FIRST), Some(10));
    sender.close_input(FIRST).await.unwrap();
    assert_eq!(peer.receive().await.0, FrameKind::CloseInput);
    assert_eq!(sender.input_room(FIRST), None);
    sender.kill(FIRST).await.unwrap();
    assert_eq!(peer.receive().await.0, FrameKind::Kill);
    let mut stopped = exited(FIRST, 0);
    stopped.facts.end = RunEnd::Stopped;
    peer.json(FrameKind::Exited, &stopped).await;
    assert_eq!(receiver.next().await.unwrap(), Event::Exited(stopped));
    // Nothing of this is sent any more.
    sender.input(FIRST, b"late").await.unwrap();
    sender.close_input(FIRST).await.unwrap();
    sender.kill(FIRST).await.unwrap();
    sender.end().await.unwrap();
    assert_eq!(peer.receive().await.0, FrameKind::End);
}

#[tokio::test]
async fn a_window_of_output_is_all_that_comes_before_it_is_taken() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    sender.exec_joined(FIRST, &command()).await.unwrap();
    peer.receive_files().await;
    peer.receive().await;
    let exec: Exec = serde_json::from_slice(&peer.receive().await.1).unwrap();
    assert_eq!(
        (exec.stdin, exec.stdout),
        (StdinSource::Live, StdoutFlow::Windowed)
    );
    peer.json(FrameKind::Sealed, &sealed()).await;
    receiver.next().await.unwrap();
    let most = WINDOW + WINDOW_SLACK;
    for (bytes, fits) in [(most, true), (most, true), (1, false)] {
        let said = peer::output(FIRST, Stream::Stdout, &vec![0; bytes]);
        let (heard, ()) = tokio::join!(receiver.next(), peer.frame(FrameKind::Output, &said));
        if !fits {
            let error = heard.unwrap_err();
            assert!(matches!(error, SessionError::Violation(_)), "{error:?}");
            break;
        }
        heard.unwrap();
        if sender.input_room(FIRST) == Some(WINDOW) {
            // Only the first is taken.
            sender.output_taken(FIRST, most).await.unwrap();
            let (kind, payload) = peer.receive().await;
            assert_eq!(kind, FrameKind::OutputTaken);
            assert_eq!(Taken::decode(&payload).unwrap().bytes as usize, most);
            sender.input(FIRST, b"x").await.unwrap();
            peer.receive().await;
        }
    }
}

/// As the agent does: what stands behind a seal or an end is read when what went on before is over.
#[tokio::test]
async fn nothing_reaches_an_execution_from_behind_a_seal_or_an_end() {
    for seals in [true, false] {
        let (session, mut peer) = open().await;
        let mut at_work = session.begin(1).await.unwrap();
        let (mut sender, mut receiver) = at_work.split();
        sender.prepare(&[]).await.unwrap();
        sender.exec_joined(COMPILE, &command()).await.unwrap();
        peer.receive_files().await;
        peer.receive().await;
        let last = if seals {
            sender.seal(&Seal::default()).await.unwrap();
            FrameKind::Seal
        } else {
            sender.end().await.unwrap();
            FrameKind::End
        };
        assert_eq!(peer.receive().await.0, last);
        assert_eq!(sender.input_room(COMPILE), None);
        // There is no window any more.
        for _ in 0..5 {
            let said = peer::output(COMPILE, Stream::Stdout, &vec![0; WINDOW]);
            let (heard, ()) = tokio::join!(receiver.next(), peer.frame(FrameKind::Output, &said));
            assert!(matches!(heard.unwrap(), Event::Output { .. }));
        }
        // None of it is sent.
        sender.input(COMPILE, b"late").await.unwrap();
        sender.close_input(COMPILE).await.unwrap();
        sender.output_taken(COMPILE, 5 * WINDOW).await.unwrap();
        sender.kill(COMPILE).await.unwrap();
        drop(at_work);
        let mut rest = Vec::new();
        peer.0.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test]
async fn an_execution_that_nobody_killed_in_time_is_not_stopped() {
    let (session, mut peer) = open().await;
    let mut at_work = session.begin(1).await.unwrap();
    let (mut sender, mut receiver) = at_work.split();
    sender.prepare(&[]).await.unwrap();
    sender.exec_joined(COMPILE, &command()).await.unwrap();
    sender.seal(&Seal::default()).await.unwrap();
    sender.kill(COMPILE).await.unwrap();
    let mut stopped = exited(COMPILE, 0);
    stopped.facts.end = RunEnd::Stopped;
    peer.json(FrameKind::Exited, &stopped).await;
    let error = receiver.next().await.unwrap_err();
    assert!(matches!(error, SessionError::Violation(_)), "{error:?}");
}

/// What it prints until it is dead, nobody has to take first.
#[tokio::test]
async fn an_execution_that_is_to_be_killed_has_no_window() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    peer.receive_files().await;
    peer.receive().await;
    peer.json(FrameKind::Sealed, &sealed()).await;
    receiver.next().await.unwrap();
    sender.exec_joined(FIRST, &command()).await.unwrap();
    peer.receive().await;
    sender.kill(FIRST).await.unwrap();
    assert_eq!(peer.receive().await.0, FrameKind::Kill);
    for _ in 0..5 {
        let said = peer::output(FIRST, Stream::Stdout, &vec![0; WINDOW]);
        let (heard, ()) = tokio::join!(receiver.next(), peer.frame(FrameKind::Output, &said));
        assert!(matches!(heard.unwrap(), Event::Output { .. }));
    }
}

#[tokio::test]
#[should_panic(expected = "comes behind the end")]
async fn nothing_is_executed_behind_the_end() {
    let mut at_work = sealed_box(open_echo().await).await;
    let (mut sender, _) = at_work.split();
    sender.end().await.unwrap();
    sender.exec(FIRST, &command(), None, Input::Bytes(b"")).await.ok();
}

#[tokio::test]
#[should_panic(expected = "more executions than the 1 places")]
async fn before_the_seal_one_place_is_all_there_is() {
    let (session, _peer) = open().await;
    let mut at_work = session.begin(8).await.unwrap();
    let (mut sender, _) = at_work.split();
    sender.prepare(&[]).await.unwrap();
    for number in 0..2 {
        sender.exec_joined(ExecId(number), &command()).await.unwrap();
    }
}

/// Boxes of earlier releases have no number of places, and are told apart by their version all the same.
#[tokio::test]
async fn a_box_tells_how_many_places_it_has() {
    let told = |ready: serde_json::Value| async move {
        let (live, mut peer) = new_box();
        peer.json(FrameKind::Ready, &ready).await;
        let session = Session::open(live, TIMEOUT).await?;
        let at_work = session.begin(3).await?;
        let places = at_work.places();
        drop(at_work);
        Ok::<_, SessionError>(places)
    };
    let ready =
        |version, places: u32| serde_json::json!({"version": version, "toolchain": null, "places": places});
    assert_eq!(told(ready(VERSION, 2)).await.unwrap(), 2);
    assert_eq!(told(ready(VERSION, 1000)).await.unwrap(), 3);
    let error = told(ready(VERSION, 0)).await.unwrap_err();
    assert!(matches!(error, SessionError::Violation(_)), "{error:?}");
    let earlier = serde_json::json!({"version": 4, "toolchain": null});
    let error = told(earlier).await.unwrap_err();
    assert!(matches!(error, SessionError::Version { theirs: 4 }), "{error:?}");
}

#[tokio::test]
#[should_panic(expected = "one of them is fed")]
async fn nobody_stands_behind_an_execution_that_waits_where_one_is_fed() {
    let (session, _peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, _) = at_work.split();
    for number in 1..=2 {
        sender.exec_joined(ExecId(number), &command()).await.unwrap();
    }
    sender
        .exec(ExecId(3), &command(), None, Input::Bytes(b""))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_comes_in_pieces_after_its_size() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    peer.json(FrameKind::Sealed, &sealed()).await;
    receiver.next().await.unwrap();
    for path in ["made", "missing", "large"] {
        sender.get(path, 5).await.unwrap();
    }
    peer.json(FrameKind::File, &FileFound::Bytes(5)).await;
    peer.frame(FrameKind::Data, b"abc").await;
    peer.frame(FrameKind::Data, b"de").await;
    peer.json(FrameKind::File, &FileFound::Missing).await;
    peer.json(FrameKind::File, &FileFound::TooLarge(6)).await;
    for expected in [
        Event::File(FileFound::Bytes(5)),
        Event::FileData("abc".into()),
        Event::FileData("de".into()),
        Event::File(FileFound::Missing),
        Event::File(FileFound::TooLarge(6)),
    ] {
        assert_eq!(receiver.next().await.unwrap(), expected);
    }
}

/// A worker waits for a cancellation beside each event, so a call is dropped half-way again and again.
#[tokio::test]
async fn receiving_can_be_interrupted_at_any_byte() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    let id = ExecId(5);
    sender
        .exec(id, &command(), None, Input::Bytes(b""))
        .await
        .unwrap();
    let stream = [
        frame(FrameKind::Sealed, &serde_json::to_vec(&sealed()).unwrap()),
        frame(FrameKind::Output, &peer::output(id, Stream::Stdout, b"hello")),
        frame(FrameKind::Exited, &serde_json::to_vec(&exited(id, 5)).unwrap()),
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
            id,
            stream: Stream::Stdout,
            data: "hello".into()
        }
    );
}

#[tokio::test]
async fn the_byte_over_the_limit_is_still_taken() {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    sender
        .exec(FIRST, &command(), None, Input::Bytes(b""))
        .await
        .unwrap();
    let feed = async {
        peer.json(FrameKind::Sealed, &sealed()).await;
        for _ in 0..LIMIT >> 16 {
            let output = peer::output(FIRST, Stream::Stdout, &vec![0; 1 << 16]);
            peer.frame(FrameKind::Output, &output).await;
        }
        peer.json(FrameKind::Exited, &exited(FIRST, LIMIT + 1)).await;
    };
    let receive = async {
        loop {
            if let Event::Exited(exited) = receiver.next().await.unwrap() {
                return exited;
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
