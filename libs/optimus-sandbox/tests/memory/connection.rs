//! What one execution prints on its way to another one.

use std::{env, fs, process::Command};

use optimus_protocol::{ExecId, FrameKind, Stream, Taken, WINDOW};
use optimus_sandbox::session::{BoxSession, Connection, Event};

use crate::{
    peer::{self, LIMIT, Peer, command, exited, sealed},
    session::{FIRST, open, sealed_box},
};

/// A box in which a joined execution goes on, which may print so much.
async fn joined(output_bytes: u64) -> (BoxSession, Peer) {
    let (session, mut peer) = open().await;
    let mut at_work = sealed_box(session).await;
    let (mut sender, mut receiver) = at_work.split();
    let mut command = command();
    command.limits.output_bytes = output_bytes;
    peer.receive_files().await;
    peer.receive().await;
    peer.json(FrameKind::Sealed, &sealed()).await;
    receiver.next().await.unwrap();
    sender.exec_joined(FIRST, &command).await.unwrap();
    peer.receive().await;
    (at_work, peer)
}

#[tokio::test]
async fn what_one_prints_is_carried_as_far_as_the_other_reads() {
    let (mut at_work, mut peer) = joined(LIMIT).await;
    let (mut sender, mut receiver) = at_work.split();
    let mut connection = Connection::new(FIRST);
    connection.push(&vec![b'x'; WINDOW + 5]);
    let (carried, (kind, payload)) = tokio::join!(connection.carry(&mut sender), peer.receive());
    assert_eq!(carried.unwrap(), WINDOW);
    assert_eq!((kind, payload.len()), (FrameKind::Input, ExecId::LEN + WINDOW));
    connection.end();
    assert_eq!(connection.carry(&mut sender).await.unwrap(), 0);
    let taken = Taken { id: FIRST, bytes: 9 };
    peer.frame(FrameKind::InputTaken, &taken.encode()).await;
    receiver.next().await.unwrap();
    assert_eq!(connection.carry(&mut sender).await.unwrap(), 5);
    assert_eq!(peer.receive().await.1.len(), ExecId::LEN + 5);
    assert_eq!(peer.receive().await.0, FrameKind::CloseInput);
    // Once nobody reads, everything is carried to nowhere.
    peer.json(FrameKind::Exited, &exited(FIRST, 0)).await;
    receiver.next().await.unwrap();
    connection.push(&vec![b'x'; 3 * WINDOW]);
    assert_eq!(connection.carry(&mut sender).await.unwrap(), 3 * WINDOW);
}

/// KiB of memory that this process has.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Set in the process that measures.
const ALONE: &str = "OPTIMUS_TEST_ALONE";

/// Else a byte a frame, each beside much of the other stream, would keep all of that.
#[tokio::test]
async fn what_waits_keeps_nothing_that_came_beside_it() {
    if env::var_os(ALONE).is_none() {
        // The memory of a process is that of all its tests.
        let name = "connection::what_waits_keeps_nothing_that_came_beside_it";
        let mut alone = Command::new(env::current_exe().unwrap());
        let ended = alone.args(["--exact", name]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let rounds = 3000;
    let (mut at_work, mut peer) = joined(1 << 30).await;
    let (_, mut receiver) = at_work.split();
    let mut connection = Connection::new(FIRST);
    let byte = peer::output(FIRST, Stream::Stdout, b"x");
    let much = peer::output(FIRST, Stream::Stderr, &vec![0; 65_000]);
    let (mut pushed, before) = (0, resident());
    for _ in 0..rounds {
        for said in [&byte, &much] {
            let (heard, ()) = tokio::join!(receiver.next(), peer.frame(FrameKind::Output, said));
            if let Event::Output {
                stream: Stream::Stdout,
                data,
                ..
            } = heard.unwrap()
            {
                pushed += data.len();
                connection.push(&data);
            }
        }
    }
    assert_eq!(pushed, rounds);
    let grown = resident().saturating_sub(before);
    // 190 MiB came.
    assert!(grown < 64 << 10, "{grown} KiB");
}

#[tokio::test]
async fn the_end_of_an_output_comes_before_that_of_its_program() {
    let (mut at_work, mut peer) = joined(LIMIT).await;
    let (mut sender, mut receiver) = at_work.split();
    peer.frame(FrameKind::StdoutClosed, &FIRST.encode()).await;
    assert_eq!(receiver.next().await.unwrap(), Event::StdoutClosed(FIRST));
    // It may go on to complain, and to listen.
    peer.frame(FrameKind::Output, &peer::output(FIRST, Stream::Stderr, b"x"))
        .await;
    assert!(matches!(receiver.next().await.unwrap(), Event::Output { .. }));
    assert_eq!(sender.input_room(FIRST), Some(WINDOW));
    peer.json(FrameKind::Exited, &exited(FIRST, 0)).await;
    assert!(matches!(receiver.next().await.unwrap(), Event::Exited(_)));
    assert_eq!(sender.input_room(FIRST), None);
    sender.input(FIRST, b"late").await.unwrap();
}
