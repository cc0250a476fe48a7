//! What is done when somebody has changed the database by hand.

use optimus_common::{JobId, causes, job::JobStatus, result::Verdict};
use optimus_queue::{
    JobQueue, StoreError, Upkeep,
    conformance::jobs::{claim, python, queue, submit},
};
use rusqlite::Connection;

use crate::folder::Folder;

fn change(db: &Connection, statement: &str, id: JobId) {
    assert_eq!(db.execute(statement, [id.to_string()]).unwrap(), 1, "{statement}");
}

#[tokio::test]
async fn a_job_whose_submission_is_gone_or_unreadable_fails() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    let (gone, unreadable, well) = (submit(&store).await, submit(&store).await, submit(&store).await);
    let of = "WHERE job = (SELECT seq FROM jobs WHERE id = ?1)";
    change(&folder.look(), &format!("DELETE FROM submissions {of}"), gone);
    change(
        &folder.look(),
        &format!("UPDATE submissions SET json = CAST('{{\"lang' AS BLOB) {of}"),
        unreadable,
    );
    assert_eq!(claim(&store).await.lease.job, well, "they hold up nobody");
    for id in [gone, unreadable] {
        let record = store.get(id).await.unwrap().unwrap();
        assert_eq!(record.status, JobStatus::Failed);
        assert!(record.error.unwrap().contains("submission"));
        assert_eq!(record.result.unwrap().verdict, Verdict::InternalError);
    }
}

#[tokio::test]
async fn a_claim_passes_over_any_number_of_jobs_without_submission() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    for _ in 0..200 {
        submit(&store).await;
    }
    folder.look().execute("DELETE FROM submissions", []).unwrap();
    let id = submit(&store).await;
    assert_eq!(claim(&store).await.lease.job, id);
    assert_eq!(store.depths(&[python()]).await.unwrap()[0].waiting(), 0);
}

#[tokio::test]
async fn lists_of_a_wrong_length_are_counted_again() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    for _ in 0..3 {
        submit(&store).await;
    }
    claim(&store).await;
    let seen = async || {
        (
            store.depths(&[python()]).await.unwrap(),
            store.totals().await.unwrap(),
        )
    };
    let before = seen().await;
    for wrong in [
        "UPDATE lists SET jobs = jobs + 1000",
        "UPDATE lists SET bytes = -5",
        "DELETE FROM lists",
        "INSERT INTO lists VALUES ('batch', 'python', 7, 7)",
    ] {
        folder.look().execute(wrong, []).unwrap();
        assert_ne!(seen().await, before, "{wrong}");
        store.audit().await.unwrap();
        assert_eq!(seen().await, before, "{wrong}");
    }
}

#[tokio::test]
async fn a_job_cannot_be_put_where_nobody_finds_it() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    submit(&store).await;
    for wrong in [
        "UPDATE jobs SET list = NULL, rank = NULL",
        "UPDATE jobs SET list = 'batch'",
        "UPDATE jobs SET list = 'running'",
        "UPDATE jobs SET status = 'running'",
        "UPDATE jobs SET status = 'completed'",
        "UPDATE jobs SET status = 'lost'",
        "UPDATE jobs SET rank = 'first'",
    ] {
        folder.look().execute(wrong, []).expect_err(wrong);
    }
    claim(&store).await;
}

#[tokio::test]
async fn a_damaged_record_is_named() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    for wrong in ["language = 'no such name!'", "metadata = '{'"] {
        let id = submit(&store).await;
        change(
            &folder.look(),
            &format!("UPDATE jobs SET {wrong} WHERE id = ?1"),
            id,
        );
        assert!(
            matches!(store.get(id).await, Err(StoreError::Damaged { job, .. }) if job == id),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_program_that_keeps_the_database_locked_is_told_of() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    let id = submit(&store).await;
    let other = folder.look();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.cancel(id).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)));
    assert!(causes(&error).contains("another program"), "{}", causes(&error));
    assert!(store.get(id).await.unwrap().is_some(), "it still can be read");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(claim(&store).await.lease.job, id);
}
