"""Builds the networks of a service from their settings, and checks their bundles for `check-config`.

Duty: which slot has which channels and runtimes, and where the store lies. Holds no logic of any part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.analysis_intake import window_samples_of
from appliance.analysis_settings import AnalysisSettings
from appliance.clock import Clock
from appliance.config import ApplianceSettings, SerialSettings
from appliance.config_models import ModelsSettings, backend_and_device
from appliance.machine_facts import build_analysis
from appliance.model_desk import ModelDesk
from appliance.model_slot import ModelSlot, SlotPlan, check_fit
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.telemetry.metrics import Sample
from appliance.telemetry.model_samples import model_samples, shadow_samples
from appliance.wiring_sources import SOURCE_BUILDERS
from dsp.channel_extractor import channel_extractor
from dsp.errors import DspError
from dsp.extractor import EXTRACTOR_VERSION
from dsp.log_spectrum import LOG_SPECTRUM_VERSION, log_spectrum_extractor
from dsp.samples import Channel, Float32Array, Measurand
from models.backends.network import BackendOptions
from models.bundle import Bundle
from models.errors import InferenceError, ModelError
from models.fallback_chain import ChainRules
from models.host_tiers import Tier
from models.network_judge import NetworkAnswer, NetworkJudge
from models.network_seat import NetworkSeat
from models.store import read_bundle
from models.store_slots import SlotStore

FOLDER = "models"


class Networks:
    """The built networks: give `seats` to analyses, `supervise` them, `close` at the end."""

    def __init__(
        self,
        settings: ModelsSettings | None,
        state_dir: Path,
        profile: AnalysisSettings,
        channels: Sequence[Channel],
        *,
        watch: SystemWatch,
        clock: Clock,
    ) -> None:
        store = model_store(state_dir)
        self._plans = [] if settings is None else slot_plans(settings, profile, channels)
        self._slots = [ModelSlot(plan, store) for plan in self._plans]
        self.desk = ModelDesk(self._slots, store, watch, clock)

    def seats(self, channels: Sequence[Channel]) -> dict[str, NetworkSeat]:
        """By channel of one machine, which has a seat of its own in each slot."""
        found: dict[str, NetworkSeat] = {}
        for slot in self._slots:
            seat = slot.seat()
            own = set(slot.plan.channels)
            found |= {one.channel_id: seat for one in channels if one.channel_id in own}
        return found

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its task."""
        supervisor.add("networks", self.desk.run)

    async def close(self) -> None:
        """End all processes."""
        await asyncio.to_thread(self.desk.close)

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        standings = {one.name: one for one in self.desk.standings}
        for slot in self._slots:
            meter, standing = slot.meter, standings.get(slot.name)
            wanted = standing is not None and standing.use == "network"
            yield from model_samples(
                slot.name,
                latency=meter.latency.distribution(),
                answers=meter.answers,
                starts=meter.starts,
                fallbacks=meter.fallbacks,
                first_choice=standing.settled if wanted and standing is not None else None,
            )
            if standing is not None and standing.shadow is not None:
                yield from shadow_samples(slot.name, standing.shadow)


def model_store(state_dir: Path) -> SlotStore:
    """Where a box keeps its networks."""
    return SlotStore(state_dir / FOLDER)


def slot_plans(
    settings: ModelsSettings, profile: AnalysisSettings, channels: Sequence[Channel]
) -> list[SlotPlan]:
    """What is configured of each slot, with the features of its channels."""
    tiers = [
        Tier(name, BackendOptions(device=device), memory_limit_bytes=settings.memory_limit_mb << 20)
        for name, device in map(backend_and_device, settings.backends)
    ]
    rules = ChainRules(deadline_ns=round(settings.deadline_ms * 1e6))
    sensed = [channel for channel in channels if channel.measurand is Measurand.ACCELERATION]
    return [
        SlotPlan(
            slot.name,
            slot.bundle,
            tiers,
            rules,
            {
                channel.channel_id: row_names(channel, profile)
                for channel in sensed
                if slot.holds(channel.asset_id, channel.channel_id)
            },
        )
        for slot in settings.slots
    ]


def _configured_plans(settings: ApplianceSettings, models: ModelsSettings) -> list[SlotPlan]:
    """The slots of a configuration, without a running service."""
    channels = [
        channel
        for source in settings.sources
        if isinstance(source, SerialSettings)
        for channel in SOURCE_BUILDERS[SerialSettings](source).channels
    ]
    return slot_plans(models, build_analysis(settings.station), channels)


def bundle_fits(settings: ApplianceSettings, slot: str, bundle: Bundle) -> None:
    """Raises ModelError where a slot's channels or runtimes cannot use this bundle."""
    assert settings.models is not None
    for plan in _configured_plans(settings, settings.models):
        if plan.name == slot:
            bundle.artefact_bytes(plan.tiers[0].backend)
            check_fit(NetworkJudge(bundle.manifest, _nobody), plan)


def bundle_problems(settings: ApplianceSettings) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the bundles that a configuration names, as (key, reason, remedy).

    The service starts all the same, and the statistical detector answers.
    """
    if settings.models is None:
        return
    plans = _configured_plans(settings, settings.models)
    for i, plan in enumerate(plans):
        key = f"models.slots[{i}].bundle"
        if plan.bundle is None:
            continue
        try:
            bundle = read_bundle(plan.bundle)
        except ModelError as error:
            yield (
                key,
                str(error),
                "Copy it here anew; `stethos bundle verify` says what is wrong with a bundle.",
            )
            continue
        have = {artefact.backend for artefact in bundle.manifest.artefacts}
        for tier in plan.tiers:
            if tier.backend not in have:
                reason = f"{plan.bundle} has nothing for {tier.backend}; it has {', '.join(sorted(have))}"
                yield (
                    key,
                    reason,
                    "Run `stethos quantise` where that runtime is installed, or correct backends.",
                )
        try:
            check_fit(NetworkJudge(bundle.manifest, _nobody), plan)
        except ModelError as error:
            yield (
                key,
                str(error),
                "Train it on recordings of such a sensor, with this release, or narrow the slot's channels.",
            )


def row_names(channel: Channel, profile: AnalysisSettings) -> dict[str, tuple[str, ...]]:
    """What networks can read of an acceleration channel's windows: names of features by extractor version.

    None where windows have no features.
    """
    samples = window_samples_of(channel, profile)
    rate_hz, even, unit = channel.sample_rate_hz, samples - samples % 2, channel.unit
    try:
        return {
            EXTRACTOR_VERSION: channel_extractor(rate_hz, even, unit, profile.engine).level_names,
            LOG_SPECTRUM_VERSION: log_spectrum_extractor(rate_hz, even, unit).names,
        }
    except DspError:
        return {EXTRACTOR_VERSION: (), LOG_SPECTRUM_VERSION: ()}


def _nobody(rows: Float32Array) -> NetworkAnswer:
    raise InferenceError("nothing is run to look at a configuration")
