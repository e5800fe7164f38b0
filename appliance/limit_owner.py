"""Whose limits they are: what the desk of limits needs of a machine's analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from appliance.limit_versions import LimitFacts, LimitKey

Document = dict[str, Any]


class LimitOwner(Protocol):
    """Whose limits they are: a machine's analysis (`analysis_owners.LimitOwners`)."""

    def facts(self) -> list[LimitFacts]: ...

    def first_baselines(self) -> list[LimitFacts]: ...

    def unsound(self) -> str | None: ...

    def unlearned(self, key: LimitKey) -> LimitFacts | None: ...

    def order(self, key: LimitKey, factor: float | None) -> None: ...

    def document(self, channel_id: str) -> Document: ...

    def content(self, key: LimitKey) -> Document: ...

    def forget(self, key: LimitKey) -> None: ...

    def recall(self, key: LimitKey, content: Mapping[str, Any]) -> None: ...

    def put_back(self, channel_id: str, document: Document) -> None: ...
