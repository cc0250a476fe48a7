//! Every statement the store runs at work, but those of the audit.
//!
//! None walks through a table that grows with the number of jobs: a test asks SQLite for its plan of each.

macro_rules! statements {
    ($($(#[$about:meta])* $name:ident = $sql:literal;)*) => {
        $($(#[$about])* pub(super) const $name: &str = $sql;)*
        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

statements! {
    // Taking a job in. A sum is never below 0, whatever was done to the lists by hand.
    KNOWN = "SELECT seq, expires IS NOT NULL AND expires <= ?2 FROM jobs WHERE id = ?1";
    KEY_OWNER = "SELECT job, body FROM idempotency WHERE key = ?1 AND expires > ?2";
    WAITING = "SELECT MAX(0, COALESCE(SUM(jobs), 0)) FROM lists
        WHERE name IN ('interactive', 'normal', 'batch', 'delayed') AND language = ?1";
    STORED_BYTES = "SELECT MAX(0, COALESCE(SUM(bytes), 0)) FROM lists
        WHERE name IN ('interactive', 'normal', 'batch', 'delayed', 'running')";
    FREE_PAGES = "PRAGMA freelist_count";
    PAGE_SIZE = "PRAGMA page_size";
    INSERT_JOB = "INSERT INTO jobs (id, language, priority, status, list, rank, bytes, tests, metadata, created,
          owner, traceparent, tracestate, group_id)
        VALUES (?1, ?2, ?3, 'queued', ?3,
          (SELECT COALESCE(MAX(rank), 0) + 1 FROM jobs WHERE language = ?2 AND list = ?3), ?4, ?5, ?6, ?7,
          ?8, ?9, ?10, ?11)";
    INSERT_SUBMISSION = "INSERT INTO submissions (job, json) VALUES (?1, ?2)";
    KEEP_KEY = "INSERT OR REPLACE INTO idempotency (key, body, job, expires) VALUES (?1, ?2, ?3, ?4)";
    COUNT = "INSERT INTO totals (name, language, verdict, value) VALUES (?1, ?2, ?3, 1)
        ON CONFLICT DO UPDATE SET value = value + 1";

    // Claiming.
    DUE = "SELECT seq FROM jobs WHERE language = ?1 AND list = 'delayed' AND rank <= ?2 ORDER BY rank LIMIT ?3";
    /// Of those that come to the head the earliest must come last.
    TO_HEAD = "UPDATE jobs SET status = 'queued', list = priority, rank = (
          SELECT COALESCE(MIN(rank), 1) - 1 FROM jobs AS others
          WHERE others.language = jobs.language AND others.list = jobs.priority)
        WHERE seq = ?1";
    HEAD = "SELECT seq, id, created, attempts, token, owner, traceparent, tracestate, group_id FROM jobs
        WHERE language = ?1 AND list = ?2 ORDER BY rank LIMIT 1";
    SUBMISSION = "SELECT json FROM submissions WHERE job = ?1";
    LEASE = "UPDATE jobs SET status = 'running', list = 'running', rank = ?2, token = token + 1,
          attempts = attempts + 1, started = ?3, worker = ?4
        WHERE seq = ?1";

    // Under a lease.
    RENEW = "UPDATE jobs SET rank = ?3 WHERE id = ?1 AND status = 'running' AND token = ?2 RETURNING cancel";
    HELD = "SELECT seq, id, language, attempts, cancel, worker FROM jobs
        WHERE id = ?1 AND status = 'running' AND token = ?2";
    FINISHED_UNDER = "SELECT TRUE FROM jobs WHERE id = ?1 AND ended_by = ?2 AND expires > ?3";
    END = "UPDATE jobs SET status = ?2, list = NULL, rank = NULL, finished = ?3, expires = ?4, error = ?5,
          result_bytes = ?6, gist = ?7, ended_by = ?8, worker = NULL, cancel = 0
        WHERE seq = ?1";
    DROP_SUBMISSION = "DELETE FROM submissions WHERE job = ?1";
    INSERT_RESULT = "INSERT INTO results (job, json) VALUES (?1, ?2)";
    INSERT_PART = "INSERT INTO result_parts (job, part, json) VALUES (?1, ?2, ?3)";
    RESULT_BYTES = "SELECT MAX(0, bytes) FROM lists WHERE name = 'results' AND language = ''";
    OLDEST_RESULT = "SELECT seq FROM jobs WHERE result_bytes IS NOT NULL AND expires > 0
        ORDER BY expires LIMIT 1";
    DROP_RESULT = "DELETE FROM results WHERE job = ?1";
    DROP_PARTS = "DELETE FROM result_parts WHERE job = ?1";
    FORGET_RESULT = "UPDATE jobs SET result_bytes = NULL WHERE seq = ?1";
    UNCLAIM = "UPDATE jobs SET attempts = attempts - 1, started = NULL, worker = NULL WHERE seq = ?1";
    DELAY = "UPDATE jobs SET status = 'queued', list = 'delayed', rank = ?2, worker = NULL WHERE seq = ?1";
    DEAD_LETTER_PUT = "INSERT INTO dead (language, job) VALUES (?1, ?2)";
    DEAD_LETTER_TRIM = "DELETE FROM dead WHERE seq IN (
        SELECT seq FROM dead WHERE language = ?1 ORDER BY seq LIMIT (
          SELECT MAX(0, jobs - ?2) FROM lists WHERE name = 'dead' AND language = ?1))";

    // Cancelling and taking back.
    CANCELLABLE = "SELECT seq, id, language, attempts, cancel, worker, status FROM jobs
        WHERE id = ?1 AND (expires IS NULL OR expires > ?2)";
    ASK_TO_CANCEL = "UPDATE jobs SET cancel = 1 WHERE seq = ?1";
    RUNNING_LANGUAGES = "SELECT language FROM lists WHERE name = 'running' AND jobs > 0";
    LEASES_OVER = "SELECT seq, id, language, attempts, cancel, worker FROM jobs
        WHERE language = ?1 AND list = 'running' AND rank <= ?2 ORDER BY rank LIMIT ?3";

    // Clearing away.
    EXPIRED = "SELECT seq FROM jobs WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
    REMOVE_JOB = "DELETE FROM jobs WHERE seq = ?1";
    EXPIRED_KEYS = "SELECT key FROM idempotency WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
    REMOVE_KEY = "DELETE FROM idempotency WHERE key = ?1";

    // Looking.
    RECORD = "SELECT status, language, attempts, created, started, finished, tests, metadata, error,
          result_bytes, gist, json, owner, traceparent, tracestate, group_id
        FROM jobs LEFT JOIN results ON results.job = jobs.seq
        WHERE id = ?1 AND (expires IS NULL OR expires > ?2)";
    STATUS = "SELECT status, token FROM jobs WHERE id = ?1 AND (expires IS NULL OR expires > ?2)";
    RESULT_PART = "SELECT json FROM result_parts
        WHERE job = (SELECT seq FROM jobs WHERE id = ?1 AND expires > ?3) AND part = ?2";
    DEPTHS = "SELECT name, MAX(0, jobs) FROM lists
        WHERE name IN ('interactive', 'normal', 'batch', 'delayed', 'running', 'dead') AND language = ?1";
    READY = "SELECT MAX(0, COALESCE(SUM(jobs), 0)) FROM lists
        WHERE name IN ('interactive', 'normal', 'batch') AND language = ?1";
    NEXT_DUE = "SELECT MIN(rank) FROM jobs WHERE language = ?1 AND list = 'delayed'";
    TOTALS = "SELECT name, language, verdict, value FROM totals
        WHERE name IN ('submitted', 'finished', 'requeued')";
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{super::schema, *};

    #[test]
    fn no_statement_walks_through_a_table() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db, &schema::MIGRATIONS).unwrap();
        for (name, sql) in ALL {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = plan.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>("detail").unwrap());
            }
            assert!(
                steps
                    .iter()
                    .all(|step| !step.starts_with("SCAN") && !step.contains("TEMP B-TREE")),
                "{name}: {steps:#?}"
            );
        }
    }
}
