//! CPU time of a whole tree.

use std::time::Duration;

use crate::{place::Place, program::limits};

/// Of one run, in all.
const BURNT: Duration = Duration::from_millis(240);

/// What starting and ending processes may cost on a busy machine.
const BESIDE: Duration = Duration::from_millis(20);

pub(crate) async fn cpu_time_of_threads_and_processes_is_summed(place: &Place) {
    let commands = ["process 1 240", "threads 4 60", "children 4 60", "unwaited 4 60"];
    for (ran, command) in place
        .run(limits(), &commands.map(str::to_owned))
        .await
        .iter()
        .zip(commands)
    {
        let told = ran.facts.cpu_time;
        println!("{command}: {told:?} told by {:?}", ran.facts.cpu_time_from);
        assert!(told >= BURNT && told < BURNT + BESIDE, "{command}: {ran:?}");
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
    assert!(median < Duration::from_millis(5), "{told:?}");
}
