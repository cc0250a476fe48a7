//! From what Redis holds to what is answered.

use std::{error::Error, str::FromStr};

use jiff::Timestamp;
use optimus_common::{
    JobId,
    job::{JobRecord, JobStatus},
};

use crate::{
    RECORD_VERSION, StoreError, StoredJob, Totals,
    encoding::{StoredContext, StoredEnd, status_from},
};

/// What a record is made of. Not the submission, which may be large.
pub(super) const FIELDS: [&str; 17] = [
    "version",
    "status",
    "language",
    "attempts",
    "created",
    "started",
    "finished",
    "tests",
    "metadata",
    "error",
    "result",
    "result_bytes",
    "gist",
    "owner",
    "traceparent",
    "tracestate",
    "group",
];

pub(super) type RawFields = [Option<Vec<u8>>; FIELDS.len()];

type Cause = Box<dyn Error + Send + Sync>;

/// `None` where there is no such job.
pub(super) fn decode(id: JobId, fields: RawFields) -> Result<Option<StoredJob>, StoreError> {
    if fields.iter().all(Option::is_none) {
        return Ok(None);
    }
    refuse_newer(id, fields[0].clone())?;
    parse(id, fields)
        .map(Some)
        .map_err(|source| StoreError::Damaged { job: id, source })
}

/// A record without a version is of the first.
fn refuse_newer(job: JobId, version: Option<Vec<u8>>) -> Result<(), StoreError> {
    let version = version
        .map(number::<u32>)
        .transpose()
        .map_err(|source| StoreError::Damaged { job, source })?;
    match version {
        Some(version) if version > RECORD_VERSION => Err(StoreError::NewerRecord { job, version }),
        _ => Ok(()),
    }
}

/// What [`decode_followed`] reads.
pub(super) const FOLLOWED_FIELDS: [&str; 4] = ["version", "status", "told", "last"];

/// What who follows a job needs of its record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FollowedJob {
    pub(super) status: JobStatus,
    /// The highest number of an update, where any was told.
    pub(super) last: Option<u64>,
    /// What came with its end, where that was little.
    pub(super) rest: Option<Vec<u8>>,
}

/// `None` where there is no such job.
pub(super) fn decode_followed(
    job: JobId,
    [version, status, told, rest]: [Option<Vec<u8>>; 4],
) -> Result<Option<FollowedJob>, StoreError> {
    refuse_newer(job, version)?;
    let decode = move |status| {
        let last = |told| Ok::<_, Cause>(text(told)?.split(' ').next().unwrap_or_default().parse()?);
        Ok(FollowedJob {
            status: status_from(&text(status)?)?,
            last: told.map(last).transpose()?,
            rest,
        })
    };
    status
        .map(decode)
        .transpose()
        .map_err(|source| StoreError::Damaged { job, source })
}

fn parse(id: JobId, fields: RawFields) -> Result<StoredJob, Cause> {
    let [
        _version,
        status,
        language,
        attempts,
        created,
        started,
        finished,
        tests,
        metadata,
        error,
        result,
        result_bytes,
        gist,
        owner,
        traceparent,
        tracestate,
        group,
    ] = fields;
    let status = status_from(&text(required("status", status)?)?)?;
    let total_tests = number(required("tests", tests)?)?;
    let ended = StoredEnd {
        status,
        total_tests,
        head: result,
        bytes: result_bytes.map(number).transpose()?,
        gist,
    };
    let shown = ended.shown()?;
    let record = JobRecord {
        job_id: id,
        status,
        language: text(required("language", language)?)?.parse()?,
        attempts: number(required("attempts", attempts)?)?,
        created_at: time(required("created", created)?)?,
        started_at: started.map(time).transpose()?,
        finished_at: finished.map(time).transpose()?,
        result: shown.totals,
        details_dropped: shown.details_dropped,
        error: error.map(text).transpose()?,
        metadata: metadata.map(|json| serde_json::from_slice(&json)).transpose()?,
    };
    let context = StoredContext {
        owner: owner.map(text).transpose()?,
        traceparent: traceparent.map(text).transpose()?,
        tracestate: tracestate.map(text).transpose()?,
        group: group.map(text).transpose()?,
    };
    Ok(StoredJob {
        record,
        result: shown.stored,
        context: context.decode()?,
    })
}

fn required(name: &str, value: Option<Vec<u8>>) -> Result<Vec<u8>, Cause> {
    value.ok_or_else(|| format!("field {name} is missing").into())
}

fn text(bytes: Vec<u8>) -> Result<String, Cause> {
    Ok(String::from_utf8(bytes)?)
}

fn number<T: FromStr<Err: Error + Send + Sync + 'static>>(bytes: Vec<u8>) -> Result<T, Cause> {
    Ok(text(bytes)?.parse()?)
}

fn time(bytes: Vec<u8>) -> Result<Timestamp, Cause> {
    Ok(Timestamp::from_millisecond(number(bytes)?)?)
}

