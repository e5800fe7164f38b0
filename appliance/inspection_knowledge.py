"""What is known of one camera's good pictures, and what inspects by it: the pure middle of an inspection.

Duty: the first pictures teach how a picture of this camera looks and what a good part looks like; then
picture -> quality -> inspector, with the learned difference behind a model that fails. Holds no files, knows
no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import ModelError, ModelStateError, PictureError
from models.vision.inspection import Inspection, Inspector, UInt8Array, grey
from models.vision.picture_quality import (
    ABSOLUTE,
    PictureFigures,
    QualityLimits,
    learned_quality,
    picture_figures,
)
from models.vision.reference_difference import ReferenceDifference, ReferenceLearner

LEAST_LEARN_PICTURES = 12
_QUALITY, _REFERENCE = "quality.", "reference."


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What came of one picture: an inspection, or why there is none.

    `trouble`: the model failed, though something may have answered in its place. `learned`: this picture
    ended the learning.
    """

    inspection: Inspection | None
    unusable: str = ""  # the picture cannot be judged
    learning: str = ""  # nothing can judge yet
    trouble: str = ""
    learned: bool = False


class CameraKnowledge:
    """One camera's. `look` at one picture after the other; one thread at a time."""

    def __init__(
        self, learn_pictures: int, model: Inspector | None = None, preferred_runtime: str = ""
    ) -> None:
        """`learn_pictures`: of good parts, at the begin. `model`: what inspects before what is learned. That
        another runtime than the preferred one answers is told as trouble."""
        self._needed = max(learn_pictures, LEAST_LEARN_PICTURES)
        self._model, self._preferred = model, preferred_runtime
        self._quality = ABSOLUTE
        self._reference: ReferenceDifference | None = None
        self._figures: list[PictureFigures] = []
        self._learner: ReferenceLearner | None = None
        self._learner_size_px = (0, 0)  # height, width
        self.begun_anew = 0  # how often a picture of another size ended the learning
        self.forgotten = ""  # why what was learned before cannot be used: nobody asked for learning anew

    @property
    def learned(self) -> bool:
        """Whether the learning has ended."""
        return self._reference is not None

    @property
    def progress(self) -> tuple[int, int]:
        """(good pictures seen, needed)."""
        return (self._needed if self.learned else len(self._figures), self._needed)

    def look(self, picture: UInt8Array) -> Look:
        """Everything about one picture. Blocking; raises nothing that a picture or a model can cause."""
        try:
            seen = grey(picture, (picture.shape[0], picture.shape[1]))
            figures = picture_figures(seen)
        except (PictureError, IndexError, ValueError) as error:
            return Look(None, unusable=f"it is no picture that can be looked at ({error})")
        quality = self._quality.verdict(figures)
        if not quality.usable:
            return Look(None, unusable=quality.text)
        inspection, trouble = self._inspected(picture)
        learned, other_size = False, ""
        if not self.learned and not (inspection is not None and inspection.is_defect):
            learned, other_size = self._learn(seen, figures)
        if inspection is not None or trouble:
            return Look(inspection, trouble=trouble, learned=learned)
        n, needed = self.progress
        learning = other_size or f"{n} of {needed} pictures of good parts are learned"
        return Look(None, learning=learning, trouble=self.forgotten, learned=learned)

    def _inspected(self, picture: UInt8Array) -> tuple[Inspection | None, str]:
        trouble = ""
        for inspector in (self._model, self._reference):
            if inspector is None:
                continue
            try:
                found = inspector.inspect(picture)
            except ModelError as error:
                trouble = trouble or f"the model fails ({error})"
                continue
            if inspector is self._model and self._preferred not in ("", found.backend):
                trouble = f"{self._preferred} does not answer, {found.backend} does in its place"
            return found, trouble
        return None, trouble

    def _learn(self, seen: UInt8Array, figures: PictureFigures) -> tuple[bool, str]:
        """Whether this picture ended the learning; or why it began it anew."""
        size_px = (seen.shape[0], seen.shape[1])
        try:
            if self._learner is None:
                self._learner, self._learner_size_px = ReferenceLearner(size_px), size_px
            self._learner.observe(seen)
        except PictureError:  # of another size than those before: the camera was changed, begin anew
            (height, width), (h, w) = self._learner_size_px, size_px
            self._learner, self._figures = None, []
            self.begun_anew += 1
            reason = f"it has {w} x {h} pixels, those before had {width} x {height}: learning begins anew"
            return False, reason
        self._figures.append(figures)
        if len(self._figures) < self._needed:
            return False, ""
        self._quality, self._reference = learned_quality(self._figures), self._learner.finish()
        self._figures, self._learner = [], None
        return True, ""

    def state(self) -> dict[str, Any]:
        """What was learned, as arrays for `restore`; empty before."""
        if self._reference is None:
            return {}
        return {
            **{_QUALITY + name: value for name, value in self._quality.state().items()},
            **{_REFERENCE + name: value for name, value in self._reference.state().items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave. Raises ModelStateError; nothing is taken over then."""
        if not state:
            raise ModelStateError("what was learned of a camera is empty")
        reference = ReferenceDifference.restored(_under(state, _REFERENCE))
        self._quality, self._reference = QualityLimits.restored(_under(state, _QUALITY)), reference


def _under(state: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
