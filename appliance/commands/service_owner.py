"""Files that root makes for the service: given to the user that runs it.

Duty: one step after a command has written into a folder of the service. Run by anybody else it does nothing:
what they make is theirs.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def give_to_owner_of(folder: Path, *made: Path) -> None:
    """Let what root has made belong to whom the folder belongs. Links are not followed. Raises OSError.

    Secrets and hashes have mode 0600: the service could not read what stayed root's.
    """
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    for path in made:
        with contextlib.suppress(FileNotFoundError):  # the service replaces files of its own meanwhile
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
