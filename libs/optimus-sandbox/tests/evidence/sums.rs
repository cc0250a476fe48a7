//! CPU time of a whole tree.

use std::time::Duration;

use optimus_testkit::bare_start;

use crate::{place::Place, program::limits};

/// Of one run, in all.
const BURNT: Duration = Duration::from_millis(240);

/// What starting and ending a handful of processes may cost: as many times what one costs here without a sandbox.
const BESIDE: u32 = 20;
/// The same on the fastest of machines, where a clock's tick is all there is.
const LEAST_BESIDE: Duration = Duration::from_millis(20);

pub(crate) async fn cpu_time_of_threads_and_processes_is_summed(place: &Place) {
    let most = BURNT + LEAST_BESIDE.max(BESIDE * bare_start::cost());
    let commands = ["process 1 240", "threads 4 60", "children 4 60", "unwaited 4 60"];
    for (ran, command) in place
        .run(limits(), &commands.map(str::to_owned))
        .await
        .iter()
        .zip(commands)
    {
        let told = ran.facts.cpu_time;
        println!("{command}: {told:?} told by {:?}", ran.facts.cpu_time_from);
        assert!(told >= BURNT && told < most, "{command}: {ran:?}");
    }
}

/// What the sandbox does to start a program is not the program's.
pub(crate) async fn starting_a_program_costs_it_little(place: &Place) {
    let commands = vec!["sleep 1 1".to_owned(); 30];
    let runs = place.run(limits(), &commands).await;
    let mut told: Vec<_> = runs.iter().map(|ran| ran.facts.cpu_time).collect();
    told.sort_unstable();
    let median = told[told.len() / 2];
    println!(
        "an idle program: {median:?} of CPU time, {:?} at most",
        told[told.len() - 1]
    );
    // Beside what it costs without a sandbox, as this machine is.
    let most = Duration::from_millis(5).max(5 * bare_start::cost());
    assert!(median < most, "{most:?}: {told:?}");
}
