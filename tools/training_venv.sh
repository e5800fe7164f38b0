#!/usr/bin/env bash
# A virtual environment for what trains, in .cache/training: torch, as the extra [train] names it, over the locked
# packages of .venv, which stay as they are. Prints its Python.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.cache/training
wanted=$(sed -n 's/^train = \["\(torch==[0-9.]*\)"\]$/\1/p' pyproject.toml)
[ -n "$wanted" ] || { echo 'training_venv: pyproject.toml names no torch==VERSION in the extra [train]' >&2; exit 1; }
made_of=$(printf '%s\n' "$wanted" "$PWD" "$(.venv/bin/python --version)")
if [ ! -f "$folder/stamp" ] || [ "$(cat "$folder/stamp")" != "$made_of" ]; then
  echo "training_venv: $wanted into $folder (a few hundred MB, minutes the first time)" >&2
  rm -rf "$folder"
  .venv/bin/python -m venv "$folder"
  inside='import sysconfig; print(sysconfig.get_path("purelib"))'
  locked=$(.venv/bin/python -c "$inside")
  printf 'import site; site.addsitedir("%s")\n' "$locked" > "$("$folder/bin/python" -c "$inside")/locked.pth"
  # the build for the CPU: PyPI's brings CUDA along. Where that index cannot be reached, whatever pip has else.
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 "$wanted" \
    --extra-index-url https://download.pytorch.org/whl/cpu >&2
  printf '%s' "$made_of" > "$folder/stamp"
fi
echo "$PWD/$folder/bin/python"
