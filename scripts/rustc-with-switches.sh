#!/bin/sh
# The compiler with the switches that only tests have, which Cargo.toml lists. As RUSTC_WORKSPACE_WRAPPER cargo calls it for
# the crates of this workspace, and keeps what it makes apart from what ships; dependencies are compiled once for both.
#
#   RUSTC_WORKSPACE_WRAPPER="$PWD/scripts/rustc-with-switches.sh" cargo test --workspace --test hostile -- weakened
exec "$@" --cfg fuzzing --cfg optimus_weaken
