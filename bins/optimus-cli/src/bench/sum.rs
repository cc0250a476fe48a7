//! A program that sums what it reads, in the languages that several benchmarks have it in.

pub(super) const CPP: &str = include_str!("programs/sum.cpp");
pub(super) const PYTHON: &str = include_str!("programs/sum.py");

pub(super) const INPUT: &str = "1 2 3 4 5 6 7 8 9 10\n";
pub(super) const OUTPUT: &str = "55\n";
