"""The model card of a network over pictures.

Duty: words and figures of `training.json` as Markdown. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.training.judging import Quality
from models.training.picture_material import ENOUGH_PICTURES

_MAKES = {
    "vision-good-parts": "learned from pictures of good parts alone, into which defects were drawn",
    "vision-segmenter": "learned from pictures in which defects of known kinds were marked",
}


def picture_card(name: str, record: Mapping[str, Any], quality: Quality) -> str:
    """The card, Markdown."""
    what = (
        "good pictures with made-up defects, because no defective part was given: **this says nothing about"
        " real defects**"
        if record["made_up"]
        else f"pictures of defective parts ({', '.join(record['judged_kinds'])})"
    )
    by_kind = "".join(f"| {kind} | {area:.4f} |\n" for kind, area in quality.by_fault.items())
    height, width = record["picture_size_px"]
    return f"""# {name}

A small network over pictures of the kind *{record["kind"]}*, {record["parameters"]:,} parameters. It
{_MAKES[record["kind"]]}. It gives a score, a heat map of cells of {record["cell_px"]} x {
        record["cell_px"]
    } pixels
and the hottest place{", and the kind of defect" if record["kinds"] else ""}.{
        " On the kind a linear discriminant of the whole picture's texture has a word, too."
        if record["texture"]
        else ""
    }

## Data

{record["origin"]}. SHA-256 of the pictures: `{record["data_sha256"]}`. Pictures of {width} x {height} pixels,
{record["taught"]} taught ({record["settings"]["steps"]} steps, seed {record["seed"]}),
{record["limit_pictures"]} good ones that did not teach say where the limit lies.

## Figures

On {quality.healthy_items} good pictures that did neither, and {quality.faulty_items} {what}. Float32, the
reference; what int8 changes is printed by `stethos quantise`. Limit: {_limit_rule(record["limit_pictures"])}.

| | |
|---|---|
| AUROC of pictures | {quality.auroc:.4f} |
| pAUC up to 10 % false calls | {quality.pauc:.4f} |
| good pictures called defective | {quality.healthy_alarms} of {quality.healthy_items} |
| defective pictures called so | {quality.faulty_alarms} of {quality.faulty_items} |
{by_kind}
## Limits of use

- For one camera in one place, with its light and its size of picture. Another lens, place or part needs
  another model.
- A defect smaller than a few pixels does not show; nor does what looks like the surface beside it.
- {
        "It names the kinds it was taught, of a defect of another kind the nearest."
        if record["kinds"]
        else "It names no kind of defect."
    }
- Too dark, too bright, or blurred pictures are to be refused before they reach it.
"""


def _limit_rule(n: int) -> str:
    """What the limit is of n good pictures, in words."""
    if n < ENOUGH_PICTURES:
        return (
            f"1.5 times the largest excess of {n} good pictures over the usual, because so few say little of"
            f" how far good parts go: {ENOUGH_PICTURES} that did not teach would give a nearer one"
        )
    return f"the largest of {n} good pictures: expect one good part in {n + 1} to be called defective"
