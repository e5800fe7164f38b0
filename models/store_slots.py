"""The models of a box: two per slot, active and previous, and one that is tried beside them.

Duty: a folder of bundles, each named by its identity, and one file that says which slot has which. Every
change is one atomic replacement of that file, after the bundle is whole on the disk, under a lock: a reader
sees the state of before or after, also after a power cut. What no slot names leaves the folder. Runs nothing;
whether a bundle may come in (a signature, a gate) is decided by whoever brings it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from models.bundle import Bundle
from models.errors import BundleError
from models.store import read_bundle, sync_folder, write_bundle

FORMAT = "stethos-model-slots-1"
FILE = "slots.json"
MAX_BYTES = 1 << 16
_IDENTITY = re.compile(r"[0-9a-f]{64}")
_HALF = re.compile(r"\.([0-9a-f]{64}\.zip|slots\.json)\..+")
Use = Literal["network", "statistical"]


@dataclass(frozen=True, slots=True)
class SlotEntry:
    """What one slot has; identities are those of bundles, None: none. `active` None: the configuration's."""

    use: Use = "network"
    active: str | None = None
    previous: str | None = None
    shadow: str | None = None


@dataclass(frozen=True, slots=True)
class SlotsState:
    """All slots that anything was ever decided of; `revision` grows by one with every change."""

    revision: int = 0
    slots: Mapping[str, SlotEntry] = field(default_factory=dict)

    def of(self, slot: str) -> SlotEntry:
        """A slot's entry."""
        return self.slots.get(slot, SlotEntry())


class SlotStore:
    """The store in `folder`, which is made at the first change. Any process may read and change it.

    Raises BundleError for a store or a bundle that cannot be read, written or is not whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> SlotsState:
        """What it says now; the beginning where nothing was ever changed."""
        path = self.folder / FILE
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return SlotsState()
        except OSError as error:
            raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            return _state_from(raw)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BundleError(
                f"{path}: is damaged ({type(error).__name__}: {error}): move it away; until something is"
                " chosen anew, each slot runs the bundle of its configuration"
            ) from error

    def bundle(self, identity: str) -> Bundle:
        """A bundle that is kept here, verified anew."""
        found = read_bundle(self._path(identity))
        if found.identity != identity:
            raise BundleError(f"{self._path(identity)}: holds bundle {found.identity}, another")
        return found

    def use(self, slot: str, use: Use) -> SlotsState:
        """Who is to answer: the network, or the statistical detector."""
        return self._change(slot, lambda entry: replace(entry, use=use))

    def try_beside(self, slot: str, bundle: Bundle) -> SlotsState:
        """This bundle runs in the slot's shadow from now on, in the place of another."""
        return self._change(slot, lambda entry: replace(entry, shadow=bundle.identity), bundle)

    def end_shadow(self, slot: str) -> SlotsState:
        """Nothing runs in the slot's shadow any more."""
        return self._change(slot, lambda entry: replace(entry, shadow=None))

    def promote(self, slot: str, configured: Bundle | None = None) -> SlotsState:
        """The shadow becomes active, the active one previous.

        `configured` is what is active by configuration where the store itself names nothing.
        """
        before = None if self.read().of(slot).active is not None else configured

        def promoted(entry: SlotEntry) -> SlotEntry:
            if entry.shadow is None:
                raise BundleError(f"slot {slot!r} has nothing in its shadow to promote")
            previous = entry.active or (None if before is None else before.identity)
            if previous == entry.shadow:
                raise BundleError(f"the bundle in the shadow of slot {slot!r} is active already")
            return replace(entry, active=entry.shadow, previous=previous, shadow=None)

        return self._change(slot, promoted, before)

    def roll_back(self, slot: str) -> SlotsState:
        """The previous bundle becomes active, the active one previous."""

        def rolled(entry: SlotEntry) -> SlotEntry:
            if entry.previous is None:
                raise BundleError(f"slot {slot!r} has no previous bundle to go back to")
            return replace(entry, active=entry.previous, previous=entry.active)

        return self._change(slot, rolled)

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity}.zip"

    def _has(self, identity: str) -> bool:
        try:
            return self.bundle(identity).identity == identity
        except BundleError:  # not there, or damaged: it is written anew
            return False

    def _change(
        self, slot: str, change: Callable[[SlotEntry], SlotEntry], bundle: Bundle | None = None
    ) -> SlotsState:
        with self._locked():
            state = self.read()
            entry = change(state.of(slot))
            if bundle is not None and not self._has(bundle.identity):
                write_bundle(bundle, self._path(bundle.identity))
            before = state.of(slot)
            for identity, was in ((entry.active, before.active), (entry.shadow, before.shadow)):
                if identity is not None and identity != was:
                    self.bundle(identity)  # what is damaged by now is not put into service
            changed = SlotsState(state.revision + 1, {**state.slots, slot: entry})
            self._write(changed)
            self._leave_out(changed)
            return changed

    def _write(self, state: SlotsState) -> None:
        content = {
            "format": FORMAT,
            "revision": state.revision,
            "slots": {name: asdict(entry) for name, entry in state.slots.items()},
        }
        name = ""
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{FILE}.", dir=self.folder)
            with os.fdopen(descriptor, "w") as file:
                json.dump(content, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.folder / FILE)
            sync_folder(self.folder)
        except OSError as error:
            raise BundleError(f"{self.folder / FILE}: cannot be written: {error.strerror}") from error
        finally:
            if name:
                Path(name).unlink(missing_ok=True)

    def _leave_out(self, state: SlotsState) -> None:
        """Bundles that no slot names leave, and what a killed change left half written: nobody else writes
        now. What cannot be removed is removed at the next change."""
        kept = {f"{one}.zip" for e in state.slots.values() for one in (e.active, e.previous, e.shadow) if one}
        for path in list(self.folder.iterdir()):
            bundle = path.suffix == ".zip" and _IDENTITY.fullmatch(path.stem) and path.name not in kept
            if bundle or _HALF.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    path.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise BundleError(f"{self.folder}: cannot be used: {error.strerror}") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _state_from(raw: bytes) -> SlotsState:
    if len(raw) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    document = json.loads(raw)
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r}; expected {FORMAT!r}")
    slots = {str(name): _entry_from(entry) for name, entry in document["slots"].items()}
    return SlotsState(int(document["revision"]), slots)


def _entry_from(fields: Mapping[str, Any]) -> SlotEntry:
    if fields["use"] not in get_args(Use):
        raise ValueError(f"use {fields['use']!r}; expected network or statistical")
    for name in ("active", "previous", "shadow"):
        if fields[name] is not None and not _IDENTITY.fullmatch(fields[name]):
            raise ValueError(f"{name} {fields[name]!r} is no identity of a bundle")
    return SlotEntry(fields["use"], fields["active"], fields["previous"], fields["shadow"])
