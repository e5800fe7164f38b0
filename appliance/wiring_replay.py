"""A pipeline for recordings: the one of the appliance, with a journal that is thrown away afterwards.

Duty: build hops 3 to 9 around one `AssetAnalysis` for files, and a bundle's network on its runtimes. What a
file means is the analysis's duty, what is printed the command's.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.analysis import AssetAnalysis, Findings
from appliance.asset_line import AssetLine
from appliance.clock import ReplayClock
from appliance.config_models import backend_and_device
from appliance.counters import Counters
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets
from appliance.model_network import NetworkMeter, ServedNetwork
from appliance.pipeline import Pipeline
from appliance.sources.source import Source
from appliance.system_watch import SystemWatch
from dsp.samples import SampleBlock
from models.backends.network import BackendOptions
from models.backends.numpy_reference import NUMPY_REFERENCE
from models.bundle import Bundle
from models.fallback_chain import ChainRules
from models.host_tiers import Tier

TELEMETRY_PERIOD_S = 10.0
ONNXRUNTIME = "onnxruntime"
# A recording waits, a machine does not: who is asked may take his time, so that a loaded computer does not
# decide who judges a window. One that hangs is given up all the same.
REPLAY_RULES = ChainRules(deadline_ns=20_000_000_000)


class _Listener:
    """The audience of a replay: hands findings on, and puts the clock where the samples are."""

    def __init__(self, clock: ReplayClock, take: Callable[[Findings], None]) -> None:
        self._clock = clock
        self._take = take

    def take_findings(self, asset_id: str, findings: Findings) -> None:
        for vector in findings.features:
            self._clock.set(max(self._clock.monotonic_ns(), vector.start_ns + round(vector.duration_s * 1e9)))
        self._take(findings)

    def take_tag(self, block: SampleBlock) -> None:
        self._clock.set(max(self._clock.monotonic_ns(), block.start_ns))


class RecordingPipeline:
    """Plays recordings through one machine's line, one after the other."""

    def __init__(self, pipeline: Pipeline, analysis: AssetAnalysis) -> None:
        self._pipeline = pipeline
        self.analysis = analysis

    async def play(self, source: Source) -> None:
        """All of one recording, without the rest that `finish` judges."""
        self._pipeline.connect(source)
        await self._pipeline.play(source)

    async def finish(self) -> None:
        """Judge what the last recording left over."""
        await self._pipeline.finish(self.analysis.machine.asset_id)


@asynccontextmanager
async def recording_pipeline(
    analysis: AssetAnalysis, take: Callable[[Findings], None]
) -> AsyncIterator[RecordingPipeline]:
    """Hops 3 to 9 for recordings; `take` gets findings after their alarms were committed."""
    clock = ReplayClock()
    with tempfile.TemporaryDirectory(prefix="stethos-replay-") as folder:
        journal = await Journal.open(Path(folder) / "journal", Budgets(reserve_transitions=500), clock)
        try:
            desk = AlarmDesk(journal, clock)
            pipeline = Pipeline(
                [AssetLine(analysis, TELEMETRY_PERIOD_S)],
                journal=journal,
                clock=clock,
                desk=desk,
                counters=Counters(journal.incarnation, journal.boot_id),
                watch=SystemWatch(desk, journal, clock),
                audience=_Listener(clock, take),
                counter_period_s=1.0,
                workers=1,
            )
            try:
                yield RecordingPipeline(pipeline, analysis)
            finally:
                pipeline.close()
        finally:
            await journal.close()


def served_for_replay(bundle: Bundle, backends: Sequence[str]) -> ServedNetwork:
    """A bundle on these runtimes (`NAME` or `NAME:DEVICE`, in order of preference), not started yet.

    None named: ONNX Runtime where it is installed, behind it NumPy; what else the bundle has a file for where
    it has none for these. Raises ModelError where it cannot judge live windows, or has a file for none.
    """
    tiers = [
        Tier(name, BackendOptions(device=device))
        for name, device in map(backend_and_device, backends or _usual(bundle))
    ]
    return ServedNetwork(bundle, tiers, REPLAY_RULES, NetworkMeter())


def _usual(bundle: Bundle) -> list[str]:
    have = list(dict.fromkeys(artefact.backend for artefact in bundle.manifest.artefacts))
    installed = [ONNXRUNTIME] if find_spec(ONNXRUNTIME) is not None else []
    return [name for name in (*installed, NUMPY_REFERENCE) if name in have] or have
