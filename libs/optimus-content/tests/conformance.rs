//! The suite, over the stores of this crate.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

use std::time::Duration;

use optimus_common::content::Digest;
use optimus_content::{ContentError, Rules, conformance::StoreFactory};
use sha2::{Digest as _, Sha256};

mod memory {
    use std::{sync::Arc, time::Duration};

    use async_trait::async_trait;
    use bytes::Bytes;
    use optimus_common::content::Digest;
    use optimus_content::{
        ContentStore, Memory, Rules,
        conformance::{Damage, StoreFactory},
    };
    use tokio::sync::OnceCell;

    #[derive(Default)]
    struct Factory(OnceCell<Memory>);

    #[async_trait]
    impl StoreFactory for Factory {
        async fn open(&self, rules: Rules) -> Arc<dyn ContentStore> {
            let store = self.0.get_or_init(async || Memory::new(rules)).await;
            Arc::new(store.clone())
        }

        fn tick(&self) -> Duration {
            Duration::from_millis(20)
        }

        fn beside(&self) -> u64 {
            256
        }

        async fn damage(&self, digest: Digest, damage: Damage) {
            // Memory is lost as a whole.
            let bytes = match damage {
                Damage::Changed => Some(Bytes::from_static(b"another")),
                Damage::CutOff => None,
            };
            self.0.get().unwrap().damage(digest, bytes);
        }
    }

    optimus_content::content_conformance_tests!(crate::memory::Factory::default());
}

mod folder {
    use std::{
        fs::File,
        io::{Seek, SeekFrom, Write},
        sync::Arc,
        time::Duration,
    };

    use async_trait::async_trait;
    use optimus_common::content::Digest;
    use optimus_content::{
        ContentStore, Folder, Rules,
        conformance::{Damage, StoreFactory},
    };
    use tempfile::TempDir;

    struct Factory(TempDir);

    impl Factory {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
    }

    #[async_trait]
    impl StoreFactory for Factory {
        async fn open(&self, rules: Rules) -> Arc<dyn ContentStore> {
            let folder = self.0.path().join("content");
            Arc::new(Folder::open(folder, rules).await.unwrap())
        }

        fn tick(&self) -> Duration {
            Duration::from_millis(50)
        }

        fn beside(&self) -> u64 {
            4096
        }

        async fn damage(&self, digest: Digest, damage: Damage) {
            let name = digest.to_string();
            let path = self.0.path().join("content/kept").join(&name[..2]).join(name);
            let mut file = File::options().read(true).write(true).open(path).unwrap();
            match damage {
                Damage::Changed => {
                    file.seek(SeekFrom::Start(7)).unwrap();
                    file.write_all(b"another").unwrap();
                }
                Damage::CutOff => file.set_len(10).unwrap(),
            }
        }
    }

    optimus_content::content_conformance_tests!(crate::folder::Factory::new());

    #[tokio::test]
    async fn several_processes_keep_to_one_bound() {
        crate::several_keep_to_one_bound(&Factory::new()).await;
    }
}

