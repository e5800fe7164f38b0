"""Compiled deframing: a buffer of wire bytes to checked payloads in one pass, without the GIL.

Duty: the inner loop of `burst_deframer.py`, equal to `codec.Deframer` for one buffer (which is the
specification). No state between buffers, no validation, no bytes objects. For processors that store the low
byte first, as x86-64 and aarch64 do.

Three ideas make it fast. *Delimiters* are sought 64 bytes at a time, as a mask of 64 bits. *COBS* is undone
by copying the whole rest of the frame one byte down, which puts every byte but the codes into place, and
then walking from code to code to write the zeros; a full block (code 0xFF) stands for no zero, so the rest
is copied again, one byte further down. *CRC-32* goes by tables, T[k][b] being what byte b does k bytes
later, a word of eight bytes a step; since each step would wait for the one before, four strands run side by
side over every fourth word and are joined at the end (Kounavis and Berry, "A systematic approach to
building high performance software-based CRC generators", ISCC 2005; Kadatch and Jenkins, "Everything we
know about CRC but afraid to forget", 2010). It covers payload and CRC together: what remains in the
register is then the same for every right frame, whatever it holds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from firmware_bridge.byte_vectors import (
    BLOCK_BYTES,
    copy_block,
    load_word,
    lowest_bit,
    zeros_of_block,
)
from firmware_bridge.codec import CRC_BYTES, MAX_WIRE_BYTES

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

# Places in the array of counts; the first five are the fields of `codec.Discards`.
N_BYTES, BAD_CRC, BAD_COBS, TOO_LONG, TOO_SHORT, CONSUMED = range(6)
N_COUNTS = 6
PADDING_BYTES = BLOCK_BYTES  # behind the bytes of a buffer: whole blocks are read and written, never used

_POLYNOMIAL = 0xEDB88320
_RESIDUE = np.uint32(0xDEBB20E3)  # of a message followed by its CRC, before the final XOR
_FULL_BLOCK = 0xFF
_BRAID_BYTES = 32
_BRAID_LAST = (
    _BRAID_BYTES - 8
) * 256  # place in the tables for a word that has so many bytes still before it


def _crc_tables() -> npt.NDArray[np.uint32]:
    """`(32, 256)`: row k is the effect of a byte on the register, k bytes later."""
    tables = np.zeros((_BRAID_BYTES, 256), np.uint32)
    register = np.arange(256)
    for _ in range(8):
        register = (register >> 1) ^ np.where(register & 1, _POLYNOMIAL, 0)
    tables[0] = register
    for k in range(1, _BRAID_BYTES):
        tables[k] = (tables[k - 1] >> 8) ^ tables[0][tables[k - 1] & 0xFF]
    return tables


CRC_TABLES = _crc_tables().ravel()


@njit(cache=True, nogil=True, inline="always")
def _crc_of_word(tables: npt.NDArray[np.uint32], word: np.uint64, last: int) -> np.uint64:
    """What a word's eight bytes, the low one first, do to the register `last` / 256 bytes later."""
    m = np.uint64(255)
    low = (
        tables[np.int64(word & m) + (last + 7 * 256)]
        ^ tables[np.int64((word >> np.uint64(8)) & m) + (last + 6 * 256)]
        ^ tables[np.int64((word >> np.uint64(16)) & m) + (last + 5 * 256)]
        ^ tables[np.int64((word >> np.uint64(24)) & m) + (last + 4 * 256)]
    )
    high = (
        tables[np.int64((word >> np.uint64(32)) & m) + (last + 3 * 256)]
        ^ tables[np.int64((word >> np.uint64(40)) & m) + (last + 2 * 256)]
        ^ tables[np.int64((word >> np.uint64(48)) & m) + (last + 256)]
        ^ tables[np.int64(word >> np.uint64(56)) + last]
    )
    return np.uint64(low ^ high)


