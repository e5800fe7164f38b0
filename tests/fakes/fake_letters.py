"""Made-up dead letters of two destinations, for the fake station."""

from __future__ import annotations

from web.schemas import DeadLetterPage, DeadLetterTallyView, DeadLetterView
from web.station_view import UnknownIdError

CENTRAL, WEBHOOK = "central", "webhook maintenance"
CONFLICT = (
    'partial write: field type conflict: input field "value" on measurement "score" is type float, already '
    "exists as type string dropped=1"
)


class FakeLetters:
    """Letters in memory. What is sent again is gone; `asked` tells by whom."""

    def __init__(self, zero_ms: float) -> None:
        self.letters = [
            DeadLetterView(
                destination=CENTRAL, letter_id=str(number), kind="score", record_id="pump-2.de.z",
                refused_ms=zero_ms - 60_000.0 * number, reason=CONFLICT,
            )
            for number in range(1, 4)
        ]  # fmt: skip
        self.letters.append(
            DeadLetterView(
                destination=WEBHOOK, letter_id="msg_2abc", kind="alarm raised",
                record_id="pump-2.machine-condition", refused_ms=zero_ms - 90_000.0,
                reason="status 400: Bad Request (38 attempts)",
            )
        )  # fmt: skip
        self.asked: list[tuple[str, list[str] | None, str]] = []

    def tallies(self) -> list[DeadLetterTallyView]:
        return [
            DeadLetterTallyView(
                destination=name,
                refused=sum(letter.destination == name for letter in self.letters),
                dropped=0,
            )
            for name in (CENTRAL, WEBHOOK)
        ]

    def page(self, destination: str | None, offset: int, limit: int) -> DeadLetterPage:
        self._check(destination)
        chosen = [letter for letter in self.letters if destination in (None, letter.destination)]
        chosen.sort(key=lambda letter: -(letter.refused_ms or 0.0))
        return DeadLetterPage(total=len(chosen), letters=chosen[offset : offset + limit])

    def redrive(self, destination: str, letter_ids: list[str] | None, user: str) -> int:
        self._check(destination)
        self.asked.append((destination, letter_ids, user))
        before = len(self.letters)
        self.letters = [
            letter
            for letter in self.letters
            if letter.destination != destination
            or (letter_ids is not None and letter.letter_id not in letter_ids)
        ]
        return before - len(self.letters)

    def _check(self, destination: str | None) -> None:
        if destination not in (None, CENTRAL, WEBHOOK):
            raise UnknownIdError(f"There is no destination {destination!r}.", [CENTRAL, WEBHOOK])
