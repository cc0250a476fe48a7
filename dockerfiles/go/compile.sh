#!/bin/sh
# Compiles and links one package of Go files against the standard library that was compiled when the image was built.
# `go build` would compile that library again in every box, where the cache is empty, from Go 1.20 on.
set -eu
cfg=/optimus/go/importcfg
/optimus/go/tool/compile -p main -complete -importcfg "$cfg" -o /tmp/main.a "$@"
exec /optimus/go/tool/link -importcfg "$cfg" -s -w -o main /tmp/main.a
