#!/bin/sh
# Builds every binary into dist/, and the static agent into dockerfiles/. Run from the repository's root, inside the
# Dockerfile beside this file and by setup.sh. Does nothing where `dist/` was brought along.
set -eu

if [ -x dist/optimus-api ] && [ "${1:-}" != --force ]; then
    echo "using the binaries in dist/"
    exit 0
fi

. scripts/common.sh
cargo build --release --locked -p optimus-api -p optimus-worker -p optimus-cli
build_runner
mkdir -p dist
for name in optimus-api optimus-worker optimus-cli; do
    install -m 755 "${CARGO_TARGET_DIR:-target}/release/$name" "dist/$name.new"
    mv "dist/$name.new" "dist/$name"
done
