#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| optimus_fuzz::submission(input));
