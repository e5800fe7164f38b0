"""Features of a machine's due windows, all computed together, and the networks asked for them ahead.

Duty: one call of an extractor for windows of equal length, rate and unit; one call of a network for the rows
of all channels, and log spectra for those networks alone that read them. What a window means is `analysis`'s
duty. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from appliance.analysis_channel import ChannelAnalysis
from appliance.analysis_intake import DueWindow
from dsp.channel_extractor import ChannelExtractor
from dsp.extractor import FeatureVector
from dsp.framing import of_length, window_batch
from dsp.log_spectrum import LogSpectrumExtractor, log_spectrum_extractor
from models.baseline import Baseline
from models.network_seat import NetworkSeat


def features_of(
    due: Sequence[DueWindow], extractor_of: Callable[[DueWindow], ChannelExtractor | LogSpectrumExtractor]
) -> list[FeatureVector]:
    """Features of these windows in their order; one call for windows of equal length, rate and unit."""
    groups: dict[ChannelExtractor | LogSpectrumExtractor, list[int]] = {}
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
    due: Sequence[DueWindow],
    vectors: Iterable[FeatureVector | None],
) -> None:
    """One question to each network for all rows that it will be asked for: of channels, then windows.

    `vectors`: what each window is scored by; None for one that is not.
    """
    rows: dict[NetworkSeat, list[tuple[Baseline, FeatureVector]]] = {seat: [] for seat in seats.values()}
    scored: dict[NetworkSeat, list[DueWindow]] = {seat: [] for seat in seats.values()}
    for window, vector in zip(due, vectors, strict=True):
        if vector is not None and (seat := seats.get(vector.channel_id)) is not None:
            baselines = channels[vector.channel_id].baselines_for(vector)
            rows[seat] += [(baseline, vector) for baseline in baselines]
            scored[seat] += [window] if baselines else []
    for seat, wanted in rows.items():
        spectra = scored[seat] if seat.wants_log_spectra else []
        seat.ask_ahead(wanted, features_of(spectra, lambda one: _log_spectrum_of(one, channels)))


def _log_spectrum_of(due: DueWindow, channels: Mapping[str, ChannelAnalysis]) -> LogSpectrumExtractor:
    channel, samples = channels[due.window.channel_id].channel, len(due.window.samples)
    return log_spectrum_extractor(channel.sample_rate_hz, samples - samples % 2, channel.unit)
