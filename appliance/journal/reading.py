"""The journal's reading half: what its users ask of records, series and gaps.

Duty: one name for each question, answered by the query threads. Writes nothing, knows nothing of the writer.
"""

from __future__ import annotations

from collections.abc import Collection

from appliance.journal.queries import Float32Array, Int64Array, Queries
from appliance.journal.record import Record, RecordKind, StoredGap


class Reading:
    """Questions to the file. Everything here raises Retryable if the file cannot be read."""

    def __init__(self, queries: Queries) -> None:
        self.queries = queries

    async def read(
        self, after_sequence: int, kinds: Collection[RecordKind] | None = None, limit: int = 1_000
    ) -> list[Record]:
        """Records after a sequence, in order; of all kinds if `kinds` is None. Raises Retryable."""
        return await self.queries.read(after_sequence, kinds, limit)

    async def history(self, kind: RecordKind, subject: str, limit: int = 1_000) -> list[Record]:
        """The newest `limit` records of one subject (an alarm's transitions), oldest first."""
        return await self.queries.history(kind, subject, limit)

    async def between(
        self, kind: RecordKind, subject: str, start_ns: int, end_ns: int, limit: int = 10_000
    ) -> list[Record]:
        """Records of one subject in an interval of UTC time, in order of time."""
        return await self.queries.between(kind, subject, start_ns, end_ns, limit)

    async def features(
        self, channel_id: str, feature: str, start_ns: int, end_ns: int
    ) -> tuple[Int64Array, Float32Array]:
        """One feature of a channel over UTC time: (times ns, values); NaN where the window had none."""
        series = await self.queries.features(channel_id, feature, start_ns, end_ns)
        return series.times_ns, series.values

    async def feature_names(self, channel_id: str) -> tuple[str, ...]:
        """The names of the channel's newest feature vector; empty if there is none."""
        return await self.queries.feature_names(channel_id)

    async def scores(self, channel_id: str, start_ns: int, end_ns: int) -> tuple[Int64Array, Float32Array]:
        """The anomaly score of a channel over UTC time (1.0 = limit)."""
        series = await self.queries.values(RecordKind.SCORE, channel_id, start_ns, end_ns)
        return series.times_ns, series.values

    async def tags(self, channel_id: str, start_ns: int, end_ns: int) -> tuple[Int64Array, Float32Array]:
        """A process value over UTC time, in its channel's unit."""
        series = await self.queries.values(RecordKind.TAG, channel_id, start_ns, end_ns)
        return series.times_ns, series.values

    async def gaps(self, channel_id: str, start_ns: int, end_ns: int) -> list[StoredGap]:
        """The ledger's entries of a channel that overlap an interval of UTC time."""
        return await self.queries.gaps(channel_id, start_ns, end_ns)

    @property
    def damaged_rows(self) -> int:
        """Rows that queries left out because their CRC did not fit."""
        return self.queries.damaged_rows
