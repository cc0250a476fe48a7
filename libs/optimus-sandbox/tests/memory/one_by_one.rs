//! One execution after another, and what of a box's words counts then.

use optimus_protocol::{ExecId, FrameKind, Stream};
use optimus_sandbox::session::{Finished, OneByOne, Session, SessionError, Step};
use tokio::io::AsyncWriteExt;

use crate::{
    peer::{LIMIT, Peer, command, exited, frame, new_box, output, sealed},
    session::{TIMEOUT, open},
};

const FIRST: ExecId = ExecId(0);
const SECOND: ExecId = ExecId(1);

fn json(kind: FrameKind, value: &impl serde::Serialize) -> Vec<u8> {
    frame(kind, &serde_json::to_vec(value).unwrap())
}

fn is_sealed() -> Vec<u8> {
    json(FrameKind::Sealed, &sealed())
}

fn printed(id: ExecId, data: &[u8]) -> Vec<u8> {
    frame(FrameKind::Output, &output(id, Stream::Stdout, data))
}

fn ended(id: ExecId, stdout_bytes: u64) -> Vec<u8> {
    json(FrameKind::Exited, &exited(id, stdout_bytes))
}

/// What comes of two executions in a box that says this.
async fn both(said: Vec<u8>) -> Result<[Finished; 2], SessionError> {
    let (session, Peer(mut stream)) = open().await;
    let listen = async {
        let mut at_work = OneByOne::sealed(session).await?;
        Ok([
            at_work.run(&command(), b"").await?,
            at_work.run(&command(), b"").await?,
        ])
    };
    let speak = async {
        stream.write_all(&said).await.ok();
        // It listens for as long as it is asked.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        heard = listen => heard,
        () = speak => unreachable!(),
    }
}

#[tokio::test]
async fn each_has_its_own_output_and_its_own_end() {
    let (live, peer) = new_box();
    tokio::spawn(peer.echo());
    let session = Session::open(live, TIMEOUT).await.unwrap();
    let mut at_work = OneByOne::sealed(session).await.unwrap();
    let large = vec![7; 300_000];
    for input in [&b"one"[..], b"", &large] {
        let finished = at_work.run(&command(), input).await.unwrap();
        assert_eq!((&finished.stdout[..], &finished.stderr[..]), (input, &b""[..]));
        assert_eq!(finished.facts.stdout_bytes, input.len() as u64);
    }
}

#[tokio::test]
async fn one_that_is_started_is_followed_step_by_step() {
    let (live, peer) = new_box();
    tokio::spawn(peer.echo());
    let session = Session::open(live, TIMEOUT).await.unwrap();
    let mut at_work = OneByOne::sealed(session).await.unwrap();
    at_work.start(&command(), b"word").await.unwrap();
    let step = at_work.step().await.unwrap();
    assert!(
        matches!(&step, Step::Output { stream: Stream::Stdout, data } if data == &b"word"[..]),
        "{step:?}"
    );
    let step = at_work.step().await.unwrap();
    assert!(
        matches!(&step, Step::Ended(facts) if facts.stdout_bytes == 4),
        "{step:?}"
    );
    assert_eq!(at_work.run(&command(), b"more").await.unwrap().stdout, b"more");
}

#[tokio::test]
async fn what_is_not_of_the_one_that_goes_on_is_refused() {
    let fine = [is_sealed(), printed(FIRST, b"ab"), ended(FIRST, 2)].concat();
    let second = |said: &[Vec<u8>]| [fine.clone(), said.concat()].concat();
    let finished = both(second(&[printed(SECOND, b"c"), ended(SECOND, 1)]))
        .await
        .unwrap();
    assert_eq!(finished.map(|run| run.stdout), [b"ab".to_vec(), b"c".to_vec()]);
    for (lie, said) in [
        ("an end said twice", second(&[ended(FIRST, 2)])),
        ("output after an end", second(&[printed(FIRST, b"c")])),
        ("an end of nobody", second(&[ended(ExecId(7), 0)])),
        ("lost output", second(&[printed(SECOND, b"c"), ended(SECOND, 2)])),
        (
            "output that nobody wrote",
            second(&[printed(SECOND, b"cd"), ended(SECOND, 1)]),
        ),
        (
            "output beyond the limit that is lost before it",
            second(&[ended(SECOND, LIMIT + 1)]),
        ),
    ] {
        let heard = both(said).await;
        assert!(
            matches!(heard, Err(SessionError::Violation(_))),
            "{lie}: {heard:?}"
        );
    }
}
