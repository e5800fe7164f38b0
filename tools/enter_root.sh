#!/usr/bin/env bash
# Runs a command in a Debian root as an appliance with a read-only file system has it: / cannot be written, and
# /var/lib/stethos, /var/cache/stethos (of STATE), /run, /tmp (this machine's) can. Needs root; processes and network
# are this machine's. The mounts end with the command.
# usage: tools/enter_root.sh ROOT STATE USER COMMAND...
set -euo pipefail

exec unshare --mount --propagation private bash -c '
  set -euo pipefail
  root=$1 state=$2 user=$3
  shift 3
  mount --bind "$root" "$root"
  mount -o remount,bind,ro "$root"
  mount --bind "$state/lib" "$root/var/lib/stethos"
  mount --bind "$state/cache" "$root/var/cache/stethos"
  mount --bind /tmp "$root/tmp"
  mount -t tmpfs tmpfs "$root/run"
  mount -t proc proc "$root/proc"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
  exec chroot --userspec="$user" "$root" "$@"
' enter "$@"