/// None of them sees what another one adds, unless it looks.
async fn several_keep_to_one_bound(factory: &dyn StoreFactory) {
    const ROOM: u32 = 100;
    const PROCESSES: u32 = 4;
    let size = 16_000;
    let rules = Rules {
        max_bytes: 1 << 20,
        max_total_bytes: u64::from(ROOM) * (size as u64 + 512),
        retention: Duration::from_hours(1),
        min_kept: Duration::from_hours(1),
    };
    let mut stores = Vec::new();
    for _ in 0..PROCESSES {
        stores.push(factory.open(rules).await);
    }
    let (mut kept, mut refused) = (0, 0);
    for (number, store) in (0_u32..).zip(stores.iter().cycle()) {
        let mut bytes = vec![0; size];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        let digest = Digest::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
        let put = async {
            let mut incoming = store.begin(digest).await?;
            incoming.write(bytes.into()).await?;
            incoming.finish().await
        };
        match put.await {
            Ok(_) => (kept, refused) = (kept + 1, 0),
            Err(ContentError::NoRoom) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        if refused == PROCESSES {
            break;
        }
    }
    assert!((ROOM - 1..=ROOM + PROCESSES).contains(&kept), "{kept}");
}

mod objects {
    use std::{sync::Arc, time::Duration};

    use async_trait::async_trait;
    use futures_util::TryStreamExt;
    use object_store::{ObjectStore, ObjectStoreExt, PutPayload, memory::InMemory, path::Path};
    use optimus_common::{JobId, content::Digest};
    use optimus_content::{
        ContentStore, Holders, ObjectContent, Put, Rules,
        conformance::{Damage, StoreFactory},
    };
    use sha2::{Digest as _, Sha256};

    #[derive(Default)]
    struct Factory(Arc<InMemory>);

    #[async_trait]
    impl StoreFactory for Factory {
        async fn open(&self, rules: Rules) -> Arc<dyn ContentStore> {
            let store = ObjectContent::open(self.0.clone(), Path::from("some/where"), rules).await;
            Arc::new(store.unwrap())
        }

        fn tick(&self) -> Duration {
            Duration::from_millis(20)
        }

        fn beside(&self) -> u64 {
            512
        }

        async fn damage(&self, digest: Digest, damage: Damage) {
            let folder = Path::from(format!("some/where/kept/{digest}"));
            let versions: Vec<_> = self.0.list(Some(&folder)).try_collect().await.unwrap();
            for version in versions {
                let path = version.location;
                match damage {
                    Damage::Changed => drop(self.0.put(&path, PutPayload::from("another")).await.unwrap()),
                    // It is lost as a whole.
                    Damage::CutOff => self.0.delete(&path).await.unwrap(),
                }
            }
        }
    }

    optimus_content::content_conformance_tests!(crate::objects::Factory::default());

    #[tokio::test]
    async fn several_processes_keep_to_one_bound() {
        crate::several_keep_to_one_bound(&Factory::default()).await;
    }

    struct Nobody;

    #[async_trait]
    impl Holders for Nobody {
        async fn is_over(&self, _: JobId) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
            Ok(false)
        }
    }

    /// Leaves the first step of a removal behind, as a process that was killed does.
    async fn begin_removal(objects: &InMemory, digest: Digest, known_use: i64) {
        let folder = Path::from(format!("some/where/kept/{digest}"));
        let versions: Vec<_> = objects.list(Some(&folder)).try_collect().await.unwrap();
        for version in versions {
            let name = version.location.filename().unwrap();
            let gone = Path::from(format!("some/where/gone/{digest}/{name}"));
            let note = PutPayload::from(known_use.to_string());
            objects.put(&gone, note).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_removal_that_was_begun_is_finished_and_loses_no_use() {
        let factory = Factory::default();
        let rules = Rules {
            max_bytes: 1000,
            max_total_bytes: 10_000,
            retention: Duration::from_hours(1),
            min_kept: Duration::from_hours(1),
        };
        let store = factory.open(rules).await;
        let digest = Digest::from(<[u8; 32]>::from(Sha256::digest(b"content")));
        let put = async || {
            let mut incoming = store.begin(digest).await.unwrap();
            incoming.write("content".into()).await.unwrap();
            incoming.finish().await.unwrap()
        };
        assert_eq!(put().await, Put::New);
        assert_eq!(store.renew(&[digest]).await.unwrap(), [Some(7)]);
        // Whoever began it did not know of that.
        begin_removal(&factory.0, digest, 1).await;
        let whole = async || {
            let content = store.get(digest).await.unwrap().unwrap();
            assert_eq!(content.into_bytes(7).await.unwrap()[..], b"content"[..]);
        };
        whole().await;
        store.upkeep(&Nobody).await.unwrap();
        whole().await;
        assert_eq!(store.renew(&[digest]).await.unwrap(), [Some(7)]);

        // And so it is where it is used after that.
        begin_removal(&factory.0, digest, 1).await;
        assert_eq!(store.renew(&[digest]).await.unwrap(), [Some(7)]);
        store.upkeep(&Nobody).await.unwrap();
        whole().await;

        // Whoever began it knew of all uses: what is used now may not be seen.
        begin_removal(&factory.0, digest, i64::MAX).await;
        assert_eq!(put().await, Put::Existing);
        store.upkeep(&Nobody).await.unwrap();
        whole().await;
        begin_removal(&factory.0, digest, i64::MAX).await;
        store.upkeep(&Nobody).await.unwrap();
        assert_eq!(put().await, Put::New);
        let left: Vec<_> = factory
            .0
            .list(Some(&Path::from("some/where/gone")))
            .try_collect()
            .await
            .unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}
