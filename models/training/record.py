"""`training.json` of a bundle: how its network was trained, and what it was trained from.

Duty: read it back, with the rows, so that the network can be quantised and judged again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from models.bundle import Bundle
from models.errors import BundleError, ManifestError
from models.manifest_fields import an_object, as_integer, as_text, each
from models.training.rows import ROWS_FILE, TrainingRows, from_bytes

RECORD_FILE = "training.json"


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What quantising needs to know of a training."""

    kind: str
    seed: int
    steps: int  # rows of one item; 0 where an item is a row
    faults: tuple[str, ...]
    origin: str
    made_up: bool = False  # no faulty item was given


def record_of(bundle: Bundle) -> TrainingRecord:
    """A bundle's record. Raises BundleError where it has none, or one that cannot be read."""
    if RECORD_FILE not in bundle.files:
        raise BundleError(f"the bundle has no {RECORD_FILE}: it was not made by `stethos train`")
    try:
        fields = an_object(json.loads(bundle.files[RECORD_FILE]), RECORD_FILE)
        return TrainingRecord(
            kind=as_text(fields["kind"], "kind"),
            seed=as_integer(fields["seed"], "seed"),
            steps=as_integer(fields["steps"], "steps"),
            faults=each(fields, RECORD_FILE, "faults", as_text),
            origin=as_text(fields["origin"], "origin"),
            made_up=bool(fields.get("made_up", False)),
        )
    except (KeyError, ValueError, RecursionError, ManifestError) as error:
        raise BundleError(f"{RECORD_FILE} cannot be read: {type(error).__name__} {error}") from error


def rows_of(bundle: Bundle) -> TrainingRows:
    """A bundle's rows. Raises BundleError where it has none, or ones that cannot be read."""
    if ROWS_FILE not in bundle.files:
        raise BundleError(f"the bundle has no {ROWS_FILE}: nothing to calibrate and judge int8 with")
    record = record_of(bundle)
    manifest = bundle.manifest
    return from_bytes(
        bundle.files[ROWS_FILE],
        manifest.feature_names,
        manifest.extractor_version,
        record.faults,
        record.origin,
    )