/// From the fields of the hash of counters.
pub(super) fn totals(counters: &[(String, String)]) -> Totals {
    let mut totals = Totals::default();
    for (field, value) in counters {
        // Never below 0, whatever was done to the counter by hand.
        let value = value.parse().unwrap_or(0);
        match field.split_once(':') {
            Some(("submitted", language)) => totals
                .submitted
                .extend(language.parse().map(|name| (name, value))),
            Some(("requeued", language)) => {
                totals.requeued.extend(language.parse().map(|name| (name, value)));
            }
            Some(("finished", rest)) => {
                if let Some((language, verdict)) = rest.split_once(':') {
                    totals
                        .finished
                        .extend(language.parse().map(|name| ((name, verdict.to_owned()), value)));
                }
            }
            _ if field == "stored_bytes" => totals.stored_bytes = value,
            _ if field == "result_bytes" => totals.result_bytes = value,
            _ => {}
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use optimus_common::{
        job::{JobContext, JobStatus},
        result::Verdict,
    };

    use super::*;

    fn raw(fields: &[(&str, &str)]) -> RawFields {
        FIELDS.map(|name| {
            fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value.as_bytes().to_vec())
        })
    }

    const QUEUED: [(&str, &str); 5] = [
        ("status", "queued"),
        ("language", "c"),
        ("attempts", "0"),
        ("created", "1700000000123"),
        ("tests", "2"),
    ];

    #[test]
    fn a_missing_hash_is_no_job() {
        assert_eq!(decode(JobId::new(), raw(&[])).unwrap(), None);
    }

    #[test]
    fn a_queued_job_has_neither_result_nor_times() {
        let StoredJob {
            record,
            result,
            context,
        } = decode(JobId::new(), raw(&QUEUED)).unwrap().unwrap();
        assert_eq!(result, None);
        assert_eq!(context, JobContext::default(), "as of a release without contexts");
        assert_eq!(record.status, JobStatus::Queued);
        assert_eq!(
            record.created_at,
            Timestamp::from_millisecond(1_700_000_000_123).unwrap()
        );
        assert_eq!(
            (record.started_at, record.finished_at, record.result),
            (None, None, None)
        );
    }

    #[test]
    fn a_job_that_ended_ungraded_still_has_a_result() {
        let mut fields = QUEUED;
        fields[0] = ("status", "cancelled");
        let result = decode(JobId::new(), raw(&fields))
            .unwrap()
            .unwrap()
            .record
            .result
            .unwrap();
        assert_eq!(
            (result.verdict, result.total_tests, result.score),
            (Verdict::Cancelled, 2, None)
        );
    }

    #[test]
    fn a_record_of_a_newer_version_is_refused_whatever_it_holds() {
        let id = JobId::new();
        for fields in [&[("version", "3")][..], &[("version", "4"), ("status", "paused")]] {
            let refused = decode(id, raw(fields)).unwrap_err();
            assert!(
                matches!(refused, StoreError::NewerRecord { job, version } if job == id && version > 2),
                "{refused}"
            );
        }
        for known in ["1", "2"] {
            let fields = [&QUEUED[..], &[("version", known)]].concat();
            assert!(decode(id, raw(&fields)).unwrap().is_some());
        }
    }

    #[test]
    fn a_trace_that_cannot_be_read_is_none_and_an_owner_is_damage() {
        let id = JobId::new();
        let fields = [&QUEUED[..], &[("traceparent", "00-x")]].concat();
        assert_eq!(decode(id, raw(&fields)).unwrap().unwrap().context.trace, None);
        let fields = [&QUEUED[..], &[("owner", "No One")]].concat();
        assert!(matches!(
            decode(id, raw(&fields)),
            Err(StoreError::Damaged { .. })
        ));
    }

    #[test]
    fn what_was_told_of_a_job_is_counted_in_its_record() {
        let id = JobId::new();
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let decoded =
            |told: Option<Vec<u8>>| decode_followed(id, [bytes("2"), bytes("running"), told, bytes("[]")]);
        let status = JobStatus::Running;
        let job = |last| {
            let rest = bytes("[]");
            Some(FollowedJob { status, last, rest })
        };
        assert_eq!(decoded(None).unwrap(), job(None));
        assert_eq!(decoded(bytes("17 3 4")).unwrap(), job(Some(17)));
        assert!(matches!(decoded(bytes("x")), Err(StoreError::Damaged { .. })));
        assert_eq!(decode_followed(id, [None, None, None, None]).unwrap(), None);
        let newer = decode_followed(id, [bytes("3"), bytes("running"), None, None]);
        assert!(matches!(newer, Err(StoreError::NewerRecord { .. })));
    }

    #[test]
    fn a_damaged_hash_is_named() {
        let id = JobId::new();
        let mut fields = QUEUED;
        fields[2] = ("attempts", "many");
        assert!(matches!(decode(id, raw(&fields)), Err(StoreError::Damaged { job, .. }) if job == id));
        assert!(matches!(
            decode(id, raw(&[("result", "{}")])),
            Err(StoreError::Damaged { .. })
        ));
    }
}
