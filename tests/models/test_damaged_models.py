"""A few dozen damaged models per runtime; `make damaged-models` runs hundreds, says what became of all."""

from __future__ import annotations

import pytest

from tests.damaged_models.cases import CASES, host_survives, probes, right_scores
from tests.damaged_models.damage import KINDS, damaged
from tests.damaged_models.sweep import Damage, Verdict, sweep

N_DAMAGES = 45
SOUND = {Verdict.REFUSED, Verdict.GOLDEN, Verdict.FAILED, Verdict.SAME, Verdict.CRASH, Verdict.HANG}


@pytest.mark.parametrize("name", CASES)
def test_no_damage_gives_wrong_scores_unseen_and_no_error_escapes(name: str) -> None:
    manifest, artefact = CASES[name]()
    damages = [Damage(kind, data) for kind, data in damaged(artefact, N_DAMAGES, seed=4)]
    assert {damage.kind for damage in damages} == set(KINDS)
    found = sweep(manifest, [Damage("none", artefact), *damages], probes(name), right_scores(name))
    assert found[0].verdict is Verdict.SAME, f"the sound model: {found[0].reason}"
    assert found[0].off < 1e-5
    verdicts = {one.verdict for one in found}
    assert verdicts <= SOUND, [one for one in found if one.verdict not in SOUND]
    assert {Verdict.REFUSED, Verdict.GOLDEN} <= verdicts, "the damages reach neither parser nor weights"


@pytest.mark.parametrize("name", ["onnxruntime-int8", "openvino-int8", "litert-int8"])
def test_the_host_answers_rightly_beside_a_damaged_first_choice(name: str) -> None:
    """The first damage that the parser lets through, and the first that it refuses."""
    manifest, artefact = CASES[name]()
    damages = [Damage(kind, data) for kind, data in damaged(artefact, N_DAMAGES, seed=4)]
    judged = sweep(manifest, damages, probes(name), right_scores(name))
    for verdict in (Verdict.GOLDEN, Verdict.REFUSED):
        first = next(one.damage for one in judged if one.verdict is verdict)
        assert host_survives(name, first.artefact), f"{verdict}: {first.kind}"
