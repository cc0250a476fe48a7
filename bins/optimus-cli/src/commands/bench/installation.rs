//! An installation in this very process, for a benchmark to measure.

use std::{path::Path, sync::Arc};

use optimus_api::App;
use optimus_bench::{BenchReport, Setting, native};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    api, args,
    embedded::{self, Embedded, LanguageRow, Storage},
    exit::{Classify, Failure},
};

/// The whole system, listening on a port of its own.
pub(super) struct Installation {
    setting: Setting,
    embedded: Embedded,
    shutdown: CancellationToken,
    api: JoinHandle<std::io::Result<()>>,
}

impl Installation {
    pub(super) async fn start(
        flags: embedded::Flags,
        root: Option<&Path>,
        rounds: Option<usize>,
    ) -> Result<Self, Failure> {
        let (settings, api) = flags.settings_with_api(root)?;
        let token = api.api.tokens.first().cloned();
        let embedded = Embedded::start(settings, Storage::Ephemeral).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.system()?;
        let address = listener.local_addr().system()?;
        let app = App::new(Arc::clone(&embedded.store), Arc::clone(&embedded.content), api).usage()?;
        let shutdown = CancellationToken::new();
        let api = optimus_api::serve(listener, Arc::new(app), shutdown.clone().cancelled_owned());
        let api = tokio::spawn(api);
        let client = args::ApiArgs {
            api: format!("http://{address}"),
            token,
        };
        let setting = Setting::new(api::client(&client)?, rounds);
        let rows: Vec<_> = embedded.choice.languages.iter().map(LanguageRow::from).collect();
        let available = rows.iter().filter(|row| row.is_available());
        let available: Vec<_> = available.map(LanguageRow::name).collect();
        let ready = async {
            native::all_ready(&setting, &available)
                .await
                .map_err(Failure::from)
        };
        embedded.watched(ready).await?;
        Ok(Self {
            setting,
            embedded,
            shutdown,
            api,
        })
    }

    /// Measures, for as long as the worker is there.
    pub(super) async fn measure(
        &self,
        benchmark: impl Future<Output = Result<BenchReport, Failure>>,
    ) -> Result<BenchReport, Failure> {
        self.embedded.watched(benchmark).await
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.setting
    }

    pub(super) async fn stop(self) -> Result<(), Failure> {
        self.shutdown.cancel();
        self.embedded.stop().await?;
        self.api.await.system()?.system()
    }
}
