"""One slot of networks while the service runs: what is in service, what comes, what runs in its shadow.

Duty: bring into service what the store names (else the configuration), swap without a window that nobody
answers, and say how it stands. What is to be in service is the store's to say, who answers a call the host's.

A swap starts the new bundle's processes first and waits until one of them has passed its check; only then are
windows asked of it, and the old one ends a little later. A bundle that is damaged, or does not fit the slot's
channels, changes nothing: what was in service stays there, and the alarm says why.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from appliance.alarms.network_rule import STATISTICAL_WORDS, RuntimeStanding, answering
from appliance.model_network import NetworkMeter, ServedNetwork
from appliance.model_shadow import Shadow, ShadowReport
from dsp.extractor import FeatureVector
from models.baseline import Baseline
from models.bundle import Bundle
from models.errors import BundleError, ModelError
from models.fallback_chain import ChainRules, TierState
from models.host_tiers import Tier
from models.network_judge import NetworkJudge
from models.network_seat import NetworkSeat
from models.store import read_bundle
from models.store_slots import SlotEntry, SlotStore, Use

logger = logging.getLogger(__name__)

AGAIN_S = 30.0  # a bundle that could not be brought into service is looked at again after this
COMING_S = 90.0  # a bundle of which no runtime has passed its check after this is given up for a while
LINGER_S = 2.0  # a network that was replaced ends after this: windows may still be asking it


Offered = Mapping[str, tuple[str, ...]]  # names of features by extractor version: a kind of row each


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What the configuration says of a slot, and which features its channels have."""

    name: str
    bundle: Path | None
    tiers: Sequence[Tier]
    rules: ChainRules = field(default_factory=ChainRules)
    channels: Mapping[str, Offered] = field(default_factory=dict)  # by id: what networks can read of it


@dataclass(frozen=True, slots=True)
class SlotStanding:
    """How a slot stands."""

    name: str
    use: Use
    title: str  # model and version in service; "" none
    identity: str
    answers: str  # a backend, or the statistical detector
    trouble: str  # why the bundle that is wanted is not in service; "" it is, or none is wanted
    runtimes: Sequence[RuntimeStanding]
    processes: dict[str, int]
    shadow: ShadowReport | None
    shadow_trouble: str
    settled: bool  # the first choice answers, or no network is wanted

    def in_trouble(self, trouble: str) -> SlotStanding:
        """The same, for one more reason not as it should be."""
        return replace(self, trouble=self.trouble or trouble, settled=False)


