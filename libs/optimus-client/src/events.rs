//! What happens to a job, as the API tells it: server-sent events (WHATWG HTML, *Server-sent events*).

use std::{collections::VecDeque, time::Duration};

use http::{HeaderValue, Method, StatusCode};
use optimus_common::{
    JobId,
    job::JobStatus,
    result::{CompileVerdict, Verdict},
};
use reqwest::Response;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep_until};

use crate::{
    Client, Result,
    request::{PAUSE, request},
};

/// More than any event of a job takes. What is longer is none of them.
const LONGEST_EVENT: usize = 16 << 10;
/// A stream of events is asked for anew after this.
const LONGEST_STREAM: Duration = Duration::from_hours(1);

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// It was accepted.
    Queued,
    /// A worker has begun. What was told of an attempt before this one is void.
    Started(Started),
    /// The compile step is over. For a language without one all is zero.
    Compile(Compile),
    /// A test has its verdict.
    Run(Run),
    /// Some events before the next one are lost.
    Missed,
    /// The last event of every job: its result can be read now.
    End(End),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Started {
    /// From 1.
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Compile {
    pub attempt: u32,
    pub verdict: CompileVerdict,
    /// Wall time.
    pub execution_time_ms: u64,
    pub cpu_time_ms: u64,
    pub peak_memory_bytes: u64,
}

/// The fields are those of a test in the job's result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Run {
    pub attempt: u32,
    pub test_id: u64,
    /// Whether `verdict` is `accepted`.
    pub passed: bool,
    pub verdict: Verdict,
    /// Wall time.
    pub execution_time_ms: u64,
    pub cpu_time_ms: u64,
    pub peak_memory_bytes: u64,
    pub exit_code: Option<i32>,
    pub signal: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct End {
    pub job_id: JobId,
    pub status: JobStatus,
    /// As in the job's result; `None`, as what follows is, where it could not be read at the moment.
    pub verdict: Option<Verdict>,
    /// `None` also where nothing was graded.
    pub score: Option<f64>,
    pub passed_tests: Option<u32>,
    pub total_tests: Option<u32>,
}

/// The events of one job; see [`Client::follow`].
#[derive(Debug)]
pub struct Events {
    client: Client,
    job: JobId,
    reader: Reader,
    /// What has come and was not told yet.
    told: VecDeque<JobEvent>,
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    /// To be asked for, not before this moment.
    Due(Instant),
    Open {
        response: Response,
        asked: Instant,
    },
    /// There is nothing more to come.
    Over,
}

impl Client {
    /// What happens to a job, from its beginning on.
    pub fn follow(&self, id: JobId) -> Events {
        Events::new(self.clone(), id)
    }
}

impl Events {
    fn new(client: Client, job: JobId) -> Self {
        Self {
            client,
            job,
            reader: Reader::default(),
            told: VecDeque::new(),
            stream: Stream::Due(Instant::now()),
        }
    }

    /// The next event; `None` when the job is over and everything was told.
    ///
    /// A stream that breaks is asked for again where it ended, also while nobody answers, at most once a second: whoever does
    /// not want to wait so long sets a time of its own. A wait that is given up loses nothing.
    pub async fn next(&mut self) -> Result<Option<JobEvent>> {
        loop {
            if let Some(event) = self.told.pop_front() {
                if matches!(event, JobEvent::End(_)) {
                    self.stream = Stream::Over;
                    self.told.clear();
                }
                return Ok(Some(event));
            }
            match &mut self.stream {
                Stream::Over => return Ok(None),
                Stream::Due(moment) => {
                    sleep_until(*moment).await;
                    self.open().await?;
                }
                Stream::Open { response, asked } => {
                    let again = *asked + PAUSE;
                    match response.chunk().await {
                        Ok(Some(bytes)) => {
                            let told = &mut self.told;
                            if self.reader.take(&bytes, |event| told.push_back(event)).is_err() {
                                self.stream = Stream::Over;
                                return Err(self.client.not_optimus("an event without an end"));
                            }
                        }
                        Ok(None) | Err(_) => self.stream = Stream::Due(again),
                    }
                }
            }
        }
    }

    async fn open(&mut self) -> Result<()> {
        let asked = Instant::now();
        let mut request = request(Method::GET, &format!("/jobs/{}/events", self.job));
        if let Some(last) = self.reader.last {
            request
                .headers_mut()
                .insert("last-event-id", HeaderValue::from(last));
        }
        self.reader.begin();
        let opened = match self.client.send(request, LONGEST_STREAM).await {
            Ok(response) if response.status() == StatusCode::OK => {
                self.stream = Stream::Open { response, asked };
                return Ok(());
            }
            Ok(response) if response.status() == StatusCode::NO_CONTENT => {
                self.stream = Stream::Over;
                return Ok(());
            }
            Ok(response) => self.client.refusal(response).await,
            Err(error) => error,
        };
        if !opened.is_temporary() {
            self.stream = Stream::Over;
            return Err(opened);
        }
        self.stream = Stream::Due(asked + PAUSE);
        Ok(())
    }
}

/// Takes events out of what comes over a stream.
#[derive(Debug, Default)]
struct Reader {
    unread: Vec<u8>,
    /// The id of the last event that had one.
    last: Option<u64>,
}

/// A line or an event has more bytes than any of the API: what comes is no stream of events.
#[derive(Debug)]
struct TooLong;

impl Reader {
    /// The stream begins anew: what it had not ended is lost with it.
    fn begin(&mut self) {
        self.unread.clear();
    }

    /// Takes what has come, and tells of the events in it.
    fn take(&mut self, bytes: &[u8], mut tell: impl FnMut(JobEvent)) -> std::result::Result<(), TooLong> {
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

    /// `None` for a comment, and for a kind of event that a newer release tells.
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
            "queued" => Some(JobEvent::Queued),
            "started" => Some(read(data, JobEvent::Started)),
            "compile" => Some(read(data, JobEvent::Compile)),
            "run" => Some(read(data, JobEvent::Run)),
            "missed" => Some(JobEvent::Missed),
            "end" => Some(read(data, JobEvent::End)),
            _ => None,
        }
    }
}

