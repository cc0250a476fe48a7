//! The parts of a request beside its body that are read by code of ours: one line each, first the target.

use std::time::Duration;

use optimus_api::fuzzing::{Headers, wait};
use optimus_common::JobId;

use crate::memory::bounded;

const MEMORY: usize = 256 << 10;

const LONGEST_WAIT: Duration = Duration::from_mins(1);

const TOKEN: &str = "secret-token";

pub fn request(input: &[u8]) {
    bounded(MEMORY + 16 * input.len(), || {
        let mut lines = input.split(|byte| *byte == b'\n');
        let target = lines.next().unwrap_or_default();
        if let Some(Ok(Some(wait))) = wait(target, LONGEST_WAIT) {
            assert!(wait <= LONGEST_WAIT);
        }
        check_job_id(target);
        check_headers(target, &lines.collect::<Vec<_>>());
    });
}

/// However it is spelt, an id is one and the same, and safe in keys and logs.
fn check_job_id(target: &[u8]) {
    let Ok(text) = str::from_utf8(target) else { return };
    let id = text.rsplit('/').next().unwrap_or_default();
    if let Ok(id) = id.parse::<JobId>() {
        let plain = id.to_string();
        assert_eq!(plain.parse(), Ok(id));
        assert!(plain.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()));
    }
}

fn check_headers(target: &[u8], lines: &[&[u8]]) {
    let headers = Headers::new(lines);
    if let (Some(Ok(after)), Some(last)) = (headers.after(target), headers.last_event_id()) {
        assert!(last.iter().all(u8::is_ascii_digit), "{last:?}");
        assert_eq!(
            str::from_utf8(last).ok().and_then(|last| last.parse().ok()),
            Some(after)
        );
    }
    if let Ok(Some(key)) = headers.idempotency_key() {
        assert!((1..=255).contains(&key.len()));
        assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let _ = headers.require_json();
    if headers.authorize(TOKEN).is_ok() {
        let given = headers.authorization().unwrap_or_default();
        assert!(
            given.trim_ascii().ends_with(TOKEN.as_bytes()),
            "{given:?} was let in"
        );
    }
}
