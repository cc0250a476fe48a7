#!/bin/sh
# Compiles the standard library, so that it costs a job nothing. Runs once, in the folder where boxes see what it makes.
set -eu
root="$(pwd)"
. ./environment.sh
cd /
# Telemetry would write to every box, and start a process more.
mkdir -p "$root/config/go/telemetry"
echo off > "$root/config/go/telemetry/mode"
GOFLAGS='' go build std
# The language's version is that of the toolchain, for programs without a go.mod.
go env GOVERSION | sed -n 's/^go\([0-9]*\.[0-9]*\).*/\1/p' > "$root/language"
ln -s "$(go env GOROOT)/bin" "$root/bin"
chmod -R a+rX "$root"
