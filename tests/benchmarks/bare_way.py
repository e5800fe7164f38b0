"""The floor of the model host: two bare Python processes that hand 16 bytes to and fro.

The same kind of socket pair as the host's, and nothing besides: no model, no shared memory, no deadline, no
lock. What a call through the host costs beyond this and the runtime itself is ours.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from types import TracebackType

_PACKET_BYTES = 16
_ECHO = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]))\nwhile p := s.recv(1016): s.send(p)"


class BareWay:
    """Called, it sends 16 bytes to another process and waits for them; `with` starts and ends that one."""

    def __enter__(self) -> BareWay:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        fd = theirs.fileno()
        self._echo = subprocess.Popen([sys.executable, "-c", _ECHO, str(fd)], pass_fds=(fd,))
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._echo.wait(10)

    @property
    def pid(self) -> int:
        """The other process."""
        return self._echo.pid

    def __call__(self) -> None:
        self._socket.send(bytes(_PACKET_BYTES))
        assert len(self._socket.recv(1016)) == _PACKET_BYTES
