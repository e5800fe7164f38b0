"""A child process that never outlives the one that started it, however that ends.

Duty: the one question to the kernel (prctl(2), PR_SET_PDEATHSIG). Linux only, as the appliance is.
"""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """Runs in the child before its program: ask the kernel for SIGTERM at the parent's death."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
