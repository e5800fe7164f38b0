"""Whose limit a key means: of vibration, of process values, or the first baseline that drift compares with.

Duty: one owner for the desk of limits, that hands each question to the right part of a machine's analysis.
Pure; decides nothing about limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.analysis_limits import AssetLimits
from appliance.analysis_process import AssetProcess
from appliance.limit_versions import LimitFacts, LimitKey, is_first_baseline

Document = dict[str, Any]


class LimitOwners:
    """All that a machine learned. Not while its analysis processes: the caller holds the machine's lock."""

    def __init__(self, limits: AssetLimits, process: AssetProcess, unsound: Callable[[], str | None]) -> None:
        """`unsound` says why this machine may give no first baseline now; None where it may."""
        self._limits = limits
        self._process = process
        self._unsound = unsound

    def facts(self) -> list[LimitFacts]:
        """Every limit that is learned, or being learned."""
        return [*self._limits.facts(), *self._process.facts()]

    def first_baselines(self) -> list[LimitFacts]:
        """What the drift of each channel is compared with."""
        return self._limits.first_baselines()

    def unsound(self) -> str | None:
        """Why the machine may give no first baseline now; None where it may."""
        return self._unsound()

    def unlearned(self, key: LimitKey) -> LimitFacts | None:
        """A limit of which nothing is learned; None where the machine has no such channel (any more)."""
        return self._owner(key.channel_id).unlearned(key)

    def order(self, key: LimitKey, factor: float | None) -> None:
        """The limit stands at this multiple of the learned one; None: at what learning gives."""
        self._owner(key.channel_id).order(key, factor)

    def document(self, channel_id: str) -> Document:
        """All that a channel, or a group of process values, has learned, for the journal."""
        return self._owner(channel_id).document(channel_id)

    def content(self, key: LimitKey) -> Document:
        """What was learned in one operating state."""
        if is_first_baseline(key):
            return self._limits.first_baseline(key.channel_id)
        return self._owner(key.channel_id).content(key)

    def forget(self, key: LimitKey) -> None:
        """Learn it anew, because a person said so."""
        if is_first_baseline(key):
            self._limits.give_up_first_baseline(key.channel_id)
        else:
            self._owner(key.channel_id).forget(key)

    def recall(self, key: LimitKey, content: Mapping[str, Any]) -> None:
        """Take what was learned before into service again. Raises ModelStateError where it does not fit."""
        if is_first_baseline(key):
            self._limits.recall_first_baseline(key.channel_id, content)
        else:
            self._owner(key.channel_id).recall(key, content)

    def put_back(self, channel_id: str, document: Document) -> None:
        """As it was, after a change that could not be done whole."""
        self._owner(channel_id).put_back(channel_id, document)

    def _owner(self, channel_id: str) -> AssetLimits | AssetProcess:
        return self._process if channel_id in self._process.watches else self._limits
