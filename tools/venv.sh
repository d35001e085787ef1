#!/bin/sh
# Make .venv hold exactly what a lock file names, then the project itself.
# Usage: tools/venv.sh LOCKFILE STAMP...   Each STAMP is touched once all of it is in place.
set -eu
cd "$(dirname "$0")/.."
lock=$1
shift

fail() {
    printf '\n%s\n' "$1" >&2
    exit 1
}

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    too_bare=
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        usable "$name" || continue
        if "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return
        fi
        too_bare=$("$name" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    done
    if [ -n "$too_bare" ]; then
        fail "$too_bare is here, but without the means to make a virtual environment. On Debian and Ubuntu:
    sudo apt-get install $too_bare-venv"
    fi
    fail "Doorward needs Python 3.11 or newer, and none was found${PYTHON:+ under the name $PYTHON}. On Debian and Ubuntu:
    sudo apt-get install python3 python3-venv
Another one can be named: make PYTHON=/path/to/python3 ..."
}

# A virtual environment that was moved, copied or made by an older Python is made anew.
here=$(pwd -P)
if ! usable .venv/bin/python ||
    [ "$(.venv/bin/python -c 'import os, sys; print(os.path.realpath(sys.prefix))')" != "$here/.venv" ] ||
    ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || exit 1
    echo "Making .venv with $("$python" --version) ..."
    rm -rf .venv
    "$python" -m venv .venv
fi

# pip's list of what it does, as a dot for each package. What it complains of comes past here, on standard error.
show_dots() {
    while read -r word _; do
        case $word in
        Collecting | Requirement) printf . ;;
        Installing) printf ' unpacking ...' ;;
        esac
    done
    echo
}

failed=.venv/.failed
rm -f "$failed"
echo "Installing the $(grep -c == "$lock") packages that $lock names. The first time this takes a minute or two:"
{
    .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes -r "$lock" ||
        touch "$failed"
} | show_dots
[ ! -e "$failed" ] ||
    fail "The packages could not be installed; see above. Nothing else is missing: run the same command again."
echo "Installing Doorward itself ..."
.venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation -e . ||
    fail "The project itself could not be installed into .venv; see above."
touch "$@"
