#!/bin/sh
# Write requirements.lock (everything) and requirements-run.lock (what the gateway and its demo need) from
# pyproject.toml: exact versions with the hashes of every published file, so of all platforms, and no address of an
# index in them. Settings of this machine's pip (indexes, link folders) are left out on purpose.
set -eu
cd "$(dirname "$0")/.."

compile() {
    env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_TRUSTED_HOST -u PIP_NO_INDEX \
        PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
        .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --build-deps-for editable "$@" pyproject.toml
}

compile --extra dev --extra demo --output-file requirements.lock
compile --extra demo --constraint requirements.lock --output-file requirements-run.lock
