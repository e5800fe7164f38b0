"""A replayed file delivers each sample once, in order, in the unit and at the time it had."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np

from appliance.sources.recordings import Recording, Segment
from appliance.sources.replay import ReplaySource, channel_id_of
from appliance.sources.source import LinkState
from dsp.samples import Measurand, SampleBlock


async def test_all_samples_arrive_once_in_order_with_their_time() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(size=(2345, 2)).astype(np.float32)
    second = rng.normal(size=(777, 2)).astype(np.float32)
    recording = Recording(
        Path("x.npz"), ("DE", "FE"), "m/s2", 1000.0, (Segment(0.0, first), Segment(10.0, second)), ()
    )
    source = ReplaySource("replay", "m", recording, shaft_hz=30.0, start_ns=5_000_000_000)
    blocks = [item async for item in source.blocks() if isinstance(item, SampleBlock)]
    for column, channel in enumerate(("m.de", "m.fe")):
        mine = [block for block in blocks if block.channel_id == channel]
        np.testing.assert_array_equal(
            np.concatenate([block.samples for block in mine]), np.concatenate([first, second])[:, column]
        )
        assert mine[0].start_ns == 5_000_000_000
        jumps = [b.start_ns - a.end_ns for a, b in itertools.pairwise(mine)]
        assert sum(abs(jump) > 1000 for jump in jumps) == 1
    tags = [block for block in blocks if block.sample_rate_hz == 0.0]
    assert [tag.start_ns for tag in tags] == [5_000_000_000, 15_000_000_000]
    assert source.channels[-1].measurand is Measurand.SHAFT_SPEED
    report = source.report()
    assert report.state is LinkState.FINISHED
    assert report.counts == {"samples": 3122, "samples_total": 3122}


def test_channel_ids_are_safe_in_addresses() -> None:
    assert channel_id_of("m", "Drive End / X-axis (g)") == "m.drive-end-x-axis-g"
    assert channel_id_of("m", "äöü") == "m.channel"


async def test_at_real_time_a_block_waits_for_its_last_sample() -> None:
    samples = np.zeros((300, 1), dtype=np.float32)
    recording = Recording(Path("x.npz"), ("x",), "m/s2", 1000.0, (Segment(0.0, samples),), ())
    began_s = time.monotonic()
    arrived_s = [
        time.monotonic() - began_s
        async for _ in ReplaySource("replay", "m", recording, real_time=True).blocks()
    ]
    assert len(arrived_s) == 3
    for number, at_s in enumerate(arrived_s, start=1):
        assert at_s >= 0.1 * number - 0.001