class ModelSlot:
    """A slot. `look` in one thread, again and again; the rest in any."""

    def __init__(
        self, plan: SlotPlan, store: SlotStore, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan, self.name, self.meter = plan, plan.name, NetworkMeter()
        self._store, self._monotonic_s = store, monotonic_s
        self._lock = threading.Lock()  # of `look` and `close`
        self._judge: NetworkJudge | None = None  # what windows are asked of
        self._active: ServedNetwork | None = None
        self._coming: ServedNetwork | None = None
        self._coming_s = 0.0  # since when
        self._retired: list[tuple[float, ServedNetwork]] = []
        self._shadow: Shadow | None = None
        self._wanted: str | None = None  # what is in service, or comes, or could not; "" by configuration
        self._shadowed: str | None = None
        self._trouble = self._shadow_trouble = ""
        self._again_s = self._shadow_again_s = 0.0

    def seat(self) -> NetworkSeat:
        """A seat for one machine's windows."""
        return NetworkSeat(lambda: self._judge, self._told, self._shadow_judge)

    def _shadow_judge(self) -> NetworkJudge | None:
        shadow = self._shadow
        return None if shadow is None else shadow.network.judge

    def _told(self, baseline: Baseline, features: FeatureVector, value: float) -> None:
        shadow = self._shadow
        if shadow is not None:
            shadow.take(baseline, features, value)

    def look(self, entry: SlotEntry) -> SlotStanding:
        """Do what the store says, one step of it. Blocks for a file, or a few seconds while processes end."""
        with self._lock:
            if entry.use == "statistical":
                self._stand_down()
            else:
                self._serve(entry.active)
            self._beside(entry.shadow)
            self._end_retired(self._monotonic_s() - LINGER_S)
            return self._standing(entry.use)

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._stand_down()
            self._beside(None)
            self._end_retired(self._monotonic_s())

    def _serve(self, active: str | None) -> None:
        wanted = active or ""
        again = bool(self._trouble) and self._monotonic_s() >= self._again_s
        if (wanted or self.plan.bundle is not None) and (wanted != self._wanted or again):
            self._drop_coming()
            self._wanted, self._trouble = wanted, ""
            try:
                self._coming = self._served(active, self.meter)
                self._coming.start()
                self._coming_s = self._monotonic_s()
            except (ModelError, OSError) as error:
                self._fail(f"{error}")
        coming = self._coming
        if coming is None:
            return
        standing = coming.look()
        if self._active is None or any(one.state is TierState.SERVING for one in standing):
            self._retire()
            self._active, self._coming, self._judge = coming, None, coming.judge
            logger.info("network in service slot=%s model=%s", self.name, coming.title)
        elif self._monotonic_s() - self._coming_s > COMING_S:
            said = "; ".join(f"{one.backend} {one.reason}" for one in standing)
            coming.close()
            self._fail(f"{coming.title} is not ready after {COMING_S:.0f} s: {said}")

    def _served(self, identity: str | None, meter: NetworkMeter) -> ServedNetwork:
        served = ServedNetwork(self._bundle(identity), self.plan.tiers, self.plan.rules, meter)
        check_fit(served.judge, self.plan)
        return served

    def _bundle(self, identity: str | None) -> Bundle:
        if identity is not None:
            return self._store.bundle(identity)
        if self.plan.bundle is None:
            raise BundleError(f"slot {self.name!r} has no bundle")
        return read_bundle(self.plan.bundle)

    def _fail(self, trouble: str) -> None:
        self._coming, self._trouble = None, trouble
        self._again_s = self._monotonic_s() + AGAIN_S
        logger.error("network not in service slot=%s reason=%s", self.name, trouble)

    def _stand_down(self) -> None:
        self._judge = None
        self._retire()
        self._drop_coming()
        self._wanted, self._trouble = None, ""

    def _retire(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            self._retired.append((self._monotonic_s(), active))

    def _drop_coming(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.close()

    def _beside(self, identity: str | None) -> None:
        again = bool(self._shadow_trouble) and self._monotonic_s() >= self._shadow_again_s
        if identity == self._shadowed and not again:
            return
        shadow, self._shadow = self._shadow, None
        if shadow is not None:
            shadow.close()
        self._shadowed, self._shadow_trouble = identity, ""
        if identity is None:
            return
        try:
            begun = Shadow(self._served(identity, NetworkMeter()))  # what a shadow answers is no answer
            begun.start()
        except (ModelError, OSError) as error:
            self._shadow_trouble = str(error)
            self._shadow_again_s = self._monotonic_s() + AGAIN_S
            return
        self._shadow = begun

    def _end_retired(self, until_s: float) -> None:
        due = [network for at_s, network in self._retired if at_s <= until_s]
        self._retired = [(at_s, network) for at_s, network in self._retired if at_s > until_s]
        for network in due:
            network.close()

    def _standing(self, use: Use) -> SlotStanding:
        active = self._active
        runtimes = [] if active is None else active.look()
        served = not self._trouble and self._coming is None and self._first(runtimes)
        settled = use == "statistical" or served
        if self._wanted is None and self.plan.bundle is None and not self._trouble:
            settled = True  # nothing was ever brought into this slot
        return SlotStanding(
            name=self.name,
            use=use,
            title="" if active is None else active.title,
            identity="" if active is None else active.bundle.identity,
            answers=answering(runtimes) if active is not None else STATISTICAL_WORDS,
            trouble=self._trouble,
            runtimes=runtimes,
            processes={} if active is None else active.processes(),
            shadow=None if self._shadow is None else self._shadow.report(),
            shadow_trouble=self._shadow_trouble,
            settled=settled,
        )

    @staticmethod
    def _first(runtimes: Sequence[RuntimeStanding]) -> bool:
        return bool(runtimes) and runtimes[0].state is TierState.SERVING


def check_fit(judge: NetworkJudge, plan: SlotPlan) -> None:
    """Raises ModelError where the network was not made for the features of every channel of the slot."""
    for channel_id, offered in plan.channels.items():
        try:
            judge.require(offered)
        except ModelError as error:
            raise BundleError(f"channel {channel_id!r} of slot {plan.name!r}: {error}") from error
