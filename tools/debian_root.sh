#!/usr/bin/env bash
# Prints the path of a clean Debian 12 root with Python and nothing else, made in .cache/debian-root the first time.
# Needs root (debootstrap makes device nodes and changes its root). Nobody writes into it: copy it first.
# usage: tools/debian_root.sh
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$PWD/.cache/debian-root
die() { printf 'debian root: %s\n' "$*" >&2; exit 1; }

if [ ! -e "$folder/ready" ]; then
  [ "$(id -u)" -eq 0 ] || die "only root can make a Debian root"
  if ! command -v debootstrap >/dev/null; then
    command -v apt-get >/dev/null || die "no debootstrap here; install it"
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap >/dev/null
  fi
  rm -rf "$folder"
  mkdir -p "$folder"
  debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$folder/root" >"$folder/log" 2>&1 ||
    die "debootstrap failed; see $folder/log"
  touch "$folder/ready"
fi
printf '%s\n' "$folder/root"
