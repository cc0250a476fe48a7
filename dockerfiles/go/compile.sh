#!/bin/sh
# compile.sh ENTRY.go SOURCE.go...: makes ./main of one package, or of the module whose go.mod lies here.
#
# The standard library was compiled by prepare.sh. `go build` would find that too, if the read-only cache
# were laid out for it again in every box; calling compiler and linker directly takes half the time.
set -eu
root="${0%/*}"
entry="$1"
shift
if [ -f go.mod ]; then
    cp -rs "$root/cache" /tmp/cache
    export GOCACHE=/tmp/cache GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local CGO_ENABLED=0
    exec "$root/bin/go" build -buildvcs=false -ldflags '-s -w' -o main "./$(dirname "$entry")"
fi
"$root/tool/compile" -p main -complete -importcfg "$root/importcfg" -o /tmp/main.a "$@"
exec "$root/tool/link" -importcfg "$root/importcfg" -s -w -o main /tmp/main.a
