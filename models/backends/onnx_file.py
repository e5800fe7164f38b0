"""What is asked of an ONNX file before a runtime parses it: that it holds all that it consists of.

Duty: refuse a file whose weights lie in other files, which nobody verified: ONNX lets a tensor name any path
of the disk, and runtimes read it. Parses nothing else.
"""

from __future__ import annotations

import re

from models.errors import ArtefactError

# A tensor that lies elsewhere says where under the key "location", a string of 8 bytes: before it stands its
# length, in one byte or in several, the last of which is then 0. Weights hold these nine bytes by chance once
# in a thousand exabytes.
_ELSEWHERE = re.compile(rb"[\x08\x00]location")


def require_self_contained(artefact: bytes) -> None:
    """Raises ArtefactError for an ONNX file that takes tensors from other files."""
    if _ELSEWHERE.search(artefact):
        raise ArtefactError("the network takes weights from other files, which no digest covers")
