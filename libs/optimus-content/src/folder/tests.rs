use std::{fs, io::Write, time::Duration};

use sha2::{Digest as _, Sha256};

use super::{
    disk::{Disk, Free},
    open::{RESERVE, RESERVE_OF_HOLDS},
    *,
};
use crate::Put;

const SIZE: usize = 100_000;
const ROOM: u64 = 1 << 20;

fn rules() -> Rules {
    Rules {
        max_bytes: 1 << 20,
        max_total_bytes: 1 << 40,
        retention: Duration::from_hours(1),
        min_kept: Duration::ZERO,
    }
}

fn numbered(number: u8) -> (Digest, Bytes) {
    let bytes = vec![number; SIZE];
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    (digest.into(), bytes.into())
}

async fn put(store: &Folder, number: u8) -> Result<Put, ContentError> {
    let (digest, bytes) = numbered(number);
    let mut incoming = store.begin(digest).await?;
    incoming.write(bytes).await?;
    incoming.finish().await
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| {
        if entry.file_type().unwrap().is_dir() {
            bytes_below(&entry.path())
        } else {
            entry.metadata().unwrap().len()
        }
    });
    bytes.sum()
}

/// A disk with room for some content above what is left free.
fn small(disk: &Disk) -> Free {
    Free {
        bytes: RESERVE.bytes + ROOM - bytes_below(disk.path()),
        files: u64::MAX,
    }
}

/// A disk that others have filled, up to what is left for holds.
fn full(_: &Disk) -> Free {
    Free {
        bytes: RESERVE_OF_HOLDS + ROOM,
        files: u64::MAX,
    }
}

fn without_files(_: &Disk) -> Free {
    Free {
        bytes: u64::MAX,
        files: 1,
    }
}

fn with_free(free: fn(&Disk) -> Free) -> FileSystem {
    FileSystem {
        free,
        ..FileSystem::REAL
    }
}

/// As by a quota, which is told of only when it is reached, in the middle of a block.
fn write_within_a_quota(disk: &Disk, file: &mut File, block: &[u8]) -> io::Result<()> {
    let left = usize::try_from(ROOM.saturating_sub(bytes_below(disk.path()))).unwrap();
    file.write_all(&block[..block.len().min(left)])?;
    if block.len() > left {
        return Err(io::ErrorKind::QuotaExceeded.into());
    }
    Ok(())
}

/// All jobs are over.
struct Nobody;

#[async_trait]
impl Holders for Nobody {
    async fn is_over(&self, _: JobId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        Ok(true)
    }
}

#[tokio::test]
async fn a_disk_smaller_than_the_bound_is_never_filled() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open_on(folder.path().into(), rules(), with_free(small))
        .await
        .unwrap();
    for number in 0..40 {
        assert_eq!(put(&store, number).await.unwrap(), Put::New);
        assert!(bytes_below(folder.path()) <= ROOM);
    }
}

#[tokio::test]
async fn content_makes_room_where_a_quota_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let file_system = FileSystem {
        write: write_within_a_quota,
        ..FileSystem::REAL
    };
    let store = Folder::open_on(folder.path().into(), rules(), file_system)
        .await
        .unwrap();
    for number in 0..40 {
        assert_eq!(put(&store, number).await.unwrap(), Put::New);
        let kept = store.get(numbered(number).0).await.unwrap().unwrap();
        assert!(kept.into_bytes(SIZE as u64).await.is_ok());
    }
    // What is held makes none, and nothing is left of what was given up.
    let mut held = Vec::new();
    for number in 0..40 {
        held.push(numbered(number).0);
    }
    store.hold(JobId::new(), &held, u64::MAX).await.unwrap();
    let refused = async {
        for number in 40..60 {
            put(&store, number).await?;
        }
        Ok::<_, ContentError>(())
    };
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
}

#[tokio::test]
async fn holds_get_room_where_content_gets_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(folder.path(), rules()).await.unwrap();
    put(&store, 1).await.unwrap();
    let store = Folder::open_on(folder.path().into(), rules(), with_free(full))
        .await
        .unwrap();
    let (digest, _) = numbered(1);
    let sizes = store.hold(JobId::new(), &[digest], u64::MAX).await.unwrap();
    assert_eq!(sizes, [Some(SIZE as u64)]);
    let refused = put(&store, 2).await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
}

