//! `queues`.

use crate::{
    api,
    args::Queues,
    exit::{Exit, Failure},
    output::{Output, table},
};

pub(crate) async fn run(args: Queues, output: &Output) -> Result<Exit, Failure> {
    let queues = api::client(&args.api)?.queues().await?;
    output.result(&queues, || {
        let header = [
            "language",
            "waiting",
            "interactive",
            "normal",
            "batch",
            "delayed",
            "running",
            "dead",
            "workers",
            "busy",
        ];
        let mut table = table(&header);
        for queue in &queues {
            let counts = [
                queue.waiting,
                queue.interactive,
                queue.normal,
                queue.batch,
                queue.delayed,
                queue.running,
                queue.dead,
                queue.workers,
            ];
            let mut row = vec![queue.language.clone()];
            row.extend(counts.iter().map(u64::to_string));
            row.push(format!("{} of {}", queue.busy, queue.slots));
            table.add_row(row);
        }
        table.to_string()
    })?;
    Ok(Exit::Done)
}
