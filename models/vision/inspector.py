"""A bundle of a network over pictures as an inspector, through the model host and its chain of runtimes.

Duty: a camera's picture to the network's grey values, the host's answer to a verdict. The runtimes live in
child processes; where one crashes or hangs, the next gives the answer within the deadline. Reads no file
(`models.store.read_bundle` does) and decides nothing about parts: late, dark or blurred is others' to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np

from models.bundle import Bundle
from models.errors import ArtefactError, InferenceError
from models.fallback_chain import ChainRules, Move
from models.host import PASS_THROUGH, STATISTICAL, HostAnswer, ModelHost, TierReport
from models.host_tiers import Tier, workers_of
from models.vision.inspection import UNSURE_BAND, Inspection, UInt8Array, grey
from models.vision.picture_score import PictureSpec, shrunk, taken_apart, within_rim

MAX_PICTURES = 2  # per call: the picture, and now and then a golden one that rides along
PICTURE_DEADLINE_NS = 100_000_000
DEFAULT_TIERS = (Tier("onnxruntime"), Tier("numpy_reference"))
_KIND_SHARE = 0.5  # less of the evidence speaks for no kind


class NetworkInspector:
    """Implements `inspection.Inspector`; `with` starts and ends its runtimes. Any thread may ask.

    `tiers` in the order of preference, `rules` with the deadline of one picture. Raises ArtefactError for a
    bundle that inspects no pictures, or has no file for a tier.
    """

    def __init__(
        self,
        bundle: Bundle,
        tiers: Sequence[Tier] = DEFAULT_TIERS,
        rules: ChainRules | None = None,
        unsure_band: float = UNSURE_BAND,
    ) -> None:
        spec = bundle.manifest.picture
        if spec is None:
            raise ArtefactError(f"model {bundle.manifest.name!r} inspects no pictures")
        self._spec: PictureSpec = spec
        self._unsure_band = unsure_band
        self._host = ModelHost(
            workers_of(bundle, tiers, MAX_PICTURES),
            None,
            rules or ChainRules(deadline_ns=PICTURE_DEADLINE_NS),
        )

    def __enter__(self) -> NetworkInspector:
        self._host.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.__exit__(kind, error, trace)

    @property
    def picture_size_px(self) -> tuple[int, int]:
        """(height, width) of the pictures that it inspects."""
        return self._spec.picture_size_px

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of defects that it names; empty where it names none."""
        return self._spec.kinds

    def inspect(self, picture: UInt8Array) -> Inspection:
        """The verdict on a picture `(h, w)` or `(h, w, 3)`, within the deadline of the rules.

        The score is in units of the limit of the artefact that answered. Raises PictureError for another size
        or type, InferenceError where no runtime answered in time.
        """
        values = shrunk(grey(picture, self._spec.picture_size_px).astype(np.float32), self._spec.shrink)
        answer = self._host.infer(values[np.newaxis])
        if answer.backend in (STATISTICAL, PASS_THROUGH):
            raise InferenceError(f"no runtime inspected the picture: {answer.reason}")
        return self._inspection(answer)

    def _inspection(self, answer: HostAnswer) -> Inspection:
        spec = self._spec
        found = taken_apart(spec, answer.scores[0])
        kind = None
        if spec.kinds and found.score > 1.0:
            strongest = int(found.kind_shares.argmax())
            kind = spec.kinds[strongest] if found.kind_shares[strongest] >= _KIND_SHARE else None
        return Inspection(
            score=found.score,
            limit=1.0,
            position_px=_middle(found.heat, spec.picture_size_px),
            kind=kind,
            heat_map=found.heat,
            unsure_band=self._unsure_band,
            backend=answer.backend,
        )

    def moves(self) -> list[Move]:
        """Climbs down and up the chain of runtimes since this was asked last."""
        return self._host.moves()

    def report(self) -> list[TierReport]:
        """How the runtimes stand now."""
        return self._host.report()


def _middle(heat: np.ndarray, size_px: tuple[int, int]) -> tuple[int, int] | None:
    """(x, y) of the middle of the hottest cell within the rim; None where all cells are alike."""
    if float(heat.max()) <= float(heat.min()):
        return None
    judged = within_rim(heat.shape)
    part = heat[judged]
    row, column = np.unravel_index(int(part.argmax()), part.shape)
    row, column = row + judged[0].start, column + judged[1].start
    height, width = size_px
    return int((column + 0.5) * width / heat.shape[1]), int((row + 0.5) * height / heat.shape[0])
