"""Hop 3: one serial accelerometer as a Source: bytes in by the port, sample blocks in m/s2 out.

Duty: moves bytes between port and session, lets the assembler make blocks of events, and tells an operator
how the link is. One call of `blocks` is one opening of the port; when it is lost, `SourceLost` says why and
what to do, and the supervisor calls again later, by the same stable name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from appliance.sources.serial_blocks import AxisChannel, BlockAssembler
from appliance.sources.source import LinkReport, LinkState, SourceLost
from dsp.samples import Channel, SourceItem
from firmware_bridge.burst_deframer import BurstDeframer
from firmware_bridge.errors import (
    FirmwareBridgeError,
    PortBusyError,
    PortError,
    PortNotFoundError,
    PortPermissionError,
    PortUnusableError,
)
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    DeviceSilent,
    EndCause,
    Event,
    InputDiscarded,
    SamplesReceived,
    SessionEnded,
    StatsReceived,
    StreamStarted,
)
from firmware_bridge.frames import Hello
from firmware_bridge.port import Port, open_port
from firmware_bridge.session import Session, Timeouts

logger = logging.getLogger(__name__)

STOP_WAIT_S = 0.5
BITS_PER_BYTE = 10  # 8N1: start, 8 data, stop
RATE_TOLERANCE = 0.001  # a device announces its nominal rate, which is exact
SCALE_TOLERANCE = 0.01

_END_STATES = {
    EndCause.HELLO_REFUSED: LinkState.WRONG_DEVICE,
    EndCause.NOT_A_SENSOR: LinkState.WRONG_DEVICE,
    EndCause.COMMAND_REFUSED: LinkState.REFUSED,
    EndCause.RATE_EXCEEDED: LinkState.REFUSED,
}
_PORT_STATES: tuple[tuple[type[PortError], LinkState], ...] = (
    (PortNotFoundError, LinkState.NOT_FOUND),
    (PortBusyError, LinkState.BUSY),
    (PortPermissionError, LinkState.REFUSED),
    (PortUnusableError, LinkState.WRONG_DEVICE),
)


class SerialSource:
    """A serial sensor as a Source; counts and the last error survive reconnections."""

    def __init__(
        self,
        source_id: str,
        device: str,
        axes: tuple[AxisChannel, ...],
        *,
        baud: int,
        serial_number: str = "",
        silence_s: float = 2.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.source_id = source_id
        self.channels: tuple[Channel, ...] = tuple(axis.channel for axis in axes)
        self._device = device
        self._axes = axes
        self._baud = baud
        self._serial_number = serial_number
        self._silence_s = silence_s
        self._monotonic_ns = monotonic_ns
        self._assembler = BlockAssembler(axes)
        self._counts: dict[str, int] = dict.fromkeys(
            (
                "connections",
                "frames received",
                "frames missing",
                "samples received",
                "bytes discarded",
                "frames damaged",
                "device restarts",
                "frames dropped by device",
            ),
            0,
        )
        self._figures: dict[str, float] = {}
        self._frames_before = (0, 0, 0)  # received, missing, samples of closed sessions
        self._session: Session | None = None
        self._report = (LinkState.CONNECTING, "", "")

    def report(self) -> LinkReport:
        """State of the link, for an operator."""
        state, reason, remedy = self._report
        self._count_frames()
        return LinkReport(
            self.source_id,
            "serial",
            self._device,
            state,
            reason,
            remedy,
            {**self._counts, "gaps": self._assembler.gaps, "blocks": self._assembler.blocks},
            dict(self._figures),
        )

    async def blocks(self) -> AsyncIterator[SourceItem]:
        """Blocks of one opening of the port. Raises SourceLost when the sensor cannot be reached or used."""
        try:
            async with open_port(self._device, self._baud) as port:
                self._session = Session(
                    self._baud / BITS_PER_BYTE,
                    self._serial_number or None,
                    Timeouts(silence_ns=round(self._silence_s * 1e9)),
                    BurstDeframer(),
                )
                try:
                    async for item in self._follow(port, self._session):
                        yield item
                finally:
                    await self._say_stop(port, self._session)
        except (FirmwareBridgeError, SourceLost) as error:
            for item in self._assembler.connection_lost():
                yield item
            lost = self._lost(error)
            raise lost from (None if lost is error else error)
        finally:
            self._count_frames(closing=True)
            self._session = None
            self._assembler.connection_lost()

    async def _follow(self, port: Port, session: Session) -> AsyncIterator[SourceItem]:
        session.start(self._monotonic_ns())
        while True:
            await port.write(session.data_to_send())
            chunk = await port.read_chunk(session.next_deadline_ns)
            if chunk is None:
                session.tick(self._monotonic_ns())
            else:
                session.receive_data(chunk.data, chunk.received_ns)
                session.tick(chunk.received_ns)
            for event in session.events():
                for item in self._assembler.take(event):
                    yield item
                self._note(event)

    async def _say_stop(self, port: Port, session: Session) -> None:
        """Tell a sensor that streams that nobody listens any more; a port that is gone hears nothing."""
        session.stop(self._monotonic_ns())
        with contextlib.suppress(FirmwareBridgeError, TimeoutError):
            async with asyncio.timeout(STOP_WAIT_S):
                await port.write(session.data_to_send())

    def _note(self, event: Event) -> None:
        """What an operator learns of an event. Raises SourceLost at the end of a session."""
        if isinstance(event, SamplesReceived):
            if event.clock is not None:
                self._figures["drift_ppm"] = event.clock.drift_ppm
                self._figures["drift_error_ppm"] = event.clock.drift_error_ppm
                self._figures["clock_error_us"] = event.clock.error_bound_ns / 1e3
            self._figures["sample_rate_hz"] = event.sample_rate_hz
        elif isinstance(event, DeviceIdentified):
            self._check(event.hello)
        elif isinstance(event, StreamStarted):
            self._counts["connections"] += self._report[0] is not LinkState.CONNECTED
            self._set(LinkState.CONNECTED)
        elif isinstance(event, DeviceSilent):
            self._set(LinkState.LOST, "the sensor fell silent and is being asked", "Check cable and power.")
        elif isinstance(event, DeviceRestarted):
            self._counts["device restarts"] += 1
            logger.warning("sensor restarted source=%s sign=%s %s", self.source_id, event.sign, event.detail)
        elif isinstance(event, InputDiscarded):
            self._counts["bytes discarded"] += event.discards.n_bytes
            damaged = event.discards
            self._counts["frames damaged"] += (
                damaged.bad_crc + damaged.bad_cobs + damaged.too_long + damaged.too_short + event.malformed
            )
        elif isinstance(event, StatsReceived):
            self._counts["frames dropped by device"] = event.stats.frames_dropped
        elif isinstance(event, SessionEnded):
            state = _END_STATES.get(event.cause, LinkState.LOST)
            raise SourceLost(self.source_id, *self._set(state, event.reason, event.remedy))

    def _check(self, hello: Hello) -> None:
        """Whether this sensor is the one that is configured. Raises SourceLost if not."""
        needed = 1 + max(axis.axis for axis in self._axes)
        channel = self._axes[0].channel
        wrong, remedy = "", ""
        if hello.axes < needed:
            wrong = f"the sensor {hello.serial_number} has {hello.axes} axes, {needed} are configured"
            remedy = "Remove the axes it does not have, or plug in the right sensor."
        elif abs(hello.sample_rate_hz / channel.sample_rate_hz - 1.0) > RATE_TOLERANCE:
            wrong = (
                f"the sensor {hello.serial_number} samples at {hello.sample_rate_hz:g} Hz, "
                f"{channel.sample_rate_hz:g} Hz is configured"
            )
            remedy = f"Write sample_rate_hz = {hello.sample_rate_hz:g}, or plug in the right sensor."
        elif abs(hello.full_scale_mps2 / channel.full_scale - 1.0) > SCALE_TOLERANCE:
            range_g = hello.full_scale_mps2 / 9.80665
            wrong = f"the sensor {hello.serial_number} has a range of {range_g:.3g} g, not the configured one"
            remedy = f"Write range_g = {range_g:.3g}, or plug in the right sensor."
        if wrong:
            raise SourceLost(self.source_id, *self._set(LinkState.WRONG_DEVICE, wrong, remedy))
        logger.info(
            "sensor identified source=%s model=%s serial=%s firmware=%s",
            self.source_id,
            hello.model,
            hello.serial_number,
            hello.firmware_version,
        )

    def _count_frames(self, closing: bool = False) -> None:
        if self._session is None:
            return
        counts = self._session.counts
        totals = tuple(
            before + now
            for before, now in zip(
                self._frames_before,
                (counts.frames_received, counts.frames_missing, counts.samples_received),
                strict=True,
            )
        )
        self._counts["frames received"], self._counts["frames missing"], self._counts["samples received"] = (
            totals
        )
        if closing:
            self._frames_before = totals  # type: ignore[assignment] # three in, three out

    def _set(self, state: LinkState, reason: str = "", remedy: str = "") -> tuple[LinkState, str, str]:
        self._report = (state, reason, remedy)
        return self._report

    def _lost(self, error: FirmwareBridgeError | SourceLost) -> SourceLost:
        if isinstance(error, SourceLost):
            return error
        if not isinstance(error, PortError):
            return SourceLost(self.source_id, *self._set(LinkState.LOST, str(error)))
        state = next((state for kind, state in _PORT_STATES if isinstance(error, kind)), LinkState.LOST)
        return SourceLost(self.source_id, *self._set(state, error.reason, error.remedy))
