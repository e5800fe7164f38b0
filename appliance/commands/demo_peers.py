"""The demo's peers: SCADA, a receiver of webhooks, a central InfluxDB and a reader of the page.

Duty: their start and end, when the named alarm arrived at each, and afterwards the pull of the centre. A peer
that fails is told in one sentence, and the demo goes on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from appliance.commands.child_process import ChildProcess
from appliance.commands.demo_outage import CourierWords, Outage
from appliance.commands.demo_ports import free_port
from appliance.demo_central import DATABASE, LocalInflux
from appliance.demo_page import PageReader, make_accounts
from appliance.demo_receiver import DemoReceiver
from appliance.demo_scada import Notification, OpcUaAccess, Scada
from appliance.demo_ways import Sighting, Way, Ways
from appliance.errors import Fatal

ARRIVAL_WAIT_S = 15.0
ASK_EVERY_S = 0.05
WATCH_EVERY_S = 1.0
ALARM_QUERY = "SELECT alarm_id, what, severity, fault, reason FROM alarm"
Tell = Callable[[dict[str, Any], str], None]


class Peers:
    """All peers of one demo.

    `start` before the appliance, `meet` once it answers, `leave` before it ends, `stop` afterwards.
    """

    def __init__(
        self, folder: Path, log: Path, tell: Tell, *, influxd: Path, scada: Path | None, outage_s: float
    ) -> None:
        """`scada` None: asyncua's client takes node-opcua's place; `outage_s` 0: the centre is not pulled."""
        self._folder, self._log, self._tell = folder, log, tell
        self._scada_program, self._outage_s = scada, outage_s
        self.centre = LocalInflux(influxd.absolute(), folder / "centre", free_port())
        self.receiver = DemoReceiver(folder / "receiver", self._took_message)
        self.first_password: str | None = None
        self._reader_password = ""
        self._ways = Ways(list(Way))
        self._courier = CourierWords()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scada: ChildProcess | None = None
        self._settled = asyncio.Event()  # the alarm has arrived everywhere

    async def start(self) -> None:
        """Centre and receiver up, accounts made. Raises Fatal, OSError."""
        await self.centre.start()
        ask = f"curl -sG {self.centre.url}/query --data-urlencode db={DATABASE} --data-urlencode"
        self._tell(
            {"type": "central", "url": self.centre.url, "database": DATABASE, "query": ALARM_QUERY},
            f"the centre, a real InfluxDB, runs at {self.centre.url}; its alarms, at any time:\n"
            f"            {ask} 'q={ALARM_QUERY}'",
        )
        await self.receiver.start()
        self._tell(
            {"type": "receiver", "url": self.receiver.url, "verified_by": self.receiver.verified_by},
            f"a receiver of webhooks listens at {self.receiver.url}",
        )
        accounts = self._folder / "accounts.json"
        self.first_password, self._reader_password = await asyncio.to_thread(make_accounts, accounts)
        self._begin(self._watch_centre())

    def meet(self, url: str, access: OpcUaAccess) -> None:
        """The appliance answers at `url`: whoever goes to it by himself may begin."""
        self._begin(PageReader(url, self._reader_password, self._took_page).run())
        self._begin(self._run_scada(access))

    def hear(self, line: dict[str, Any]) -> None:
        """A line of the appliance."""
        if line.get("type") == "committed":
            self._ways.committed(int(line["sequence"]), int(line["monotonic_ns"]))
            self._tell_arrivals()
        elif line.get("type") == "central":
            self._courier.hear(line)

    def alarm_named(self, line: dict[str, Any], then: Callable[[], None]) -> None:
        """The story's alarm has come: tell its arrivals, `then` the rest, then pull the centre."""
        self._ways.name(int(line["sequence"]), str(line["text"]))
        self._tell_arrivals()
        self._begin(self._ask_centre(int(line["sequence"])))
        self._begin(self._after_alarm(then))

    async def leave(self) -> None:
        """Whoever goes to the appliance by himself ends; before the appliance does."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._scada is not None:
            await self._scada.stop()

    async def stop(self) -> None:
        """Whom the appliance goes to ends; after it."""
        await self.centre.stop()
        await self.receiver.stop()

    # ---- what comes on the ways ----

    def _took_message(self, message: dict[str, Any]) -> None:
        """A webhook whose signature the receiver has verified."""
        said, verified = message["data"], f"signature verified by {self.receiver.verified_by}"
        sequence = said.get("sequence")
        of_another = self._ways.named is not None and sequence != self._ways.named
        self._tell(
            {"type": "webhook", "message": message, "verified_by": self.receiver.verified_by},
            f"  webhook  {message['type']}, {verified}" if of_another else "",
        )
        words = f"{message['type']} came to the receiver, {verified}"
        self._saw(Way.WEBHOOK, sequence, str(said.get("reason", "")), words)

    def _took_page(self, transition: dict[str, Any]) -> None:
        text = str(transition["alarm"]["text"])
        self._saw(
            Way.PAGE, int(transition["sequence"]), text, "on the live stream that every open page reads"
        )

    def _took_notification(self, scada: Scada, found: Notification) -> None:
        words = f"notified by its subscription ({scada.name}): {found.state}, {found.status}"
        self._saw(Way.SCADA, None, found.text, words)

    def _saw(self, way: Way, sequence: int | None, text: str, words: str) -> None:
        self._ways.saw(Sighting(way, time.monotonic_ns(), sequence, text, words))
        self._tell_arrivals()

    def _tell_arrivals(self) -> None:
        for arrival in self._ways.arrivals():
            self._tell(
                {
                    "type": "arrival",
                    "way": arrival.way,
                    "late_s": round(arrival.late_s, 4),
                    "sequence": self._ways.named,
                    "words": arrival.words,
                },
                f"  {arrival.way:8} {arrival.late_s * 1000:5.0f} ms after the commit: {arrival.words}",
            )
        if self._ways.named is not None and not self._ways.missing:
            self._settled.set()

    # ---- tasks ----

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_centre(self, sequence: int) -> None:
        """Ask InfluxDB until it has the transition."""
        query = f'{ALARM_QUERY} WHERE "sequence" = {sequence}'
        while not self._settled.is_set():
            with contextlib.suppress(OSError, ValueError):
                rows = await asyncio.to_thread(self.centre.ask, query)
                if rows:
                    self._saw(Way.CENTRE, sequence, rows[0]["reason"], f"found by the query  {query}")
                    return
            await asyncio.sleep(ASK_EVERY_S)

    async def _after_alarm(self, then: Callable[[], None]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_WAIT_S):
                await self._settled.wait()
        for way in self._ways.missing:
            self._tell(
                {"type": "arrival", "way": way, "late_s": None, "sequence": self._ways.named},
                f"  {way:8} nothing has arrived within {ARRIVAL_WAIT_S:.0f} s",
            )
        self._settled.set()
        then()
        outage = Outage(self.centre, self._folder / "journal", self._courier, self._tell)
        try:
            await outage.run(self._outage_s)
        except (Fatal, OSError) as error:
            self._tell(
                {"type": "failed", "part": "centre", "reason": str(error)}, f"the centre failed: {error}"
            )
        self._tell({"type": "told"}, "that was the story; the demo runs on until Ctrl-C")

    async def _run_scada(self, access: OpcUaAccess) -> None:
        programs = [self._scada_program, None] if self._scada_program is not None else [None]
        if self._scada_program is None:
            words = "no node-opcua here: SCADA is played by asyncua's client, the appliance's own library"
            self._tell({"type": "scada", "state": "second choice"}, words)
        for program in programs:
            scada = Scada(access, program, self._folder / "scada", self._log)
            try:
                self._scada = await scada.start()
            except (Fatal, OSError) as error:
                instead = (
                    "; asyncua's client, the appliance's own library, takes its place"
                    if program is not None
                    else ""
                )
                self._tell(
                    {"type": "failed", "part": "SCADA", "reason": str(error)}, f"no SCADA: {error}{instead}"
                )
                continue
            await scada.follow(self._scada, self._tell, partial(self._took_notification, scada))
            code = await self._scada.process.wait()
            self._tell(
                {"type": "failed", "part": "SCADA", "code": code},
                f"the SCADA client ended with code {code}; see {self._log}",
            )
            return

    async def _watch_centre(self) -> None:
        while self.centre.died_with is None:  # noqa: ASYNC110 - it may be stopped and started meanwhile
            await asyncio.sleep(WATCH_EVERY_S)
        self._tell(
            {"type": "failed", "part": "centre", "code": self.centre.died_with},
            f"the centre (influxd) ended with code {self.centre.died_with}; the appliance keeps everything",
        )
