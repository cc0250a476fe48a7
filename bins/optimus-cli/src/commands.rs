//! What each subcommand does.

mod add_lang;
mod bench;
mod build_image;
mod doctor;
pub(crate) mod grade;
mod jobs;
mod list_langs;
mod queues;
mod remove_lang;
mod serve;
mod submit;

use crate::{
    args::{Cli, Command},
    exit::{Exit, Failure},
    output::Output,
    project::Project,
};

pub(crate) async fn run(cli: Cli, output: &Output) -> Result<Exit, Failure> {
    let project = || Project::find(cli.root.as_deref());
    match cli.command {
        Command::Serve(args) => serve::run(args, cli.root.as_deref(), output).await,
        Command::Grade(args) => grade::run(args, cli.root.as_deref(), output).await,
        Command::Doctor(args) => doctor::run(args, cli.root.as_deref(), output).await,
        Command::AddLang(args) => add_lang::run(args, &project()?, output).await,
        Command::RemoveLang(args) => remove_lang::run(args, &project()?, output).await,
        Command::ListLangs => list_langs::run(&project()?, output).await,
        Command::BuildImage(args) => build_image::run(args, &project()?, output).await,
        Command::Submit(args) => submit::run(args, output).await,
        Command::Status(args) => jobs::status(args, output).await,
        Command::Cancel(args) => jobs::cancel(args, output).await,
        Command::Queues(args) => queues::run(args, output).await,
        Command::Bench(args) => bench::run(args, cli.root.as_deref(), output).await,
    }
}