#[tokio::test]
async fn an_upkeep_gives_back_what_the_disk_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(folder.path(), rules()).await.unwrap();
    put(&store, 1).await.unwrap();
    let store = Folder::open_on(folder.path().into(), rules(), with_free(full))
        .await
        .unwrap();
    let upkept = store.upkeep(&Nobody).await.unwrap();
    assert_eq!((upkept.removed, upkept.bytes), (1, 0));
}

#[tokio::test]
async fn the_last_files_of_a_disk_are_left_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open_on(folder.path().into(), rules(), with_free(without_files))
        .await
        .unwrap();
    let refused = put(&store, 1).await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
}

#[tokio::test]
async fn what_a_killed_process_was_writing_is_gone_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let other = Folder::open(folder.path(), rules()).await.unwrap();
    let (digest, bytes) = numbered(1);
    let mut incoming = other.sink(digest).await.unwrap();
    for _ in 0..6 {
        incoming.write(bytes.clone()).await.unwrap();
    }
    let left = folder.path().join("incoming/left");
    fs::write(&left, &bytes).unwrap();
    let narrow = Rules {
        max_total_bytes: 7 * SIZE as u64,
        ..rules()
    };
    let store = Folder::open(folder.path(), narrow).await.unwrap();
    assert!(!left.exists());
    // What is written by others counts, and stays.
    let mut second = store.sink(digest).await.unwrap();
    let refused = async {
        for _ in 0..6 {
            second.write(bytes.clone()).await?;
        }
        Ok(())
    };
    let refused: Result<(), ContentError> = refused.await;
    assert!(matches!(refused, Err(ContentError::NoRoom)), "{refused:?}");
    assert_eq!(incoming.keep().await.unwrap(), Put::New);
}

#[tokio::test]
async fn an_upload_leaves_nothing_behind_whenever_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(folder.path(), rules()).await.unwrap();
    for polls in 0.. {
        // Its digest is another one, so that nothing is kept at its end either.
        let upload = async {
            let mut incoming = store.begin(numbered(1).0).await?;
            for _ in 0..4 {
                incoming.write(numbered(2).1).await?;
            }
            incoming.finish().await
        };
        let is_over = crate::conformance::given_up_after(polls, upload).await;
        let mut looks = 0;
        while store.0.room.taken().total() > 0
            || fs::read_dir(folder.path().join("incoming")).unwrap().count() > 0
        {
            looks += 1;
            assert!(looks < 1000, "after {polls} polls: {:?}", store.0.room);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if is_over {
            return;
        }
    }
}

#[tokio::test]
async fn what_is_not_the_stores_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = Folder::open(folder.path(), rules()).await.unwrap();
    put(&store, 1).await.unwrap();
    let job = JobId::new();
    store.hold(job, &[numbered(1).0], u64::MAX).await.unwrap();
    let (digest, _) = numbered(2);
    let elsewhere = format!("kept/00/{digest}");
    assert_ne!(&digest.to_string()[..2], "00");
    for stray in ["kept/stray", "kept/ab/stray", "holds/stray", &elsewhere] {
        fs::write(folder.path().join(stray), "stray").unwrap();
    }
    fs::create_dir(folder.path().join("incoming/stray")).unwrap();
    let note = folder.path().join(format!("holds/{job}"));
    let noted = fs::read_to_string(&note).unwrap();
    fs::write(&note, format!("stray\n{noted}\u{fffd}")).unwrap();

    let nothing = Rules {
        retention: Duration::ZERO,
        ..rules()
    };
    let store = Folder::open(folder.path(), nothing).await.unwrap();
    let removed = store
        .on_disk(|inner| inner.remove(SystemTime::now()))
        .await
        .unwrap();
    assert_eq!(removed, 0);
    assert!(store.get(numbered(1).0).await.unwrap().is_some());
}

#[tokio::test]
async fn a_folder_that_is_another_one_is_noticed() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Folder::open(folder.path(), rules()).await.unwrap();
    let again = Folder::open(folder.path(), rules()).await.unwrap();
    let another = Folder::open(other.path(), rules()).await.unwrap();
    let name = store.identity().await.unwrap();
    assert_eq!(again.identity().await.unwrap(), name);
    assert_ne!(another.identity().await.unwrap(), name);
    // As after its file system was taken away.
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(store.identity().await.is_err());
}
