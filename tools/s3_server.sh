#!/usr/bin/env bash
# Prints the path of an S3-compatible server (nanio, from PyPI), put into .cache/s3-server of the checkout the first time:
# an environment of its own, because it brings another event loop along, which the tests of the service must not have.
# usage: tools/s3_server.sh
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/.cache/s3-server
lock=requirements/s3-server.lock
die() { printf 's3 server: %s\n' "$*" >&2; exit 1; }

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9 # several tests may ask at once
hash=$(sha256sum "$lock" | cut -d' ' -f1)
if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$hash" ]; then
  [ -x .venv/bin/python ] || die "there is no .venv: run make setup"
  rm -rf "$folder/env"
  .venv/bin/python -m venv "$folder/env" >"$folder/log" 2>&1 || die "no virtual environment; see $folder/log"
  "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" >>"$folder/log" 2>&1 ||
    die "it cannot be installed; see $folder/log"
  printf '%s' "$hash" > "$folder/stamp"
fi
printf '%s\n' "$folder/env/bin/nanio"
