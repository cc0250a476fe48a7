#!/bin/sh
# compile.sh ENTRY SOURCE.go...: makes .optimus/main by `go build`. ENTRY is the file whose package that is; where it is
# empty, it is the only package main among the sources.
set -eu
root="${0%/*}"
entry="$1"
shift
top="$PWD"
output="$top/.optimus"
# Nothing but the sources decides: no network, no other toolchain, no settings or workspace that came with them.
. "$root/environment.sh"
# The standard library was compiled by prepare.sh. `go build` now and then insists on writing beside what it finds.
cp -rs "$root/cache" /tmp/cache
export GOCACHE=/tmp/cache

refuse() {
    echo "error: $1" >&2
    exit 1
}

# Whether the folder $1 is called as an import path may be. Others are no packages to Go, but it builds their files.
has_import_path() {
    case "$1" in
        *[!A-Za-z0-9._~/+-]*) return 1 ;;
    esac
}

# Calls `go` with $1 as its command for the folder $2; the rest are its options.
go_in() {
    command="$1"
    folder="$2"
    shift 2
    if has_import_path "$folder"; then
        set -- "$@" "$folder"
    else
        for file in "$folder"/*.go; do
            case "$file" in
                *_test.go) ;;
                *) set -- "$@" "$file" ;;
            esac
        done
    fi
    "$root/bin/go" "$command" "$@"
}

# The folders of the sources that have programs in, relative to this one.
programs() {
    "$root/bin/go" list -e -f '{{if eq .Name "main"}}{{.Dir}}{{end}}' ./... | while IFS= read -r folder; do
        case "$folder" in
            "") ;;
            "$PWD") echo . ;;
            *) echo "./${folder#"$PWD/"}" ;;
        esac
    done
    for source in "$@"; do dirname "$source"; done | sort -u | while IFS= read -r folder; do
        folder="./$(realpath --relative-to=. "$top/$folder")"
        has_import_path "$folder" && continue
        [ "$(go_in list "$folder" -e -f '{{.Name}}')" != main ] || echo "$folder"
    done
}

# The tool knows its files by `.go` alone, people write `.GO` as well.
for source in "$@"; do
    shift
    name="${source%.*}.go"
    [ -e "$name" ] || mv "$source" "$name"
    [ "$entry" != "$source" ] || entry="$name"
    set -- "$@" "$name"
done

# Where the module is: above the entry, or the one that all others are below, or of several the one that has a program.
module=.
if [ -n "$entry" ]; then
    module="$(dirname "$entry")"
    while [ "$module" != . ] && [ ! -f "$module/go.mod" ]; do
        module="$(dirname "$module")"
    done
elif [ ! -f go.mod ]; then
    modules="$(find . -name go.mod -type f -printf '%d %h\n' | sort -n)"
    depth="${modules%% *}"
    if [ -n "$modules" ] && [ "$(echo "$modules" | grep -c "^$depth ")" -eq 1 ]; then
        module="$(echo "$modules" | head -n 1 | cut -d ' ' -f 2-)"
    elif [ -n "$modules" ]; then
        with_programs="$(echo "$modules" | sed -n "s/^$depth //p" | while IFS= read -r folder; do
            (cd "$folder" && [ -z "$(programs ./...)" ]) || echo "$folder"
        done)"
        case "$with_programs" in
            "") refuse "no package in the modules $(echo $modules) is a program: none is called main" ;;
            *"
"*) refuse "several modules have programs: $(echo $with_programs); name a file of one as the entry point" ;;
        esac
        module="$with_programs"
    fi
fi
if [ ! -f "$module/go.mod" ]; then
    # Called so that packages in folders are found by the names that the sources import them by, or else `main`.
    name=main
    for source in "$@"; do
        folder="$(dirname "$source")"
        [ "$folder" = . ] && continue
        ending="$(printf %s "$folder" | sed 's/[^A-Za-z0-9_/-]/\\&/g')"
        guess="$(grep -oh '"[^" ]*"' -- "$@" | sed -n "s|^\"\(.*\)/$ending\"\$|\1|p" | head -n 1)"
        # A folder may be called as one of the standard library's.
        [ -n "$guess" ] && [ ! -d "$root/bin/../src/$guess" ] && name="$guess" && break
    done
    printf 'module %s\n\ngo %s\n' "$name" "$(cat "$root/language")" > "$module/go.mod"
fi

cd "$module"
[ ! -f vendor/modules.txt ] || export GOFLAGS=-mod=vendor
if [ -n "$entry" ]; then
    package="./$(dirname "$(realpath --relative-to=. "$top/$entry")")"
    echo "entry point: $package"
elif [ "$(for source in "$@"; do dirname "$source"; done | sort -u | wc -l)" -le 1 ]; then
    package="./$(realpath --relative-to=. "$top/$(dirname "$1")")"
else
    package="$(programs "$@")"
    case "$package" in
        "") refuse "no package among the sources is a program: none is called main" ;;
        *"
"*) refuse "several packages are programs: $(echo $package); name a file of one as the entry point" ;;
    esac
    echo "entry point: $package"
fi
# A file that is alone is the program, whatever it is called and for whichever system: so it is where a compiler is given
# the file's name.
if [ $# -eq 1 ]; then
    file="$package/${1##*/}"
    case "${file##*/}" in
        *_* | .*) odd=yes ;;
        *) odd="$(grep -e '^//go:build ' -e '^// *+build ' "$file" || true)" ;;
    esac
    if [ -n "$odd" ] && [ "$("$root/bin/go" list -e -f '{{len .GoFiles}}' "$package")" = 0 ]; then
        case "${file##*/}" in
            _* | .* | *_test.go)
                mv "$file" "$package/main.go"
                file="$package/main.go"
                ;;
        esac
        package="$file"
    fi
fi
# The folder is away meanwhile: `//go:embed *` takes empty ones for mistakes.
rmdir "$output"
go_in build "$package" -buildvcs=false -ldflags '-s -w' -o /tmp/main
# Of a package that is no program, `go build` makes an archive, which is none either.
[ "$(head -c 4 /tmp/main)" = "$(printf '\177ELF')" ] || refuse "package $package is no program: it is not called main"
mkdir "$output"
mv /tmp/main "$output/main"
