"""Wire bytes to int16 samples: COBS, CRC-32 and decoding, beside the C packages a practitioner would join.

The peer splits the stream at zeros; each frame goes through `cobs` (C), `zlib.crc32` (C) and NumPy. Frames
are those of the protocol, three axes of 128 and of 64 samples; *noisy* means a standard deviation of 3,000
counts, *quiet* one of 20, whose high bytes are mostly 0x00 or 0xFF: the worst case of COBS. Both decode the
same stream of about 256 KiB, turn by turn in one thread, every turn at least 20 ms of its CPU time; figures
are medians. *To payloads* ends with a list of bytes objects, as the session takes them, beside
`codec.Deframer`.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from cobs import cobs

from firmware_bridge.burst_deframer import BurstDeframer
from firmware_bridge.codec import Deframer, wire_bytes_of
from firmware_bridge.frames import SAMPLES_HEADER_BYTES, Samples

AXES = 3
STREAM_BYTES = 256 * 1024
TURNS = 15
TURN_NS = 20_000_000
C_PACKAGES = "cobs + zlib.crc32 + NumPy"


def run() -> list[dict[str, Any]]:
    rows = []
    for n_samples in (128, 64):
        for name, deviation in (("noisy", 3000.0), ("quiet", 20.0)):
            stream, counts = _stream(n_samples, deviation)
            deframer, plain = BurstDeframer(), Deframer()
            np.testing.assert_array_equal(deframer.burst(stream).samples(AXES, n_samples), counts)
            np.testing.assert_array_equal(by_packages(stream, n_samples), counts)
            assert deframer.payloads(stream) == plain.payloads(stream)
            ours, peer, payloads, plain_payloads = _seconds(
                lambda s=stream, n=n_samples, d=deframer: d.burst(s).samples(AXES, n),
                lambda s=stream, n=n_samples: by_packages(s, n),
                lambda s=stream, d=deframer: d.payloads(s),
                lambda s=stream, d=plain: d.payloads(s),
            )
            what = f"{name}, {AXES} x {n_samples}"
            rows.append(_row(f"{what}, to int16 samples", len(stream), ours, peer, C_PACKAGES))
            rows.append(
                _row(
                    f"{what}, to payloads",
                    len(stream),
                    payloads,
                    plain_payloads,
                    "codec.Deframer (cobs, zlib)",
                )
            )
    return rows


def by_packages(stream: bytes, n_samples: int) -> npt.NDArray[np.int16]:
    """The same by C packages, frame by frame."""
    frames = []
    for wire in stream.split(b"\x00"):
        if not wire:
            continue
        payload = cobs.decode(wire)
        if zlib.crc32(payload[:-4]) == int.from_bytes(payload[-4:], "little"):
            frames.append(np.frombuffer(payload, "<i2", AXES * n_samples, SAMPLES_HEADER_BYTES))
    return np.concatenate(frames).reshape(-1, AXES)


def _stream(n_samples: int, deviation: float) -> tuple[bytes, npt.NDArray[np.int16]]:
    chance = np.random.default_rng(1)
    n_frames = STREAM_BYTES // (2 * AXES * n_samples)
    noise = chance.normal(0.0, deviation, (n_frames, n_samples, AXES))
    counts = np.clip(np.rint(noise), -32768, 32767).astype("<i2")
    frames = (Samples(k, k * n_samples, counts[k].tobytes()) for k in range(n_frames))
    return b"".join(map(wire_bytes_of, frames)), counts.reshape(-1, AXES)


def _seconds(*calls: Callable[[], object]) -> list[float]:
    """Median CPU seconds of each call, measured in turns."""
    repeats = []
    for call in calls:
        start = time.thread_time_ns()
        call()
        repeats.append(TURN_NS // max(1, time.thread_time_ns() - start) + 1)
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(TURNS):
        for call, repeat, times in zip(calls, repeats, taken, strict=True):
            start = time.thread_time_ns()
            for _ in range(repeat):
                call()
            times.append((time.thread_time_ns() - start) / repeat / 1e9)
    return [median(times) for times in taken]


def _row(figure: str, n_bytes: int, ours_s: float, peer_s: float, peer: str) -> dict[str, Any]:
    return {
        "bench": "framing",
        "figure": figure,
        "unit": "MB/s of wire bytes",
        "ours": n_bytes / ours_s / 1e6,
        "peer": n_bytes / peer_s / 1e6,
        "peer_name": peer,
        "ratio": peer_s / ours_s,
    }
