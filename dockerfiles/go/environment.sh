# How `go` is called, by prepare.sh and compile.sh alike: what it has cached is good for the same settings alone. Read
# with `root` as the folder where boxes see it.
export GOCACHE="$root/cache" GOENV=off GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local GOWORK=off \
    GO111MODULE=on CGO_ENABLED=0 GOPATH=/tmp/go XDG_CONFIG_HOME="$root/config"
