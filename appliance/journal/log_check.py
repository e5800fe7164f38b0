"""Whether a write-ahead log that a crash left has a hole: transactions behind a frame that is not sound.

Duty: one look at the log before SQLite opens it. SQLite takes a log up to the first frame whose checksum
does not fit and forgets the rest without a word. That is right for a transaction that a power cut tore:
only the last one can be, since each is flushed before the next begins. Two or more commits behind a bad
frame were flushed once: then it is damage, and what they hold must be salvaged and told. Damage of the
very last transaction cannot be told from a torn one.

Format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from pathlib import Path

from appliance.journal.schema import PAGE_BYTES

_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_FRAME_BYTES = _FRAME_HEADER_BYTES + PAGE_BYTES
_MAGIC_LITTLE, _MAGIC_BIG = 0x377F0682, 0x377F0683
_MASK = 0xFFFFFFFF
MOST_TORN_COMMITS = 1  # behind a bad frame, by a power cut


def log_damage(log: Path) -> str | None:
    """What is wrong with a log beyond a torn end; None where nothing is, or there is none. Raises OSError."""
    try:
        content = log.read_bytes()
    except FileNotFoundError:
        return None
    if len(content) < _HEADER_BYTES + _FRAME_BYTES:
        return None
    magic, _, page_bytes, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack_from(">8I", content)
    if magic not in (_MAGIC_LITTLE, _MAGIC_BIG) or page_bytes != PAGE_BYTES:
        return "the header of its log is damaged" if any(content[:_HEADER_BYTES]) else None
    order = ">" if magic == _MAGIC_BIG else "<"
    sums = _checksum(content[: _HEADER_BYTES - 8], order, (0, 0))
    if sums != (sum_1, sum_2):
        return "the header of its log is damaged"
    bad, lost_commits = 0, 0
    for number, at in enumerate(range(_HEADER_BYTES, len(content) - _FRAME_BYTES + 1, _FRAME_BYTES), 1):
        _, commit, frame_salt_1, frame_salt_2, sum_1, sum_2 = struct.unpack_from(">6I", content, at)
        of_this_log = (frame_salt_1, frame_salt_2) == (salt_1, salt_2)
        if bad:
            lost_commits += of_this_log and commit != 0
            continue
        body = content[at + _FRAME_HEADER_BYTES : at + _FRAME_BYTES]
        sums = _checksum(content[at : at + 8] + body, order, sums)
        if not of_this_log or sums != (sum_1, sum_2):
            bad = number
    if lost_commits > MOST_TORN_COMMITS:
        return f"frame {bad} of its log is damaged, and {lost_commits} transactions lie behind it"
    return None


def _checksum(content: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """SQLite's cumulative checksum over pairs of 32-bit words."""
    first, second = sums
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
