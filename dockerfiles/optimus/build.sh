#!/bin/sh
# Builds every binary into dist/, and the static agent into dockerfiles/. Run from the repository's root, inside the
# Dockerfile beside this file and by setup.sh. Does nothing where `dist/` was brought along.
set -eu

if [ -x dist/optimus-api ] && [ "${1:-}" != --force ]; then
    echo "using the binaries in dist/"
    exit 0
fi

. scripts/common.sh
build_binaries
build_runner
