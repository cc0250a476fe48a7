//! The suite, over the stores of this crate.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

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
}
