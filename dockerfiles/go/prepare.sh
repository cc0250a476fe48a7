#!/bin/sh
# Compiles the standard library, so that it costs a job nothing. Runs once, in the folder where boxes see what it makes.
set -eu
here="$(pwd)"
export CGO_ENABLED=0 GO111MODULE=off GOTOOLCHAIN=local GOENV=off GOPATH=/tmp/go GOCACHE="$here/cache"
cd /
go list -export -f '{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}' std > "$here/importcfg"
ln -s "$(go env GOTOOLDIR)" "$here/tool"
ln -s "$(go env GOROOT)/bin" "$here/bin"
chmod -R a+rX "$here"
