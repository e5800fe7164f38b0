"""Features of a machine's due windows, all computed together, and the networks asked for them ahead.

Duty: one call of an extractor for windows of equal length, rate and unit; one call of a network for the rows
of all channels. What a window means is `analysis`'s duty. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from appliance.analysis_channel import ChannelAnalysis
from appliance.analysis_intake import DueWindow
from dsp.channel_extractor import ChannelExtractor
from dsp.extractor import FeatureVector
from dsp.framing import of_length, window_batch
from models.baseline import Baseline
from models.network_seat import NetworkSeat


def features_of(
    due: Sequence[DueWindow], extractor_of: Callable[[DueWindow], ChannelExtractor]
) -> list[FeatureVector]:
    """Features of these windows in their order; one call for windows of equal length, rate and unit."""
    groups: dict[ChannelExtractor, list[int]] = {}
    for i, entry in enumerate(due):
        groups.setdefault(extractor_of(entry), []).append(i)
    found: dict[int, FeatureVector] = {}
    for extractor, positions in groups.items():
        windows = [of_length(due[i].window, extractor.window_samples) for i in positions]
        batch = window_batch(windows, [due[i].state.label for i in positions])
        found |= dict(zip(positions, extractor.extract(batch), strict=True))
    return [found[i] for i in range(len(due))]


def ask_ahead(
    channels: Mapping[str, ChannelAnalysis],
    seats: Mapping[str, NetworkSeat],
    vectors: Iterable[FeatureVector | None],
) -> None:
    """One question to each network for all rows that it will be asked for: of channels, then windows."""
    rows: dict[NetworkSeat, list[tuple[Baseline, FeatureVector]]] = {seat: [] for seat in seats.values()}
    for vector in vectors:
        if vector is not None and (seat := seats.get(vector.channel_id)) is not None:
            rows[seat] += [
                (baseline, vector) for baseline in channels[vector.channel_id].baselines_for(vector)
            ]
    for seat, wanted in rows.items():
        seat.ask_ahead(wanted)
