"""A bundle is quantised for every runtime, each artefact compared with float32, refused where it changed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models.backends.network import BackendOptions
from models.backends.onnxruntime_backend import OnnxNetwork
from models.backends.table import backend_named
from models.bundle import Bundle, verified
from models.errors import BundleError
from models.evaluation.int8_gate import Gate
from models.manifest import Precision, golden_differences, golden_inputs
from models.network import from_artefact, to_artefact
from models.network_score import prepare
from models.training.judging import Quality
from models.training.processor import safe_weight_bits
from models.training.quantiser import quantise
from models.training.quantising import Verdict, quantised_bundle
from models.training.record import RECORD_FILE, record_of, rows_of
from models.training.runtime_files import FLOAT_FILE, INT8_ONNX
from tests.fakes.linear_bundle import linear_bundle

BUNDLE = linear_bundle()
MADE, VERDICTS = quantised_bundle(BUNDLE, 8)
RAN = {
    ("numpy_reference", "float32"), ("onnxruntime", "float32"), ("openvino", "float32"),
    ("numpy_reference", "int8"), ("onnxruntime", "int8"), ("openvino", "int8"), ("litert", "int8"),
    ("tensorrt", "int8"),
}  # fmt: skip


def test_every_runtime_has_its_artefact_and_passes() -> None:
    assert {(v.entry.backend, str(v.entry.precision)) for v in VERDICTS} == RAN
    for verdict in VERDICTS:
        assert verdict.refusals() == []
        assert verdict.correlation > 0.995
        assert verdict.score_correlation > 0.995
        assert 0 < verdict.latency_us[0] <= verdict.latency_us[1]
        assert 100 <= verdict.calibrated_with <= 1000
    assert verified(MADE.contents()).identity == MADE.identity


def test_each_artefact_has_its_own_limit_and_golden_outputs_which_its_runtime_gives() -> None:
    for entry in MADE.manifest.artefacts:
        if entry.backend == "tensorrt":
            assert "not on the device" in entry.fitted_in
            continue
        backend = backend_named(entry.backend, BackendOptions())
        backend.load(MADE.manifest, MADE.files[entry.file])
        outputs = backend.infer(golden_inputs(MADE.manifest))
        assert golden_differences(MADE.manifest, entry, outputs) == []
        assert entry.backend.split("_")[0] in entry.fitted_in
    limits = {entry.limit for entry in MADE.manifest.artefacts if entry.precision is Precision.INT8}
    assert len(limits) > 1


def test_only_what_the_runtime_quantises_by_itself_states_no_scales() -> None:
    for entry in MADE.manifest.artefacts:
        assert (entry.input_quantisation is not None) is (entry.backend == "litert")


def test_quantising_again_gives_the_same() -> None:
    from_quantised, _ = quantised_bundle(MADE, 8)
    assert from_quantised.identity == MADE.identity


def test_a_runtime_that_is_not_there_is_said_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openvino", None)
    said: list[str] = []
    made, _ = quantised_bundle(BUNDLE, 7, said.append)
    assert {entry.backend for entry in made.manifest.artefacts} == {name for name, _ in RAN} - {"openvino"}
    assert len(said) == 2
    assert all("openvino" in one and "left out" in one for one in said)
    entry = made.manifest.artefact_for("onnxruntime", Precision.INT8)
    assert entry.weight_bits == 7


def test_golden_vectors_catch_a_network_that_was_changed() -> None:
    """One weight of the int8 network in the last third of its range: the score is wrong, and it is seen."""
    entry = MADE.manifest.artefact_for("numpy_reference", Precision.INT8)
    fields = json.loads(MADE.files[entry.file])
    seen = 0
    for position in range(3):
        network = from_artefact(MADE.files[entry.file])
        layer = network.layers[0]
        weights = layer.weights.copy()
        weights.ravel()[int(np.argsort(np.abs(weights.ravel()))[position])] = 127
        changed = replace(network, layers=(replace(layer, weights=weights), *network.layers[1:]))
        assert fields != json.loads(to_artefact(changed))
        spec = MADE.manifest.network
        assert spec is not None
        prepared = prepare(spec, golden_inputs(MADE.manifest))
        from models.network_score import scores

        outputs = scores(spec, prepared, changed.run(prepared.inputs), entry.limit)
        seen += bool(golden_differences(MADE.manifest, entry, outputs))
    assert seen == 3


def verdict(**changes: object) -> Verdict:
    reference = Quality(0.9, 0.8, {"a": 0.9, "b": 0.8}, 0, 6, 100, 100)
    quality = replace(reference, **changes)  # type: ignore[arg-type]
    return Verdict(MADE.manifest.artefacts[0], quality, reference, 1.0, 1.0, 480, (10.0, 20.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"auroc": 0.9015, "by_fault": {"a": 0.9015, "b": 0.8015}}, []),
        ({"auroc": 0.903, "by_fault": {"a": 0.903, "b": 0.803}}, ["mean AUROC change 0.0030"]),
        ({"by_fault": {"a": 0.9, "b": 0.8055}}, ["worst AUROC change 0.0055"]),
        ({"by_fault": {"a": 0.9, "b": 0.7945}}, ["worst AUROC change 0.0055"]),
        ({"faulty_alarms": 5}, []),
        ({"faulty_alarms": 4}, ["alarm events changed by -2"]),
        ({"healthy_alarms": 2}, ["alarm events changed by +2"]),
    ],
)
def test_the_gate(changes: dict[str, object], words: list[str]) -> None:
    said = verdict(**changes).refusals()
    assert len(said) == len(words)
    for one, word in zip(said, words, strict=True):
        assert word in one


def test_a_network_that_int8_cannot_follow_is_refused() -> None:
    """One direction is a thousand times larger than the others: a scale for all leaves them nothing."""
    network = from_artefact(BUNDLE.files[FLOAT_FILE])
    first, second = network.layers
    grown = np.ones((4, 1), np.float32)
    grown[0] = 1000.0
    wide = replace(
        network,
        layers=(
            replace(first, weights=first.weights * grown),
            replace(second, weights=second.weights / grown.T),
        ),
    )
    content = to_artefact(wide)
    from models.bundle import artefact_of

    entry = artefact_of(BUNDLE.manifest.artefacts[0], FLOAT_FILE, content)
    bundle = Bundle(replace(BUNDLE.manifest, artefacts=(entry,)), {**BUNDLE.files, FLOAT_FILE: content})
    _, verdicts = quantised_bundle(bundle, 8)
    refused = {v.entry.backend for v in verdicts if v.refusals()}
    assert {"numpy_reference", "litert"} <= refused
    assert not any(v.refusals() for v in verdicts if v.entry.precision is Precision.FLOAT32)


def test_golden_outputs_are_what_the_file_says_and_a_runtime_that_gives_others_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where 8-bit weights were asked for and saturate: wrong outputs must not become the right ones."""
    sound = MADE.manifest.artefact_for("onnxruntime", Precision.INT8)
    run = OnnxNetwork.run
    monkeypatch.setattr(OnnxNetwork, "run", lambda network, batch: 0.9 * run(network, batch))
    made, verdicts = quantised_bundle(BUNDLE, 8)
    (wrong,) = (
        v for v in verdicts if (v.entry.backend, v.entry.precision) == ("onnxruntime", Precision.INT8)
    )
    (said,) = wrong.refusals(Gate(mean_auroc=1.0, worst_auroc=1.0, alarm_events=1000))
    assert "computes other than the file says: golden input" in said
    assert "--weight-bits 7" in said
    entry = made.manifest.artefact_for("onnxruntime", Precision.INT8)
    ratio = entry.limit / sound.limit  # the limit is fitted in the runtime, whatever that gives
    np.testing.assert_allclose(np.multiply(entry.golden_outputs, ratio), sound.golden_outputs, rtol=1e-5)
    others = {v.entry.backend for v in verdicts if v.wrong}
    assert others == {"onnxruntime", "tensorrt"}, "whose file ONNX Runtime runs here"


