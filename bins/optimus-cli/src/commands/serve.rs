//! `serve`.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use optimus_api::App;
use optimus_service::Process;
use optimus_worker::Settings;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    args::Serve,
    embedded::{Embedded, LanguageRow, Storage, languages_table},
    exit::{Classify, Exit, Failure},
    output::Output,
};

/// What was started, once it is there.
#[derive(Debug, Serialize)]
struct Started<'a> {
    url: String,
    backend: &'a str,
    /// Why this backend.
    why: &'a str,
    database: &'a Path,
    languages: Vec<LanguageRow<'a>>,
}

pub(crate) async fn run(args: Serve, root: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let (mut settings, mut api) = args.embedded.settings_with_api(root)?;
    if let Some(host) = args.host {
        api.api.host = host;
    }
    if let Some(port) = args.port {
        api.api.port = port;
    }
    if let Some(languages) = args.language {
        settings.worker.languages = languages;
    }
    api.api.allow_anonymous |= args.insecure;
    Process::begin("optimus", Some(&settings.log))
        .usage()?
        .run(|shutdown| serve(settings, api, shutdown, output))
        .await
}

async fn serve(
    settings: Settings,
    api: optimus_api::Settings,
    shutdown: CancellationToken,
    output: &Output,
) -> Result<Exit, Failure> {
    optimus_api::check_exposure(&api.api).await.usage()?;

    // Before anything is started: a port that is taken is found out at once.
    let address = (api.api.host.clone(), api.api.port);
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| {
            format!(
                "cannot listen on {}:{} (--port chooses another port, 0 any free one)",
                address.0, address.1
            )
        })
        .system()?;
    let url = format!("http://{}", listener.local_addr().system()?);
    let Some(embedded) = shutdown
        .run_until_cancelled(Embedded::start(settings, Storage::Persistent))
        .await
    else {
        return Ok(Exit::Done);
    };
    let embedded = embedded?;
    let app = App::new(Arc::clone(&embedded.store), Arc::clone(&embedded.content), api).usage();
    let served = match app {
        Ok(app) => {
            let app = app.show_metrics(embedded.metrics.clone());
            let started = started(&url, &embedded);
            output.result(&started, || text(&started))?;
            let api = async {
                let ended =
                    optimus_api::serve(listener, Arc::new(app), shutdown.clone().cancelled_owned()).await;
                shutdown.cancel();
                ended
            };
            // Both leave at the same time: what is running may end while the last answers are given.
            let leaving = async {
                let left = embedded.run_until(shutdown.cancelled()).await;
                shutdown.cancel();
                left
            };
            let (api, worker) = tokio::join!(api, leaving);
            api.system().and(worker)
        }
        Err(failure) => embedded.stop().await.and(Err(failure)),
    };
    served.map(|()| Exit::Done)
}

fn started<'a>(url: &str, embedded: &'a Embedded) -> Started<'a> {
    let choice = &embedded.choice;
    Started {
        url: url.to_owned(),
        backend: choice.kind.as_str(),
        why: &choice.why,
        database: &embedded.database,
        languages: choice.languages.iter().map(LanguageRow::from).collect(),
    }
}

fn text(started: &Started<'_>) -> String {
    format!(
        "{}\n\nboxes   {}: {}\njobs    {}\nAPI     {}\nCtrl-C or SIGTERM ends it: what is running is finished \
         first, and what waits is kept.",
        languages_table(&started.languages),
        started.backend,
        started.why,
        started.database.display(),
        started.url,
    )
}
