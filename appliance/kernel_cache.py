"""Where numba finds the machine code that came with the package: in a folder that is never written.

Duty: a cache locator for numba (`NUMBA_CACHE_LOCATOR_CLASSES`), which reads from the folder that
`STETHOS_KERNELS` names, by paths relative to the tree of the code, so that both may be built in one place and
run in another. numba's own locators take a folder only if they can write into it; a read-only root has none.
What is missing there is compiled all the same and kept in memory.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from numba.core import caching, event

from appliance.installation import BUILDING, KERNELS

TREE = Path(__file__).resolve().parents[1]


class ShippedKernels(caching._SourceFileBackedLocatorMixin, caching._CacheLocator):
    """Numba's way from a function of the tree to its machine code; fresh is what has the source's hash."""

    def __init__(self, function: Any, file: str, folder: Path) -> None:
        self._py_file = file  # read by the mixin
        self._lineno = function.__code__.co_firstlineno
        self._folder = folder

    def get_cache_path(self) -> str:
        """The folder of this function's machine code."""
        return str(self._folder)

    @classmethod
    def from_function(cls, function: Any, file: str) -> ShippedKernels | None:
        """The locator for a function of the tree; None for others, and where no kernels were shipped."""
        kernels, source = os.environ.get(KERNELS), Path(file).resolve()
        if not kernels or not source.is_relative_to(TREE):
            return None
        if not os.environ.get(BUILDING):
            _never_write()
        return cls(function, file, Path(kernels) / source.relative_to(TREE).parent)


class _Unsaved(event.Listener):
    """Ends the caching of a function that is compiled after all: numba would fail where it cannot save."""

    def on_start(self, event: Any) -> None:
        event.data["dispatcher"]._cache.disable()

    def on_end(self, event: Any) -> None:
        """Nothing: numba saves after this."""


@functools.cache
def _never_write() -> None:
    event.register("numba:compile", _Unsaved())  # type: ignore[no-untyped-call]
