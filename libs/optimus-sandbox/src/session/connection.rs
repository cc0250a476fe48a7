//! What one execution prints on its way to what another one reads, in the same box or in another.

use std::collections::VecDeque;

use optimus_protocol::ExecId;

use super::{Sender, SessionError};

/// Carries bytes to a live standard input.
///
/// Both boxes have to be read all the time: one that is not read cannot tell that its own input has room again, and two
/// programs that feed each other would wait for each other. What the reader does not take yet waits here, as a copy, and is never more
/// than the window of the writer, which is told what is on its way.
#[derive(Debug)]
pub struct Connection {
    to: ExecId,
    /// A copy: what comes of a box shares memory with whatever came beside it, which may be far more.
    waiting: VecDeque<u8>,
    writer: Writer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    GoingOn,
    /// Its output has ended, and the reader has not been told.
    Over,
    Told,
}

impl Connection {
    /// Leads to this execution, which has a live standard input.
    pub fn new(to: ExecId) -> Self {
        Self {
            to,
            waiting: VecDeque::new(),
            writer: Writer::GoingOn,
        }
    }

    /// Takes what was printed. It is on its way with the next [`Self::carry`].
    pub fn push(&mut self, data: &[u8]) {
        self.waiting.extend(data);
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
        while !self.waiting.is_empty() {
            match sender.input_room(self.to) {
                None => {
                    // Nobody is there to read it.
                    carried += self.waiting.len();
                    self.waiting.clear();
                }
                Some(0) => return Ok(carried),
                Some(room) => {
                    let (front, _) = self.waiting.as_slices();
                    let now = room.min(front.len());
                    sender.input(self.to, &front[..now]).await?;
                    self.waiting.drain(..now);
                    carried += now;
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
