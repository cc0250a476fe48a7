//! An API, and a worker's part played by hand.

use std::{sync::Arc, time::Duration};

use optimus_api::Settings;
use optimus_client::Client;
use optimus_common::{WorkerId, language::LanguagesFile};
use optimus_content::{FaultyContent, Memory, Rules};
use optimus_queue::{Claim, JobQueue, memory::MemoryStore};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

/// Longer than anything here takes on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) struct Api {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) content: FaultyContent,
    pub(crate) address: String,
    server: JoinHandle<std::io::Result<()>>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::defaults();
        settings.languages_file = LanguagesFile::BuiltIn;
        change(&mut settings);
        let content = FaultyContent::new(Arc::new(Memory::new(Rules::of(&settings.content))));
        let store = Arc::new(MemoryStore::new(&settings.queue));
        let app = optimus_api::App::new(store.clone(), Arc::new(content.clone()), settings).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(optimus_api::serve(
            listener,
            Arc::new(app),
            std::future::pending(),
        ));
        Self {
            store,
            content,
            address,
            server,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address).unwrap()
    }

    /// It answers nobody from here on.
    pub(crate) async fn leave(self) {
        self.server.abort();
        let _ = self.server.await;
    }

    pub(crate) async fn claim(&self) -> Claim {
        let (language, worker) = ("python".parse().unwrap(), WorkerId::new());
        let claim = async {
            loop {
                if let Some(claim) = self.store.claim(&language, &worker).await.unwrap() {
                    return claim;
                }
                let _ = self.store.wait_for_work(&language, Duration::from_secs(1)).await;
            }
        };
        timeout(TIMEOUT, claim).await.expect("a job to claim")
    }
}
