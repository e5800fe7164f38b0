#!/usr/bin/env bash
# Prints the path of an influxd 1.x, unpacked from Debian's package into .cache/influxd of the checkout the first time.
# Needs no root: where the package lists of the system know no influxdb, its own lists are fetched beside it.
# usage: tools/influxd.sh
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/.cache/influxd
binary=$folder/influxd
die() { printf 'influxd: %s\n' "$*" >&2; exit 1; }

if [ ! -x "$binary" ]; then
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "no apt-get or dpkg-deb here: unpack Debian's package influxdb by hand and put its influxd there: $binary"
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  flock 9 # several tests may ask at once
  if [ ! -x "$binary" ]; then
    work=$(mktemp -d "$folder/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    options=(-o APT::Sandbox::User="$(id -un)")
    if ! (cd "$work" && apt-get "${options[@]}" -q download influxdb) >"$folder/log" 2>&1; then
      lists=$folder/lists
      mkdir -p "$lists/state/partial" "$lists/cache/archives/partial"
      options+=(-o Dir::State::lists="$lists/state" -o Dir::Cache="$lists/cache")
      apt-get "${options[@]}" -q update >>"$folder/log" 2>&1 || true
      (cd "$work" && apt-get "${options[@]}" -q download influxdb) >>"$folder/log" 2>&1 ||
        die "Debian's package influxdb cannot be downloaded; see $folder/log"
    fi
    dpkg-deb --fsys-tarfile "$work"/influxdb_*.deb | tar -x -C "$work" ./usr/bin/influxd
    mv "$work/usr/bin/influxd" "$binary"
  fi
fi
printf '%s\n' "$binary"
