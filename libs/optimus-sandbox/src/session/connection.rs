//! What one execution prints on its way to what another one reads, in the same box or in another.

use std::collections::VecDeque;

use bytes::Bytes;
use optimus_protocol::ExecId;

use super::{Sender, SessionError};

/// Carries bytes to a live standard input.
///
/// Both boxes have to be read all the time: one that is not read cannot tell that its own input has room again, and two
/// programs that feed each other would wait for each other. What the reader does not take yet waits here, and is never more
/// than the window of the writer, which is told what is on its way.
#[derive(Debug)]
pub struct Connection {
    to: ExecId,
    /// In order. Each shares memory with what came beside it.
    waiting: VecDeque<Bytes>,
    writer: Writer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    GoingOn,
    /// Nothing more comes of it; the reader has not been told.
    Over,
    Told,
}

impl Connection {
    /// To this execution, which has a live standard input.
    pub fn new(to: ExecId) -> Self {
        Self {
            to,
            waiting: VecDeque::new(),
            writer: Writer::GoingOn,
        }
    }

    /// Takes what was printed. It is on its way with the next [`Self::carry`].
    pub fn push(&mut self, data: Bytes) {
        self.waiting.push_back(data);
    }

    /// Nothing more comes: the reader finds an end behind what waits.
    pub fn end(&mut self) {
        if self.writer == Writer::GoingOn {
            self.writer = Writer::Over;
        }
    }

    /// Sends what there is room for, by the sender of the reader's box, and returns how many bytes are out of our hands: of
    /// them the writer's box is to be [told](Sender::output_taken). To be called when something was pushed, and when the reader's
    /// box has told that an input has room again.
    pub async fn carry(&mut self, sender: &mut Sender<'_>) -> Result<usize, SessionError> {
        let mut carried = 0;
        while let Some(data) = self.waiting.front_mut() {
            match sender.input_room(self.to) {
                // Nobody is there to read it.
                None => carried += self.waiting.drain(..).map(|data| data.len()).sum::<usize>(),
                Some(0) => return Ok(carried),
                Some(room) => {
                    let now = data.split_to(room.min(data.len()));
                    if data.is_empty() {
                        self.waiting.pop_front();
                    }
                    sender.input(self.to, &now).await?;
                    carried += now.len();
                }
            }
        }
        if self.writer == Writer::Over {
            self.writer = Writer::Told;
            sender.close_input(self.to).await?;
        }
        Ok(carried)
    }
}
