"""The model card: what a network was made from, what it is worth, and what it must not be used for.

Duty: words and figures of `training.json` as Markdown. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.training.judging import Quality
from models.training.rows import TrainingRows

_MAKES = {
    "autoencoder": "gives feature rows back through a narrow layer; what it cannot give back is the distance",
    "one-class": "maps healthy feature rows near to one point; how far a row lies from it is the distance",
    "temporal": "foretells a feature row from the eight before it; how far off the row is, is the distance",
}


def model_card(name: str, record: Mapping[str, Any], rows: TrainingRows, quality: Quality) -> str:
    """The card, Markdown."""
    learn, until, held = rows.parts()
    what = (
        "made-up rises of the held-out rows, because no faulty recording was given: **this says nothing "
        "about faults of a machine**"
        if record["made_up"]
        else f"faulty rows ({', '.join(rows.faults)})"
    )
    settings = record["settings"]
    options = [
        f"{settings['prune']:.0%} of each layer's weights cut" if settings["prune"] else "",
        "its last epochs computed as int8 does" if settings["quantisation_aware"] else "",
        f"a student of the bundle `{record['teacher'][:16]}`" if record["teacher"] else "",
    ]
    special = "; ".join(option for option in options if option)
    by_fault = "".join(f"| {fault} | {area:.4f} |\n" for fault, area in quality.by_fault.items())
    return f"""# {name}

A small network of the kind *{record["kind"]}*, {record["parameters"]:,} parameters: it
{_MAKES[record["kind"]]}.{f" Besides: {special}." if special else ""}

## Data

{rows.origin}. SHA-256 of the rows: `{rows.sha256}`.
{len(learn):,} healthy rows taught, {len(until):,} said when to stop (best after {record["epochs"]} epochs,
seed {record["seed"]}), {len(held):,} were held out. Features: {len(rows.feature_names)},
extractor `{rows.extractor_version}`.

## Figures

On held-out healthy items ({quality.healthy_items:,}) and {what}, {quality.faulty_items:,} items.
Float32, the reference; what int8 changes is printed by `stethos quantise`. Limit: 1.5 times the
largest excess of held-out healthy rows over the usual, median of five.

| | |
|---|---|
| AUROC | {quality.auroc:.4f} |
| pAUC up to 10 % false alarms | {quality.pauc:.4f} |
| alarm events, healthy sequences | {quality.healthy_alarms} |
| alarm events, faulty sequences | {quality.faulty_alarms} |
{by_fault}
## Limits of use

- For channels whose features have the manifest's names, by the same extractor: sensor and rate alike.
- Rows are moved by what a channel's own baseline learned; without a learned baseline there is no score.
- It knows how healthy levels varied in this data. Another speed, load or season may look like a fault.
- It names no fault. Diagnosis rests on evidence, not on this score.
- A fall of a level counts at most one spread: it is a load change or a loose sensor.
"""
