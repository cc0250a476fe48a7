//! Who may open which file, and what is found in it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process,
    time::Duration,
};

use optimus_common::{causes, job::JobStatus};
use optimus_queue::{
    Finish, JobQueue, Renewal, StoreError,
    conformance::jobs::{accepted, claim, queue, status, submit},
    settings::QueueSettings,
    sqlite::SqliteStore,
};

use crate::folder::Folder;

async fn refusal(path: &Path) -> String {
    match SqliteStore::open(path, &queue()).await {
        Err(StoreError::Misconfigured(why)) => {
            assert!(
                why.contains(path.file_name().unwrap().to_str().unwrap()),
                "names the file: {why}"
            );
            why
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_database_has_one_owner() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    let why = refusal(&folder.database()).await;
    assert!(
        why.contains(&format!("process {}", process::id())),
        "names the owner: {why}"
    );
    let alias = folder.path().join("optimus.db");
    symlink(folder.database(), &alias).unwrap();
    refusal(&alias).await;

    let id = submit(&store).await;
    drop(store);
    let next = folder.store(&queue()).await;
    assert_eq!(status(&next, id).await, JobStatus::Queued);
}

#[tokio::test]
async fn a_database_of_two_names_has_one_owner() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    for alias in ["beside.db", "elsewhere/jobs.db"] {
        let alias = folder.path().join(alias);
        fs::create_dir_all(alias.parent().unwrap()).unwrap();
        fs::hard_link(folder.database(), &alias).unwrap();
        let why = refusal(&alias).await;
        assert!(why.contains("another name"), "{why}");
    }
    let id = submit(&store).await;
    drop(store);
    let next = folder.store(&queue()).await;
    assert_eq!(status(&next, id).await, JobStatus::Queued);
}

#[tokio::test]
async fn a_link_in_the_place_of_the_lock_is_refused_and_its_target_kept() {
    let folder = Folder::new();
    drop(folder.store(&queue()).await);
    let mut lock = folder.database().into_os_string();
    lock.push(".lock");
    let target = folder.path().join("precious");
    fs::write(&target, "kept").unwrap();
    let missing = folder.path().join("missing");
    for make in [
        &|| symlink(&target, &lock) as std::io::Result<()>,
        &|| symlink(&missing, &lock),
        &|| fs::hard_link(&target, &lock),
    ] as [&dyn Fn() -> std::io::Result<()>; 3]
    {
        fs::remove_file(&lock).unwrap();
        make().unwrap();
        let why = refusal(&folder.database()).await;
        assert!(why.contains(".lock"), "{why}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
        assert!(!missing.exists());
    }
    fs::remove_file(&lock).unwrap();
    drop(folder.store(&queue()).await);
}

#[tokio::test]
async fn nobody_else_may_read_it() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    submit(&store).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let data = folder.database().parent().unwrap().to_owned();
    assert_eq!(mode(&data), 0o700);
    let files: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 3, "the database, its log and its lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn it_writes_as_safely_as_it_says() {
    let folder = Folder::new();
    drop(folder.store(&queue()).await);
    let db = folder.look();
    let text = |pragma| db.query_row(pragma, [], |row| row.get::<_, String>(0)).unwrap();
    let number = |pragma| db.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(text("PRAGMA journal_mode"), "wal");
    assert_eq!(number("PRAGMA auto_vacuum"), 2, "incremental");
    assert_eq!(text("PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(folder.store(&queue()).await);
    folder.look().pragma_update(None, "user_version", 1000).unwrap();
    let before = fs::read(folder.database()).unwrap();
    let why = refusal(&folder.database()).await;
    assert!(why.contains("1000") && why.contains("newer"), "{why}");
    assert_eq!(fs::read(folder.database()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused() {
    let folder = Folder::new();
    let path = folder.database();
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, "Dear diary, ".repeat(1000)).unwrap();
    let why = refusal(&path).await;
    assert!(why.contains("no SQLite database"), "{why}");

    fs::remove_file(&path).unwrap();
    folder
        .look()
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let why = refusal(&path).await;
    assert!(why.contains("another program"), "{why}");
    assert_eq!(fs::read(&path).unwrap(), before, "it is left as it is");

    refusal(path.parent().unwrap()).await;
    refusal(&path.join("below a file")).await;
}

#[tokio::test]
async fn a_damaged_database_is_named_and_takes_nothing() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    for _ in 0..100 {
        submit(&store).await;
    }
    drop(store);
    let mut bytes = fs::read(folder.database()).unwrap();
    // All but the first page, which tells a database from other files.
    bytes[4096..].fill(0x5a);
    fs::write(folder.database(), bytes).unwrap();
    let error = match SqliteStore::open(&folder.database(), &queue()).await {
        Err(error) => error,
        Ok(store) => store.totals().await.unwrap_err(),
    };
    let text = causes(&error);
    assert!(text.contains("optimus.db") && text.contains("damaged"), "{text}");
}

#[tokio::test]
async fn what_ran_when_the_owner_ended_is_queued_again_at_once() {
    let folder = Folder::new();
    let settings = QueueSettings {
        retry_backoff: Duration::ZERO,
        max_attempts: 2,
        ..queue()
    };
    let store = folder.store(&settings).await;
    let (id, cancelled) = (submit(&store).await, submit(&store).await);
    let first = claim(&store).await;
    claim(&store).await;
    store.cancel(cancelled).await.unwrap();
    drop(store);

    let store = folder.store(&settings).await;
    assert_eq!(
        status(&store, id).await,
        JobStatus::Queued,
        "without waiting for the lease to end"
    );
    assert_eq!(status(&store, cancelled).await, JobStatus::Cancelled);
    assert_eq!(store.renew(&first.lease).await.unwrap(), Renewal::Lost);
    assert_eq!(
        store.finish(&first.lease, accepted()).await.unwrap(),
        Finish::Refused,
        "its owner is gone"
    );
    let second = claim(&store).await;
    assert_eq!(
        (second.lease.job, second.attempt),
        (id, 2),
        "it may have ended its owner"
    );
    assert!(second.lease.token > first.lease.token);
    drop(store);

    let store = folder.store(&settings).await;
    let record = store.get(id).await.unwrap().unwrap();
    assert_eq!(record.status, JobStatus::Failed);
    let error = record.error.unwrap();
    assert!(
        error.contains("ended with its process") && error.contains('2'),
        "{error}"
    );
    let depth = store.depths(&[second.lease.language]).await.unwrap().remove(0);
    assert_eq!((depth.running, depth.waiting(), depth.dead), (0, 0, 1));
}
