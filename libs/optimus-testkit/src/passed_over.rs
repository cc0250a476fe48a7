//! What a machine cannot test.

use std::env;

/// A test that has nothing to look at on this machine says so, and fails where nothing may be passed over.
pub fn because(reason: &str) {
    let all_required = env::var_os("OPTIMUS_REQUIRE_ALL").is_some_and(|required| required == "1");
    assert!(!all_required, "nothing may be passed over, but {reason}");
    eprintln!("passed over: {reason}");
}