@pytest.mark.parametrize("file", ["rows.npz", RECORD_FILE])
def test_a_bundle_that_was_not_trained_here_is_refused(file: str) -> None:
    kept = tuple(one for one in BUNDLE.manifest.files if one.file != file)
    files = {name: content for name, content in BUNDLE.files.items() if name != file}
    with pytest.raises(BundleError, match=file.replace(".", r"\.")):
        quantised_bundle(Bundle(replace(BUNDLE.manifest, files=kept), files), 8)
    broken = Bundle(BUNDLE.manifest, {**BUNDLE.files, file: b"{}"})
    with pytest.raises(BundleError, match="cannot be read"):
        (record_of if file == RECORD_FILE else rows_of)(broken)


def test_int8_files_are_smaller_where_it_matters() -> None:
    sizes = {(e.backend, str(e.precision)): e.size_bytes for e in MADE.manifest.artefacts}
    assert sizes["numpy_reference", "int8"] < sizes["numpy_reference", "float32"]
    assert INT8_ONNX in MADE.files
    network = from_artefact(MADE.files["int8.json"])
    assert network.quantised
    assert quantise(from_artefact(MADE.files[FLOAT_FILE]), np.zeros((100, 16), np.float32)).quantised


INTEL = "processor : 0\nflags\t\t: fpu sse2 avx2 {}\n\nprocessor : 1\nflags\t\t: fpu sse2 avx2 {}\n"


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "bits"),
    [
        (INTEL.format("avx512_vnni", "avx512_vnni"), "x86_64", 8),
        (INTEL.format("avx_vnni", "avx_vnni"), "x86_64", 8),
        (INTEL.format("", ""), "x86_64", 7),
        (INTEL.format("avx512_vnni", ""), "x86_64", 7),
        ("", "x86_64", 7),
        ("Features : asimd asimddp", "aarch64", 8),
        ("", "armv7l", 8),
    ],
)
def test_weights_get_7_bits_unless_every_processor_reports_vnni(
    cpuinfo: str, machine: str, bits: int
) -> None:
    assert safe_weight_bits(cpuinfo, machine) == bits
