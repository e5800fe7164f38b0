"""What can happen to a file: cut, flipped, overwritten, zeroed, shuffled. Repeatable by its seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

KINDS = ("cut", "bit", "bits", "block", "header", "tail", "zeros", "swapped", "repeated")


def damaged(artefact: bytes, n: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """`n` times (kind of damage, bytes), each different from `artefact`; kinds in turn."""
    random = np.random.default_rng(seed)
    given = 0
    while given < n:
        kind = KINDS[given % len(KINDS)]
        changed = _damage(kind, bytearray(artefact), random)
        if changed != artefact:
            given += 1
            yield kind, changed


def _damage(kind: str, data: bytearray, random: np.random.Generator) -> bytes:
    size = len(data)
    at = int(random.integers(size))
    if kind == "cut":
        del data[at:]
    elif kind in ("bit", "bits"):
        for place in [at, *random.integers(size, size=0 if kind == "bit" else 7)]:
            data[place] ^= 1 << int(random.integers(8))
    elif kind in ("block", "header", "tail"):
        first = {"block": at, "header": 0, "tail": max(size - 32, 0)}[kind]
        length = int(random.integers(1, 33))
        data[first : first + length] = random.bytes(len(data[first : first + length]))
    elif kind == "zeros":
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    elif kind == "swapped":
        other, length = int(random.integers(size)), int(random.integers(4, 65))
        one, two = data[at : at + length], data[other : other + length]
        length = min(len(one), len(two))
        data[at : at + length], data[other : other + length] = two[:length], one[:length]
    else:
        data[at:at] = data[at : at + int(random.integers(1, 65))]
    return bytes(data)
