"""The reader of pictures as the event loop sees it: questions to a process of its own, with a bound on each.

Duty: start the process, ask it, and end it when it is late, dead or no longer wanted. What it answers is
checked: whoever decodes a hostile file is not trusted. Retries nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from appliance.installation import module_command
from appliance.sources.camera import Picture
from appliance.sources.camera_files import MOST_PIXELS

MODULE = "appliance.sources.camera_reader"
BUFFER_BYTES = 8 << 20
END_S = 1.0


class ReaderError(Exception):
    """No picture came of a question: `args[0]` says why. `lost`: the camera is gone, or its reader is."""

    def __init__(self, reason: str, remedy: str = "", lost: bool = False) -> None:
        super().__init__(reason)
        self.remedy, self.lost = remedy, lost


@dataclass(frozen=True, slots=True, eq=False)
class ReadPicture:
    """An answer. `age_ns`: how long before it the frame came; `skipped`: frames left out since the last."""

    picture: Picture
    age_ns: int = 0
    skipped: int = 0


class PictureReader:
    """One process, started by the first question and after each that killed it."""

    def __init__(self, command: tuple[str, ...] | None = None) -> None:
        self._command = command or module_command(MODULE)
        self._process: asyncio.subprocess.Process | None = None
        self._one = asyncio.Lock()
        self.starts = 0

    async def read_file(self, path: str, colour: bool, limit_s: float) -> ReadPicture:
        """Decode a file. Raises ReaderError."""
        return await self._picture({"read": path, "colour": colour}, limit_s)

    async def open_stream(self, wish: dict[str, Any], limit_s: float) -> None:
        """Open a camera. Raises ReaderError."""
        await self._asked({"open": wish}, limit_s)

    async def next_frame(self, fresh: bool, limit_s: float) -> ReadPicture:
        """The stream's next frame; `fresh`: one that comes after this call. Raises ReaderError."""
        return await self._picture({"next": {"fresh": fresh}}, limit_s)

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    async def _picture(self, question: dict[str, Any], limit_s: float) -> ReadPicture:
        head, content = await self._asked(question, limit_s)
        try:
            return _read_picture(head, content)
        except (TypeError, ValueError, OverflowError) as error:
            await self.close()
            raise ReaderError("its reader gave what is no picture", lost=True) from error

    async def _asked(self, question: dict[str, Any], limit_s: float) -> tuple[dict[str, Any], bytes]:
        async with self._one:
            try:
                async with asyncio.timeout(limit_s):
                    return await self._answer(await self._running(), question)
            except TimeoutError as error:
                await self.close()
                raise ReaderError(f"its reader did not answer within {limit_s:g} s", lost=True) from error
            except (OSError, EOFError, ValueError, TypeError, LookupError, OverflowError) as error:
                code = None if self._process is None else self._process.returncode
                await self.close()
                died = "died" if code is None else f"died (exit {code})"
                raise ReaderError(f"its reader {died}", lost=True) from error
            except asyncio.CancelledError:
                await self.close()  # its answer would be taken for the next one's
                raise

    async def _running(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is not None and process.returncode is None:
            return process
        self.starts += 1
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=BUFFER_BYTES,
            start_new_session=True,  # an interrupt from the keyboard is the service's to answer
        )
        return self._process

    @staticmethod
    async def _answer(
        process: asyncio.subprocess.Process, question: dict[str, Any]
    ) -> tuple[dict[str, Any], bytes]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        with contextlib.suppress(ConnectionError):  # its last words may say why it is gone
            await process.stdin.drain()
        line = await process.stdout.readline()
        if not line:
            raise EOFError
        head = json.loads(line)
        if "error" in head:
            raise ReaderError(str(head["error"])[:500], str(head.get("remedy", "")), bool(head.get("lost")))
        size = int(head["bytes"])
        if not 0 <= size <= 3 * MOST_PIXELS:
            raise ValueError(size)
        return head, await process.stdout.readexactly(size)


def _read_picture(head: dict[str, Any], content: bytes) -> ReadPicture:
    """Raises TypeError, ValueError or OverflowError for what is no picture."""
    shape = tuple(int(edge) for edge in head.get("shape") or ())
    if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or min(shape) < 1:
        raise ValueError(shape)
    age_ns, skipped = int(head.get("age_ns", 0)), int(head.get("skipped", 0))
    if min(age_ns, skipped) < 0 or math.prod(shape) != len(content):
        raise ValueError(age_ns, skipped, len(content))
    return ReadPicture(np.frombuffer(content, np.uint8).reshape(shape), age_ns, skipped)
