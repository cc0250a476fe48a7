//! What is asked of a Redis before it is trusted with jobs.

use optimus_common::causes;
use redis::aio::ConnectionLike;

use super::connection::unavailable;
use crate::StoreError;

/// Script flags came with Redis 7.
const OLDEST: u32 = 7;

/// Refuses a server on which the promise cannot be kept, and warns where it is weakened.
///
/// `INFO` tells it all; `CONFIG` is often forbidden on a managed server. What a server does not tell is warned of.
pub(super) async fn check(connection: &mut (impl ConnectionLike + Send)) -> Result<(), StoreError> {
    let info: String = match redis::cmd("INFO").query_async(connection).await {
        Ok(info) => info,
        Err(error) if error.is_io_error() => return Err(unavailable(error)),
        Err(error) => {
            tracing::warn!(
                error = causes(&error),
                "Redis does not tell its settings; whether it keeps jobs safely is unknown"
            );
            return Ok(());
        }
    };
    refuse_unsafe(&info)?;
    if field(&info, "aof_enabled") != Some("1") {
        tracing::warn!(
            "Redis runs without its append-only file: jobs accepted since the last snapshot are lost when it \
             crashes; start it with --appendonly yes"
        );
    } else if let Ok((_, policy)) = redis::cmd("CONFIG")
        .arg(&["GET", "appendfsync"])
        .query_async::<(String, String)>(connection)
        .await
        && policy != "always"
    {
        tracing::warn!(
            appendfsync = policy,
            "Redis answers before its append-only file is written: jobs accepted in the last two seconds may be lost \
             when it dies while its disk is busy; start it with --appendfsync always"
        );
    }
    Ok(())
}

/// The same for content, as far as it keeps less than jobs do.
pub(super) async fn check_for_content(
    connection: &mut (impl ConnectionLike + Send),
) -> Result<(), StoreError> {
    match redis::cmd("INFO").query_async::<String>(connection).await {
        Ok(info) => refuse_unsafe(&info),
        Err(error) if error.is_io_error() => Err(unavailable(error)),
        // The server does not tell its settings, of which the check for jobs warns.
        Err(_) => Ok(()),
    }
}

fn refuse_unsafe(info: &str) -> Result<(), StoreError> {
    if let Some(version) = field(info, "redis_version")
        && version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .is_some_and(|major: u32| major < OLDEST)
    {
        return Err(StoreError::Misconfigured(format!(
            "Redis {version} is too old; use {OLDEST}.0 or newer"
        )));
    }
    if field(info, "redis_mode") == Some("cluster") {
        return Err(StoreError::Misconfigured(
            "Redis Cluster is not supported; use one Redis".to_owned(),
        ));
    }
    match field(info, "maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => {
            return Err(StoreError::Misconfigured(format!(
                "Redis' maxmemory-policy is {policy}, by which it would delete jobs and content; set it to noeviction"
            )));
        }
        None => {
            tracing::warn!("Redis does not tell its maxmemory-policy; any but noeviction would lose jobs");
        }
    }
    Ok(())
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_server_is_refused_and_told_why() {
        for (info, word) in [
            ("redis_version:6.2.14\r\n", "6.2.14"),
            ("redis_version:7.0.15\r\nredis_mode:cluster\r\n", "Cluster"),
            (
                "redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\n",
                "allkeys-lru",
            ),
        ] {
            let error = refuse_unsafe(info).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_safe_server_and_a_silent_one_are_taken() {
        for info in [
            "redis_version:7.0.15\r\nredis_mode:standalone\r\nmaxmemory_policy:noeviction\r\n",
            "",
        ] {
            assert!(refuse_unsafe(info).is_ok(), "{info}");
        }
    }
}
