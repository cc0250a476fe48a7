//! Where chance comes from: a number that is printed with each round, and by which the same faults happen again.

use std::{
    env,
    hash::{BuildHasher, RandomState},
};

#[derive(Debug)]
pub(crate) struct Seed {
    pub(crate) number: u64,
    pub(crate) random: fastrand::Rng,
}

impl Seed {
    /// Of the number in `OPTIMUS_CHAOS_SEED`, which each round counts on; else a new one.
    pub(crate) fn of_round(round: u64) -> Self {
        // Each RandomState hashes with keys of its own.
        let fresh = || RandomState::new().hash_one(round) >> 32;
        let number = match env::var("OPTIMUS_CHAOS_SEED") {
            Ok(given) => given.parse::<u64>().expect("OPTIMUS_CHAOS_SEED is a number") + round,
            Err(_) => fresh(),
        };
        Self {
            number,
            random: fastrand::Rng::with_seed(number),
        }
    }
}

/// A number from the environment.
pub(crate) fn number_from(variable: &str, usual: u64) -> u64 {
    match env::var(variable) {
        Ok(given) => given.parse().unwrap_or_else(|_| panic!("{variable} is a number")),
        Err(_) => usual,
    }
}
