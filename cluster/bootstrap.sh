#!/usr/bin/env bash
# Makes .venv from the lock, and its prerequisites: Python's venv module, uv (pinned by hash) in .bootstrap.
#   cluster/bootstrap.sh          make or update .venv; does nothing when it is up to date
#   cluster/bootstrap.sh lock     resolve the requirements again and write the locks in requirements/
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
    echo "error: $*" >&2
    exit 1
}

# apt_or_die PACKAGE SENTENCE: installs a package as root with apt, else fails with the sentence.
apt_or_die() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$2"
    echo "Installing $1"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$1"; } >/tmp/icefield-apt.log 2>&1 \
        || die "$1 could not be installed, see /tmp/icefield-apt.log; $2"
}

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

ensure_uv() {
    [ -x .bootstrap/bin/uv ] && cmp -s requirements/bootstrap.txt .bootstrap/installed.txt && return
    local python
    python=$(find_python) || {
        apt_or_die python3 "Python 3.11 or newer is missing: install it and run this again"
        python=$(find_python) || die "Python 3.11 or newer is missing: install it and run this again"
    }
    "$python" -c 'import ensurepip, venv' 2>/dev/null \
        || apt_or_die python3-venv "Python's venv module is missing: install the package python3-venv, or run this as root"
    echo "Setting up uv"
    "$python" -m venv --clear .bootstrap
    .bootstrap/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
    cp requirements/bootstrap.txt .bootstrap/installed.txt
}

# Trust the system's certificate authorities, and use its Python instead of downloading another one.
export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 UV_NO_CONFIG=1

ensure_environment() {
    local wanted
    wanted=$(cat requirements/dev.txt pyproject.toml | sha256sum | cut -d' ' -f1)
    [ -x .venv/bin/icefield ] && [ "$(cat .venv/installed.sha256 2>/dev/null)" = "$wanted" ] && return
    ensure_uv
    echo "Setting up .venv from requirements/dev.txt"
    [ -x .venv/bin/python ] || .bootstrap/bin/uv venv --quiet --python "$(find_python)" .venv
    # Compiled here once: where PYTHONDONTWRITEBYTECODE is set, every process would compile all that it imports.
    .bootstrap/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements/dev.txt
    .bootstrap/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
    echo "$wanted" > .venv/installed.sha256
}

lock() {
    ensure_uv
    compile() {
        .bootstrap/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
            --no-emit-index-url --no-emit-find-links "$@"
    }
    compile pyproject.toml requirements/build.in --all-extras --output-file requirements/dev.txt
    compile pyproject.toml --extra operator --output-file requirements/operator.txt
    compile pyproject.toml --extra apiserver --output-file requirements/apiserver.txt
    compile pyproject.toml requirements/libraries.in --extra engines --output-file requirements/warehouse.txt
    compile pyproject.toml requirements/libraries.in --extra polars --output-file requirements/polars.txt
    compile requirements/polars-cloud.in --output-file requirements/polars-cloud.txt
    compile requirements/runtime.in --output-file requirements/runtime.txt
    compile requirements/dbt.in --no-strip-extras --output-file requirements/dbt.txt
    ensure_environment
    .venv/bin/python -m icefield_cluster.jars
    check_locks
}

check_locks() {
    ! grep -nE '://|--(index|extra-index|find-links)' requirements/*.txt || die "a lock names an index or a URL"
}

case "${1:-environment}" in
    environment) ensure_environment ;;
    lock) lock ;;
    check-locks) check_locks ;;
    *) die "usage: $0 [lock | check-locks]" ;;
esac
