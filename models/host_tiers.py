"""From a bundle and the names of runtimes to the workers of a model host.

Duty: pick each tier's artefact. Starts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.backends.network import BackendOptions
from models.bundle import Bundle
from models.host_process import Worker
from models.manifest import Precision


@dataclass(frozen=True, slots=True)
class Tier:
    """One runtime that a box is to try, as its configuration states it."""

    backend: str  # a name of `models.backends.table`
    options: BackendOptions = field(default_factory=BackendOptions)
    precision: Precision | None = None  # None: int8 where the bundle has it
    memory_limit_bytes: int = 1 << 30


def workers_of(bundle: Bundle, tiers: Sequence[Tier], max_items: int = 64) -> list[Worker]:
    """One worker per tier, in their order. Raises ArtefactError where the bundle has no file for one."""
    return [
        Worker(
            backend=tier.backend,
            manifest=bundle.manifest,
            artefact=bundle.artefact_bytes(tier.backend, tier.precision),
            options=tier.options,
            max_items=max_items,
            memory_limit_bytes=tier.memory_limit_bytes,
        )
        for tier in tiers
    ]