/// What cannot be read is lost, and that is told.
fn read<T: DeserializeOwned>(data: &str, event: fn(T) -> JobEvent) -> JobEvent {
    serde_json::from_str(data).map_or(JobEvent::Missed, event)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "event: queued\ndata: {\"job_id\":\"x\"}\nid: 1\n\n: nothing new\n\nevent: started\ndata: \
        {\"attempt\":1}\nid: 2\n\nevent: missed\ndata: {}\n\nevent: compile\ndata: {\"verdict\":\"ok\"}\nid: 9\n\nevent: later\ndata: \
        [\nid: 10\n\nevent: started\ndata: {\"attempt\":2,\"later\":1}\nid: 11\n\n";

    #[test]
    fn a_stream_is_read_in_whatever_parts_it_comes() {
        let started = |attempt| JobEvent::Started(Started { attempt });
        // What cannot be read is as lost as what was not told.
        let expected = [
            JobEvent::Queued,
            started(1),
            JobEvent::Missed,
            JobEvent::Missed,
            started(2),
        ];
        for size in 1..STREAM.len() {
            let mut reader = Reader::default();
            let mut heard = Vec::new();
            for part in STREAM.as_bytes().chunks(size) {
                reader.take(part, |event| heard.push(event)).unwrap();
            }
            assert_eq!(heard, expected, "{size}");
            assert_eq!(reader.last, Some(11));
        }
    }

    #[test]
    fn what_a_broken_stream_had_begun_is_no_part_of_the_next_one() {
        let mut reader = Reader::default();
        let mut heard = Vec::new();
        reader
            .take(b"id: 5\n\nevent: ru", |event| heard.push(event))
            .unwrap();
        reader.begin();
        let next = b"event: started\ndata: {\"attempt\":3}\n\n";
        reader.take(next, |event| heard.push(event)).unwrap();
        assert_eq!(heard, [JobEvent::Started(Started { attempt: 3 })]);
        assert_eq!(reader.last, Some(5));
    }

    #[test]
    fn what_has_no_end_is_no_event() {
        let mut reader = Reader::default();
        assert!(reader.take(&vec![b'x'; LONGEST_EVENT + 1], |_| ()).is_err());
    }
}
