"""What the versions of InfluxDB do differently, in one table. Pure.

Duty: the facts that writers, sink and readers ask for. Version 1 was tried on a real influxd 1.6.7
(Debian's); versions 2 and 3 Core are from their documentation (docs.influxdata.com: v2 API, "Write data" of
InfluxDB 3 Core, its configuration options), and are tested against a server built from it, not a real one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dialect:
    """One version.

    `line_statuses`: answers that speak of single lines (the others of the body may be stored: a second
    delivery changes nothing). `stop_words`: of an answer that no waiting and no splitting heals.
    `most_packed_bytes`: the documented bound of a request as it is sent (413), 0: none.
    `most_listed_lines`: so many refused lines an answer names by number, 0: none.
    `most_files_per_question`: a question that would open more is refused, 0: no such bound.
    """

    version: int
    name: str
    write_path: str
    precision: str
    token_scheme: str
    line_statuses: frozenset[int]
    stop_words: tuple[str, ...]
    most_packed_bytes: int
    most_unpacked_bytes: int
    most_listed_lines: int
    question_path: str
    most_files_per_question: int
    secrets: tuple[str, ...]  # what may be presented: "user", "token", "none"

    def authorization(self, token: str) -> str:
        """The header that presents a token."""
        return f"{self.token_scheme} {token}"

    def refused_lines(self, said: str) -> dict[int, str] | None:
        """Refused lines (1 is the first of a body) that an answer names, and why; None: perhaps not all."""
        if not self.most_listed_lines or "partial write" not in said:
            return None
        found = {int(number): reason for number, reason in _LINE.findall(said)}
        return found if 0 < len(found) < self.most_listed_lines else None


# In JSON a quote inside a quoted line is escaped: a refused line's words are never taken for the server's.
_LINE = re.compile(r'(?<!\\)"line_number":\s?(\d+)(?:,\s?"error_message":\s?"((?:[^"\\]|\\.)*)")?')
_NOWHERE = ("retention policy not found", "database not found", "bucket not found")

DIALECTS: dict[int, Dialect] = {
    1: Dialect(
        version=1,
        name="InfluxDB 1.x",
        write_path="/write",
        precision="ns",
        token_scheme="Bearer",  # noqa: S106 - a JWT of the server's shared secret
        line_statuses=frozenset({400, 422}),
        stop_words=_NOWHERE,  # an unknown retention policy is a 500
        most_packed_bytes=25_000_000,  # max-body-size; what is unpacked from it is not bounded
        most_unpacked_bytes=0,
        most_listed_lines=0,
        question_path="/query",
        most_files_per_question=0,
        secrets=("user", "token", "none"),
    ),
    2: Dialect(
        version=2,
        name="InfluxDB 2.x",
        write_path="/api/v2/write",
        precision="ns",
        token_scheme="Token",  # noqa: S106
        line_statuses=frozenset({400, 422}),
        stop_words=_NOWHERE,
        most_packed_bytes=0,
        most_unpacked_bytes=0,
        most_listed_lines=0,
        question_path="/query",
        most_files_per_question=0,
        secrets=("token",),
    ),
    3: Dialect(
        version=3,
        name="InfluxDB 3 Core",
        write_path="/api/v3/write_lp",
        precision="nanosecond",
        token_scheme="Bearer",  # noqa: S106
        line_statuses=frozenset({400}),  # a 422 is a bound of databases, tables, columns: of no line alone
        stop_words=_NOWHERE,
        most_packed_bytes=0,
        most_unpacked_bytes=10 * MIB,  # max-http-request-size; bodies are built below it (`courier_encoding`)
        most_listed_lines=100,
        question_path="/query",
        most_files_per_question=432,  # query-file-limit: the audit then asks for shorter times
        secrets=("token", "none"),
    ),
}
"""By version, as `[central] version` names it."""
