//! The suite, over the stores of this crate.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod memory {
    use std::{sync::Arc, time::Duration};

    use async_trait::async_trait;
    use optimus_content::{ContentStore, Memory, Rules, conformance::StoreFactory};

    struct Factory;

    #[async_trait]
    impl StoreFactory for Factory {
        async fn open(&self, rules: Rules) -> Arc<dyn ContentStore> {
            Arc::new(Memory::new(rules))
        }

        fn tick(&self) -> Duration {
            Duration::from_millis(20)
        }

        fn beside(&self) -> u64 {
            256
        }
    }

    optimus_content::content_conformance_tests!(crate::memory::Factory);
}

mod folder {
    use std::{sync::Arc, time::Duration};

    use async_trait::async_trait;
    use optimus_content::{ContentStore, Folder, Rules, conformance::StoreFactory};
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
    }

    optimus_content::content_conformance_tests!(crate::folder::Factory::new());
}
