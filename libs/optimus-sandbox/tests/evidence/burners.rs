//! A machine that is busy.

use std::{
    process::{Child, Command},
    thread::available_parallelism,
};

/// As many programs that never stop as there are CPUs, each in a session of its own, so that the scheduler treats each as
/// it treats a guest.
pub(crate) struct Burners(Vec<Child>);

impl Burners {
    pub(crate) fn start() -> Self {
        let cpus = available_parallelism().unwrap().get();
        let program = |_| {
            // They die with this program, however it ends.
            Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "setsid", "sh", "-c", "while :; do :; done"])
                .spawn()
                .unwrap()
        };
        Self((0..cpus).map(program).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for program in &mut self.0 {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}
