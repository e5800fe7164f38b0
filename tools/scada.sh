#!/usr/bin/env bash
# node-opcua's client as a plant's SCADA, for `make demo CENTRAL=1` and the tests; development only.
# usage: tools/scada.sh --install   fetches node-opcua into tests/node_opcua unless it is there; prints this script's path
#        tools/scada.sh FOLDER      runs tests/node_opcua/scada.js, which keeps its certificate in FOLDER
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/tests/node_opcua
die() { printf 'scada: %s\n' "$*" >&2; exit 1; }

if [ "${1:-}" = --install ]; then
  exec 9>"$folder/.lock" || die "the folder $folder cannot be written"
  flock 9 # several tests may ask at once
  wanted=$(sha256sum "$folder/package-lock.json" | cut -d' ' -f1)
  if [ "$(cat "$folder/node_modules/.installed" 2>/dev/null)" != "$wanted" ]; then
    log=$folder/node_modules.log
    timeout 300 "$root/tools/npm.sh" --prefix "$folder" ci --ignore-scripts --no-audit --no-fund --silent >"$log" 2>&1 ||
      die "node-opcua cannot be fetched by npm; see $log"
    rm -f "$log"
    printf '%s' "$wanted" >"$folder/node_modules/.installed"
  fi
  printf '%s\n' "$root/tools/scada.sh"
  exit 0
fi
[ -x "$root/.venv/node/bin/node" ] && PATH=$root/.venv/node/bin:$PATH
exec node "$folder/scada.js" "$@"
