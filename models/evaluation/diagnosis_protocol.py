"""Protocol `diagnosis`: one recording, whole length, no training, judged as the product would live.

Duty: each unit's decisions by the product and by the baselines, then its label, then counts. Decides nothing
itself: the product's path is `models.recording_diagnosis`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dsp import bearing, envelope_orders, envelope_spectrum, fault_comb, shaft_speed
from dsp.errors import DspError
from dsp.samples import Float32Array
from models import fault_claims
from models.diagnosis import Diagnosis, DiagnosisSettings
from models.evaluation import diagnosis_baselines
from models.evaluation.diagnosis_baselines import CHANNEL_ID, decoy_comb_decision, plain_envelope_decision
from models.evaluation.outcome import (
    JudgedUnit,
    Outcome,
    Truth,
    calibration,
    counts,
    counts_by_grade,
    counts_by_stratum,
    fault_of,
    judged,
)
from models.evaluation.protocol import Run, Unit, UnreadableUnit
from models.evaluation.result import EvidencePicture, Rate, TaskResult
from models.evaluation.sealed import RevealedLabel
from models.machine import Machine
from models.recording_diagnosis import RecordingDiagnosis, abstention, diagnosed_recording

RULES = "rules"
Baseline = Callable[[Sequence[Float32Array], float, Machine, float | None], Diagnosis]
BASELINES: dict[str, Baseline] = {
    "baseline:decoy-comb": decoy_comb_decision,
    "baseline:plain-comb": plain_envelope_decision,
}
_DOUBTFUL = frozenset({
    Outcome.WRONG, Outcome.MISSED, Outcome.ABSTAIN, Outcome.HEALTHY_FALSE, Outcome.HEALTHY_ABSTAIN,
})  # fmt: skip
_EVIDENCE = (bearing, envelope_spectrum, envelope_orders, fault_comb, shaft_speed, fault_claims)


class DiagnosisProtocol:
    """Judges diagnoses of single recordings."""

    tasks = frozenset({"diagnosis"})

    def __init__(
        self, diagnosis: DiagnosisSettings | None = None, baselines: Mapping[str, Baseline] = BASELINES
    ) -> None:
        self._settings = diagnosis or DiagnosisSettings()
        self._baselines = dict(baselines)

    def settings(self) -> dict[str, Any]:
        """The product's settings and every constant of the evidence and of the baselines."""
        return {
            "settings": asdict(self._settings),
            "constants": {
                f"{module.__name__}.{name}": repr(value)
                for module in (*_EVIDENCE, diagnosis_baselines)
                for name, value in sorted(vars(module).items())
                if name.strip("_").isupper() and isinstance(value, int | float | tuple)
            },
        }

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """Counts per variant. A file that cannot be read is an abstention, as it would be in the product."""
        found: dict[str, list[JudgedUnit]] = {variant: [] for variant in (RULES, *self._baselines)}
        pictures: list[EvidencePicture] = []
        for unit in units:
            product = self._decide(unit)
            truth = _truth(unit.sealed.reveal())
            run.step()
            if truth is None:
                run.remark(f"{unit.name}: its label says neither healthy nor which fault, not scored")
                continue
            for variant, judgements in found.items():
                judgements.append(judged(unit.name, unit.sealed.decision(variant), truth))
            latest = found[RULES][-1]
            if run.pictures and latest.outcome in _DOUBTFUL:
                pictures.append(_picture(unit, product, latest))
        for damaged in unreadable:
            nothing = abstention(Machine("machine", "machine"), CHANNEL_ID, damaged.reason)
            for variant in found:
                damaged.sealed.write(variant, nothing)
            truth = _truth(damaged.sealed.reveal())
            run.step()
            if truth is not None:
                for judgements in found.values():
                    judgements.append(judged(damaged.name, nothing, truth))
        if not found[RULES]:
            return []
        return [
            _result(dataset, task, variant, judgements, pictures if variant == RULES else [])
            for variant, judgements in found.items()
        ]

    def _decide(self, unit: Unit) -> RecordingDiagnosis:
        """Writes every variant's decision on one unit; the product's with what it rests on."""
        waveforms = unit.waveforms
        samples = [np.ascontiguousarray(piece[:, unit.bearing_channel]) for piece in waveforms.stretches]
        rate_hz = waveforms.sample_rate_hz
        try:
            product = diagnosed_recording(
                samples, rate_hz, unit.machine, unit.shaft_hz, settings=self._settings, channel_id=CHANNEL_ID
            )
        except DspError as error:
            product = RecordingDiagnosis(abstention(unit.machine, CHANNEL_ID, str(error)), self._settings)
        unit.sealed.write(RULES, product.diagnosis)
        for variant, decide in self._baselines.items():
            try:
                decision = decide(samples, rate_hz, unit.machine, unit.shaft_hz)
            except DspError as error:
                decision = abstention(unit.machine, CHANNEL_ID, str(error))
            unit.sealed.write(variant, decision)
        return product


def _truth(revealed: RevealedLabel) -> Truth | None:
    if revealed.state == "healthy":
        return Truth(None, revealed.grade)
    fault = fault_of(revealed.fault or "")
    return Truth(fault, revealed.grade) if fault and revealed.state in ("faulty", "") else None


def _result(
    dataset: str, task: str, variant: str, units: list[JudgedUnit], pictures: Sequence[EvidencePicture]
) -> TaskResult:
    metrics = counts(units)
    faulted = sum(metrics[name] for name in ("right", "wrong", "missed", "abstain"))
    healthy = metrics["n"] - faulted
    rates = [Rate(f"{name} of faulted", metrics[name], faulted) for name in ("right", "wrong", "missed")]
    rates += [
        Rate(f"{words} of healthy", metrics[name], healthy)
        for name, words in (("healthy_false", "false"), ("healthy_abstain", "abstained"))
    ]
    return TaskResult(
        dataset=dataset,
        task=task,
        variant=variant,
        metrics=metrics,
        counts={
            "faulted": faulted,
            "healthy": healthy,
            "by_grade": counts_by_grade(units),
            "by_stratum": counts_by_stratum(units),
            "calibration": calibration(units),
        },
        units=[
            {
                "unit": unit.unit,
                "truth": unit.truth.fault or "healthy",
                "grade": unit.truth.grade,
                "verdict": unit.verdict.value,
                "fault": unit.fault,
                "confidence": unit.confidence,
                "text": unit.text,
                "outcome": unit.outcome.value,
                "first": unit.first,
            }
            for unit in units
        ],
        rates=[rate for rate in rates if rate.n],
        evidence=pictures,
    )


def _picture(unit: Unit, product: RecordingDiagnosis, found: JudgedUnit) -> EvidencePicture:
    return EvidencePicture(
        name=unit.name,
        caption=f"{found.outcome.value.replace('_', ' ')}: {found.verdict.value} "
        f"({found.text}); it is {found.truth.fault or 'healthy'}"
        + (f", grade {found.truth.grade}" if found.truth.grade else ""),
        found=product,
        bearing=unit.machine.bearing,
        truth=next(iter(found.truth.faults), None),
    )
