"""The session's state table: the only place that says what may follow what. Also draws itself.

Duty: states, triggers, the table, and its picture as text for PROTOCOL.md. `session.py` acts on it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a session stands."""

    NEW = "new"
    IDENTIFYING = "identifying"
    STARTING = "starting"
    STREAMING = "streaming"
    PROBING = "probing"
    STOPPED = "stopped"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    CLOSED = "closed"


class Trigger(StrEnum):
    """What moves a session."""

    BEGIN = "begin"
    HELLO_ACCEPTED = "hello accepted"
    HELLO_REFUSED = "hello refused"
    START_ACKED = "start acked"
    START_NAKED = "start naked"
    SAMPLES_ARRIVE = "samples arrive"
    SILENCE = "silence"
    NO_ANSWER = "no answer"
    RESTART_SEEN = "restart seen"
    RATE_EXCEEDED = "rate exceeded"
    STOP = "stop"
    CONNECTION_LOST = "connection lost"


MEANINGS: dict[State, str] = {
    State.NEW: "nothing was sent yet",
    State.IDENTIFYING: "IDENTIFY is sent, repeated each second; samples cannot be understood and are dropped",
    State.STARTING: "the hello was accepted; START is sent, repeated each second",
    State.STREAMING: "samples arrive",
    State.PROBING: "no samples for a while: IDENTIFY is sent again; samples that follow resume the stream",
    State.STOPPED: "STOP was sent by the owner's wish",
    State.REFUSED: "the device cannot be used as it is; final",
    State.UNANSWERED: "the device does not answer; final",
    State.CLOSED: "the port is gone or was closed; final",
}

FINAL = frozenset({State.REFUSED, State.UNANSWERED, State.CLOSED})

TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.NEW, Trigger.BEGIN): State.IDENTIFYING,
    (State.IDENTIFYING, Trigger.HELLO_ACCEPTED): State.STARTING,
    (State.IDENTIFYING, Trigger.HELLO_REFUSED): State.REFUSED,
    (State.IDENTIFYING, Trigger.NO_ANSWER): State.UNANSWERED,
    (State.STARTING, Trigger.START_ACKED): State.STREAMING,
    (State.STARTING, Trigger.SAMPLES_ARRIVE): State.STREAMING,
    (State.STARTING, Trigger.START_NAKED): State.REFUSED,
    (State.STARTING, Trigger.NO_ANSWER): State.UNANSWERED,
    (State.STARTING, Trigger.RESTART_SEEN): State.IDENTIFYING,
    (State.STREAMING, Trigger.SILENCE): State.PROBING,
    (State.STREAMING, Trigger.RESTART_SEEN): State.IDENTIFYING,
    (State.STREAMING, Trigger.RATE_EXCEEDED): State.REFUSED,
    (State.PROBING, Trigger.SAMPLES_ARRIVE): State.STREAMING,
    (State.PROBING, Trigger.HELLO_ACCEPTED): State.STARTING,
    (State.PROBING, Trigger.HELLO_REFUSED): State.REFUSED,
    (State.PROBING, Trigger.RESTART_SEEN): State.IDENTIFYING,
    (State.PROBING, Trigger.NO_ANSWER): State.UNANSWERED,
    **{
        (state, Trigger.STOP): State.STOPPED
        for state in (State.IDENTIFYING, State.STARTING, State.STREAMING, State.PROBING)
    },
    **{(state, Trigger.CONNECTION_LOST): State.CLOSED for state in State if state not in FINAL},
}


def state_table() -> str:
    """The table as Markdown: one row per state and trigger."""
    rows = [f"| {before} | {trigger} | {after} |" for (before, trigger), after in TRANSITIONS.items()]
    meanings = [f"| {state} | {meaning} |" for state, meaning in MEANINGS.items()]
    return "\n".join(
        [
            "| State | What it means |",
            "|---|---|",
            *meanings,
            "",
            "| From | On | To |",
            "|---|---|---|",
            *rows,
        ]
    )


def state_diagram() -> str:
    """The table as a Mermaid state diagram; several triggers between two states share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, trigger), after in TRANSITIONS.items():
        if trigger is not Trigger.CONNECTION_LOST:
            arrows.setdefault((before, after), []).append(trigger)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.NEW}"]
    lines += [f"    {before} --> {after}: {' / '.join(on)}" for (before, after), on in arrows.items()]
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    lines += ["    note right of closed: from every state that is not final, on connection lost", "```"]
    return "\n".join(lines)