@njit(cache=True, nogil=True)
def crc_register(data: Bytes, begin: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """CRC-32's register (before the final XOR) after `data[begin:end]`."""
    a, b, c, d = np.uint64(0xFFFFFFFF), np.uint64(0), np.uint64(0), np.uint64(0)
    i = begin
    if end - begin >= 2 * _BRAID_BYTES:
        while i + 2 * _BRAID_BYTES <= end:
            a = _crc_of_word(tables, load_word(data, i) ^ a, _BRAID_LAST)
            b = _crc_of_word(tables, load_word(data, i + 8) ^ b, _BRAID_LAST)
            c = _crc_of_word(tables, load_word(data, i + 16) ^ c, _BRAID_LAST)
            d = _crc_of_word(tables, load_word(data, i + 24) ^ d, _BRAID_LAST)
            i += _BRAID_BYTES
        a = _crc_of_word(tables, load_word(data, i) ^ a, 0)
        a = _crc_of_word(tables, load_word(data, i + 8) ^ b ^ a, 0)
        a = _crc_of_word(tables, load_word(data, i + 16) ^ c ^ a, 0)
        a = _crc_of_word(tables, load_word(data, i + 24) ^ d ^ a, 0)
        i += _BRAID_BYTES
    while i + 8 <= end:
        a = _crc_of_word(tables, load_word(data, i) ^ a, 0)
        i += 8
    while i < end:
        a = (a >> np.uint64(8)) ^ np.uint64(tables[np.int64((a ^ np.uint64(data[i])) & np.uint64(255))])
        i += 1
    return np.uint32(a)


@njit(cache=True, nogil=True)
def unstuff(wire: Bytes, begin: int, end: int, out: Bytes, at: int) -> int:
    """Undo COBS of `wire[begin:end]` (no zeros in it) into `out[at:]`; returns the end there, -1 if damaged.

    Reads and writes up to 63 bytes too far.
    """
    place = np.uint64(begin)  # of a code
    down = begin + 1 - at  # a byte at i of the wire belongs to i - down
    for i in range(begin + 1, end, BLOCK_BYTES):
        copy_block(out, i - down, wire, i)
    last = np.uint64(end)  # unsigned: numba then leaves out what would make wire[-1] the last byte
    while True:
        code = wire[place]
        place += np.uint64(code)
        if place >= last:
            return int(place) - down if place == last else -1
        if code == _FULL_BLOCK:
            down += 1
            for i in range(int(place) + 1, end, BLOCK_BYTES):
                copy_block(out, i - down, wire, i)
        else:
            out[place - np.uint64(down)] = 0


@njit(cache=True, nogil=True)
def _finish(  # noqa: PLR0917
    wire: Bytes,
    begin: int,
    end: int,
    payloads: Bytes,
    at: int,
    tables: npt.NDArray[np.uint32],
    counts: Numbers,
) -> int:
    """One frame's bytes: the end of its payload and CRC in `payloads[at:]`, or -1 and a count why not."""
    reason = BAD_COBS
    if end - begin > MAX_WIRE_BYTES:
        reason = TOO_LONG
    else:
        checked_end = unstuff(wire, begin, end, payloads, at)
        if checked_end >= 0:
            if checked_end - at <= CRC_BYTES:
                reason = TOO_SHORT
            elif crc_register(payloads, at, checked_end, tables) == _RESIDUE:
                return checked_end
            else:
                reason = BAD_CRC
    counts[reason] += 1
    counts[N_BYTES] += end - begin
    return -1


@njit(cache=True, nogil=True)
def deframe(  # noqa: PLR0917
    wire: Bytes,
    n_bytes: int,
    payloads: Bytes,
    begins: Numbers,
    ends: Numbers,
    tables: npt.NDArray[np.uint32],
    counts: Numbers,
) -> int:
    """Payloads of the frames that end in `wire[:n_bytes]`; returns how many.

    Payload i is `payloads[begins[i]:ends[i]]`, its CRC lies behind it, and then the next one. What was
    discarded is added to `counts`; CONSUMED is set to where the bytes behind the last delimiter begin.
    `wire` and `payloads` hold `n_bytes` + PADDING_BYTES, `begins` and `ends` `n_bytes` // 7 + 1.
    """
    n_frames = 0
    begin = 0
    at = 0
    for block in range(0, n_bytes, BLOCK_BYTES):
        zeros = zeros_of_block(wire, block)
        while zeros != np.uint64(0):
            i = block + lowest_bit(zeros)
            zeros &= zeros - np.uint64(1)
            if i >= n_bytes:
                break
            if i > begin:
                end = _finish(wire, begin, i, payloads, at, tables, counts)
                if end >= 0:
                    begins[n_frames] = at
                    ends[n_frames] = end - CRC_BYTES
                    n_frames += 1
                    at = end
            begin = i + 1
    counts[CONSUMED] = begin
    return n_frames
