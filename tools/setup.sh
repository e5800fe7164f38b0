#!/usr/bin/env bash
# Brings a checkout to where it can run: Debian packages, virtual environment, locked dependencies, the UI.
# Quick when nothing changed: each step leaves a stamp that holds the hash of what it was made from.
# usage: tools/setup.sh [test]      "test" also asks for what only the tests need (a browser)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
hash_of() { cat -- "$@" | sha256sum | cut -d' ' -f1; }
is_fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# --- Python 3.11 and the Debian packages that are missing -------------------------------------------------
python=""
for candidate in python3.11 python3; do
  if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    python=$candidate
    break
  fi
done

missing=()
[ -n "$python" ] || missing+=(python3.11 python3-venv)
if [ -n "$python" ] && [ ! -x .venv/bin/python ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  missing+=(python3-venv)
fi
if [ "${1:-}" = test ]; then
  command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
  command -v strace >/dev/null || missing+=(strace) # rebuilds disks as a power cut leaves them
  [ -n "$(find /lib /usr/lib -name 'libatomic.so.1' -print -quit 2>/dev/null)" ] || missing+=(libatomic1) # for the browser's driver
fi
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "missing: ${missing[*]} (names of Debian 12); install them and try again"
  if [ "$(id -u)" -ne 0 ]; then
    die "missing Debian packages; as root run: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  fi
  say "installing Debian packages: ${missing[*]}"
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null
  [ -n "$python" ] || python=python3.11
fi

# --- virtual environment and locked dependencies ----------------------------------------------------------
lock_hash=$(hash_of requirements/dev.lock)
if ! is_fresh .venv/stamp-lock "$lock_hash"; then
  say "virtual environment in .venv, with the locked dependencies (a few minutes the first time)"
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
  printf '%s' "$lock_hash" > .venv/stamp-lock
fi
project_hash=$(hash_of pyproject.toml)
if ! is_fresh .venv/stamp-project "$project_hash"; then
  say "the project itself, editable"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
  printf '%s' "$project_hash" > .venv/stamp-project
fi

# --- the UI -----------------------------------------------------------------------------------------------
ui_hash=$(find web/ui -type f -not -path '*/node_modules/*' -print0 | sort -z | xargs -0 cat | sha256sum | cut -d' ' -f1)
if ! is_fresh web/static/stamp "$ui_hash"; then
  tools/npm.sh ci --no-audit --no-fund
  say "building the UI"
  tools/npm.sh run build
  printf '%s' "$ui_hash" > web/static/stamp
fi
say "ready"
