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

# Whether the folder $1 is called as an import path may be, on any system. Others are no packages to Go, but it builds
# their files.
has_import_path() {
    case "/$1/" in
        *[!A-Za-z0-9._~/+-]* | */-* | *[!/.]./* | *~[0-9]*) return 1 ;;
    esac
    ! echo "$1" | grep -qiE '(^|/)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|/|$)'
}

# Calls `go` with $1 as its command for $2, a folder or a file; the rest are its options. Does nothing for a folder
# without files of a program: called without any, `go` takes those of this one.
go_in() {
    command="$1"
    folder="$2"
    shift 2
    if [ -f "$folder" ] || has_import_path "$folder"; then
        "$root/bin/go" "$command" "$@" "$folder"
        return
    fi
    # Which files are taken in a folder without being named, as without modules any folder is a package.
    files="$(cd "$folder" && GO111MODULE=off GOFLAGS='' \
        "$root/bin/go" list -e -find -f '{{range .GoFiles}}{{println .}}{{end}}' .)"
    [ -n "$files" ] || return 0
    while IFS= read -r file; do
        set -- "$@" "$folder/$file"
    done << FILES
$files
FILES
    "$root/bin/go" "$command" "$@"
}

# The folders of the sources that have programs in, relative to this one.
programs() {
    {
        "$root/bin/go" list -e -f '{{if eq .Name "main"}}{{.Dir}}{{end}}' ./... | while IFS= read -r folder; do
            case "$folder" in
                "") ;;
                "$PWD") echo . ;;
                *) echo "./${folder#"$PWD/"}" ;;
            esac
        done
        for source in "$@"; do dirname -- "$source"; done | sort -u | while IFS= read -r folder; do
            folder="./$(realpath --relative-to=. "$top/$folder")"
            has_import_path "$folder" && continue
            [ "$(go_in list "$folder" -e -f '{{.Name}}')" != main ] || echo "$folder"
        done
    } | sort -u
}

# The tool knows its files by `.go` alone, people write `.GO` as well.
for source in "$@"; do
    shift
    name="${source%.*}.go"
    [ -e "./$name" ] || mv -- "$source" "$name"
    [ "$entry" != "$source" ] || entry="$name"
    set -- "$@" "$name"
done

# Where the module is: above the entry, or the one that all others are below, or of several the one that has a program.
module=.
if [ -n "$entry" ]; then
    module="$(dirname -- "$entry")"
    while [ "$module" != . ] && [ ! -f "$module/go.mod" ]; do
        module="$(dirname -- "$module")"
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
folders="$(for source in "$@"; do dirname -- "$source"; done | sort -u)"
if [ ! -f "$module/go.mod" ]; then
    # Called so that packages in folders are found by the names that the sources import them by, or else `main`.
    name=main
    imports=
    [ "$folders" = . ] || imports="$(echo "$folders" | while IFS= read -r folder; do
        (cd "$folder" && GO111MODULE=off GOFLAGS='' \
            "$root/bin/go" list -e -f '{{range .Imports}}{{println .}}{{end}}' . 2> /dev/null) || true
    done)"
    for source in "$@"; do
        folder="$(dirname -- "$source")"
        [ "$folder" = . ] && continue
        ending="$(printf %s "$folder" | sed 's/[].[*^$\\|]/\\&/g')"
        guess="$(echo "$imports" | sed -n "s|^\(.*\)/$ending\$|\1|p" | head -n 1)"
        # A folder may be called as one of the standard library's.
        [ -n "$guess" ] && [ ! -d "$root/bin/../src/$guess" ] && name="$guess" && break
    done
    printf 'module %s\n\ngo %s\n' "$name" "$(cat "$root/language")" > "$module/go.mod"
fi

cd "./$module"
[ ! -f vendor/modules.txt ] || export GOFLAGS=-mod=vendor
if [ -n "$entry" ]; then
    package="./$(dirname -- "$(realpath --relative-to=. "$top/$entry")")"
    echo "entry point: $package"
elif [ "$(echo "$folders" | wc -l)" -le 1 ]; then
    package="./$(realpath --relative-to=. "$top/$(dirname -- "$1")")"
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
        # Go takes none that is called so.
        *_test.go | [[:punct:][:space:]]*)
            mv "$file" "$package/main.go"
            package="$package/main.go"
            odd=
            ;;
        *_*) odd=yes ;;
        *) odd="$(grep -e '^//go:build ' -e '^// *+build ' "$file" || true)" ;;
    esac
    if [ -n "$odd" ] && [ "$("$root/bin/go" list -e -f '{{len .GoFiles}}' "$package")" = 0 ]; then
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
