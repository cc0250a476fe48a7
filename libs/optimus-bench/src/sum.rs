//! A program that sums what it reads, in the languages that several benchmarks have it in.

pub(crate) const CPP: &str = include_str!("programs/sum.cpp");
pub(crate) const PYTHON: &str = include_str!("programs/sum.py");

pub(crate) const INPUT: &str = "1 2 3 4 5 6 7 8 9 10\n";
pub(crate) const OUTPUT: &str = "55\n";
