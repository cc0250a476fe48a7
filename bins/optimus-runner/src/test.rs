//! Third phase: what has a copy of the work directory, such as every test case, as PID 1 of the box.

use optimus_cell::{CellFactory, Supervisor, WorkdirPolicy};

use crate::{
    artefacts::ArtefactSender,
    channel::Outbox,
    executor::{Executor, WorkDirectory},
    inbox::Inbox,
    job_state::JobState,
    next::Next,
};

pub(crate) fn run(outbox: &mut Outbox, cells: Option<&CellFactory>) -> anyhow::Result<Next> {
    let state = JobState::load()?;
    let guests = state.guests(cells)?;
    let supervisor = Supervisor::new(&guests.runs(state.parallel), WorkdirPolicy::PerRun, cells)?;
    let work_directory = WorkDirectory::Sealed(ArtefactSender::new(guests.compile()));
    Executor::new(supervisor, work_directory, Inbox::new(), state.newest, outbox).run()?;
    Ok(Next::GoOn)
}
