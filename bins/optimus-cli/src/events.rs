//! How far a job is, by the events that the API tells of it (`GET /jobs/{id}/events`).

use std::fmt;

use optimus_common::{counted, result::CompileVerdict};
use serde::Deserialize;

/// More than any event of a job takes. What is longer is none of them.
const LONGEST_EVENT: usize = 16 << 10;

/// Takes events out of what comes over a stream.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    unread: Vec<u8>,
    /// The id of the last event that had one.
    last: Option<u64>,
}

/// What comes is no stream of events.
#[derive(Debug)]
pub(crate) struct TooLong;

impl EventReader {
    /// After which event a stream that broke is to be asked for.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    /// The stream begins anew: what it had not ended is lost with it.
    pub(crate) fn begin(&mut self) {
        self.unread.clear();
    }

    /// Takes what has come, and tells of the events in it.
    pub(crate) fn take(&mut self, bytes: &[u8], mut tell: impl FnMut(JobEvent)) -> Result<(), TooLong> {
        for byte in bytes {
            self.unread.push(*byte);
            if self.unread.ends_with(b"\n\n") {
                let event = std::mem::take(&mut self.unread);
                if let Some(event) = self.parse(&String::from_utf8_lossy(&event)) {
                    tell(event);
                }
            } else if self.unread.len() > LONGEST_EVENT {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// `None` for a comment, and for what a newer release tells.
    fn parse(&mut self, text: &str) -> Option<JobEvent> {
        let (mut name, mut data) = ("", "");
        for line in text.lines() {
            match line
                .split_once(':')
                .map(|(field, value)| (field, value.trim_start()))
            {
                Some(("event", value)) => name = value,
                Some(("data", value)) => data = value,
                Some(("id", value)) => self.last = value.parse().ok().or(self.last),
                _ => {}
            }
        }
        match name {
            "started" => serde_json::from_str(data).ok().map(JobEvent::Started),
            "compile" => serde_json::from_str(data).ok().map(JobEvent::Compile),
            "run" => serde_json::from_str(data).ok().map(JobEvent::Run),
            _ => None,
        }
    }
}

/// What is shown of a job under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobEvent {
    Started(Started),
    Compile(Compile),
    Run(Run),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Started {
    attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Compile {
    verdict: CompileVerdict,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Run {
    passed: bool,
}

/// How far a job is, in words.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// How many tests the job has, where that is known.
    tests: Option<usize>,
    attempt: u32,
    compiled: Option<CompileVerdict>,
    run: usize,
    passed: usize,
}

impl Standing {
    pub(crate) fn new(tests: Option<usize>) -> Self {
        Self {
            tests,
            ..Self::default()
        }
    }

    pub(crate) fn hear(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Started(Started { attempt }) => {
                // What was told of an earlier attempt is void.
                *self = Self {
                    attempt: *attempt,
                    ..Self::new(self.tests)
                };
            }
            JobEvent::Compile(Compile { verdict }) => self.compiled = Some(*verdict),
            JobEvent::Run(Run { passed }) => {
                self.run += 1;
                self.passed += usize::from(*passed);
            }
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempt > 1 {
            write!(f, "attempt {}: ", self.attempt)?;
        }
        match (self.compiled, self.run) {
            (None, 0) => write!(f, "compiling"),
            (Some(CompileVerdict::CompilationError), _) => write!(f, "the compile step failed"),
            (Some(CompileVerdict::Ok), 0) => write!(f, "compiled"),
            (_, run) => {
                match self.tests {
                    Some(tests) => write!(f, "{run} of {}", counted(tests, "test"))?,
                    None => write!(f, "{}", counted(run, "test"))?,
                }
                match run - self.passed {
                    0 => Ok(()),
                    failed => write!(f, ", {failed} not accepted"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "event: queued\ndata: {\"job_id\":\"x\"}\nid: 1\n\n: nothing new\n\nevent: started\ndata: \
        {\"attempt\":1}\nid: 2\n\nevent: compile\ndata: {\"attempt\":1,\"verdict\":\"ok\"}\nid: 3\n\nevent: run\ndata: \
        {\"attempt\":1,\"passed\":true}\nid: 4\n\nevent: missed\ndata: {}\n\nevent: run\ndata: {\"passed\":false}\nid: 9\n\nevent: later\ndata: \
        [\nid: 10\n\nevent: started\ndata: {\"attempt\":2}\nid: 11\n\n";

    #[test]
    fn a_stream_is_read_in_whatever_parts_it_comes() {
        let expected = [
            "compiling",
            "compiled",
            "1 of 7 tests",
            "2 of 7 tests, 1 not accepted",
            "attempt 2: compiling",
        ];
        for size in 1..STREAM.len() {
            let (mut reader, mut standing) = (EventReader::default(), Standing::new(Some(7)));
            let mut shown = Vec::new();
            for part in STREAM.as_bytes().chunks(size) {
                let tell = |event| {
                    standing.hear(&event);
                    shown.push(standing.to_string());
                };
                reader.take(part, tell).unwrap();
            }
            assert_eq!(shown, expected, "{size}");
            assert_eq!(reader.last(), Some(11));
        }
    }

    #[test]
    fn what_a_broken_stream_had_begun_is_no_part_of_the_next_one() {
        let mut reader = EventReader::default();
        let mut heard = Vec::new();
        reader
            .take(b"id: 5\n\nevent: ru", |event| heard.push(event))
            .unwrap();
        reader.begin();
        let next = b"event: started\ndata: {\"attempt\":3}\n\n";
        reader.take(next, |event| heard.push(event)).unwrap();
        assert_eq!(heard, [JobEvent::Started(Started { attempt: 3 })]);
        assert_eq!(reader.last(), Some(5));
    }

    #[test]
    fn what_has_no_end_is_no_event() {
        let mut reader = EventReader::default();
        assert!(reader.take(&vec![b'x'; LONGEST_EVENT + 1], |_| ()).is_err());
    }

    #[test]
    fn tests_are_counted_where_nobody_knows_how_many_there_are() {
        let mut standing = Standing::new(None);
        standing.hear(&JobEvent::Run(Run { passed: true }));
        assert_eq!(standing.to_string(), "1 test");
    }
}
