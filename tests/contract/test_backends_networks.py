"""What the backends that run a network owe beyond the contract: no silent fallback, no silent misfit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from models.backends.network import BackendOptions, Network, NetworkBackend
from models.backends.onnxruntime_backend import PROVIDERS as PROVIDER_ROWS
from models.backends.runtime_version import is_older, runtime_version
from models.backends.table import backend_named
from models.errors import ArtefactError, BackendUnavailableError, InferenceError
from models.manifest import Artefact, ModelManifest
from models.manifest_entries import Precision, Quantisation
from tests.fakes import small_network
from tests.fakes import tiny_networks as tiny
from tests.fakes.edgetpu_delegate import delegate_library

NETWORKS = {
    "onnxruntime": tiny.onnx_int8,
    "openvino": tiny.onnx_int8,
    "litert": tiny.tflite_int8,
    "coral_edgetpu": tiny.tflite_compiled,
}
PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}


def package(backend: str, artefact: bytes) -> tuple[ModelManifest, bytes]:
    return tiny.manifest_of(artefact, backend, precision=Precision.INT8), artefact


@pytest.fixture(params=NETWORKS, ids=str)
def backend_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def options(backend_name: str) -> BackendOptions:
    return BackendOptions(library=delegate_library() if backend_name == "coral_edgetpu" else "")


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_that_is_not_there_is_an_error_never_the_cpu(name: str) -> None:
    import onnxruntime

    if PROVIDERS[name] in onnxruntime.get_available_providers():
        pytest.skip(f"this machine has {PROVIDERS[name]}")
    with pytest.raises(BackendUnavailableError, match=PROVIDERS[name]):
        backend_named(name, BackendOptions()).load(*package(name, tiny.onnx_int8()))


def test_openvino_refuses_a_device_that_is_not_there() -> None:
    with pytest.raises(BackendUnavailableError, match=r"GPU\.7.*CPU"):
        backend_named("openvino", BackendOptions(device="GPU.7")).load(*package("openvino", tiny.onnx_int8()))


def test_openvino_computes_float32_networks_in_float32() -> None:
    backend = backend_named("openvino", BackendOptions())
    backend.load(*package("openvino", tiny.onnx_float()))
    batch = tiny.rows(64)
    # bfloat16 has 8 bits: its scores would be off by about 1e-2
    np.testing.assert_allclose(backend.infer(batch), tiny.scores_of(batch), rtol=1e-5)


def test_the_edge_tpu_refuses_a_network_that_was_not_compiled_for_it() -> None:
    backend = backend_named("coral_edgetpu", BackendOptions(library=delegate_library()))
    with pytest.raises(ArtefactError, match="not compiled"):
        backend.load(*package("coral_edgetpu", tiny.tflite_int8()))


def test_litert_refuses_a_network_that_was_compiled_for_the_edge_tpu() -> None:
    with pytest.raises(ArtefactError, match="edgetpu-custom-op"):
        backend_named("litert", BackendOptions()).load(*package("litert", tiny.tflite_compiled()))


@pytest.mark.parametrize(
    ("library", "settings", "error"),
    [
        ("/nowhere/libedgetpu.so.1", {}, BackendUnavailableError),
        ("libc.so.6", {}, BackendUnavailableError),  # a library, but no delegate
        ("", {"fail": "create"}, BackendUnavailableError),
        ("", {"fail": "prepare"}, ArtefactError),
        ("", {"fail": "invoke"}, ArtefactError),
    ],
)
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # of LiteRT's half-made Delegate
def test_an_edge_tpu_that_does_not_answer_is_an_error(
    library: str, settings: dict[str, str], error: type[Exception]
) -> None:
    options = BackendOptions(library=library or delegate_library(), settings=settings)
    with pytest.raises(error):
        backend_named("coral_edgetpu", options).load(*package("coral_edgetpu", tiny.tflite_compiled()))


def test_an_edge_tpu_that_is_unplugged_fails_that_call_and_gives_no_stale_answer() -> None:
    options = BackendOptions(library=delegate_library(), settings={"fail": "invoke", "after": "3"})
    backend = backend_named("coral_edgetpu", options)
    backend.load(*package("coral_edgetpu", tiny.tflite_compiled()))  # the first call
    batch = tiny.rows(2)
    np.testing.assert_allclose(backend.infer(batch), tiny.halved_scores_of(batch), atol=0.03)
    for _ in range(2):
        with pytest.raises(InferenceError, match="unplugged"):
            backend.infer(batch)


def test_a_network_of_another_width_is_refused(backend_name: str, options: BackendOptions) -> None:
    manifest, artefact = package(backend_name, NETWORKS[backend_name]())
    assert manifest.network is not None
    narrower = replace(
        manifest.network,
        columns=tuple(range(5)),
        centre=(-30.0,) * 5,
        spread=(1.0,) * 5,
        output_spread=(1.0,) * 5,
    )
    with pytest.raises(ArtefactError, match="takes"):
        backend_named(backend_name, options).load(replace(manifest, network=narrower), artefact)


def test_a_package_without_a_network_is_refused(backend_name: str, options: BackendOptions) -> None:
    manifest, artefact = package(backend_name, NETWORKS[backend_name]())
    with pytest.raises(ArtefactError, match="no network"):
        backend_named(backend_name, options).load(replace(manifest, network=None), artefact)


@pytest.mark.parametrize("name", ["litert", "coral_edgetpu"])
def test_a_scale_that_is_not_the_manifest_s_is_refused(name: str) -> None:
    options = BackendOptions(library=delegate_library() if name == "coral_edgetpu" else "")
    manifest, artefact = package(name, NETWORKS[name]())
    right = replace(manifest.artefacts[0], input_quantisation=Quantisation(tiny.IN_SCALE, 0))
    backend_named(name, options).load(replace(manifest, artefacts=(right,)), artefact)
    wrong = replace(right, input_quantisation=Quantisation(tiny.IN_SCALE, 1))
    with pytest.raises(ArtefactError, match="zero point"):
        backend_named(name, options).load(replace(manifest, artefacts=(wrong,)), artefact)


def test_what_lies_beyond_the_network_s_reach_still_counts(
    backend_name: str, options: BackendOptions
) -> None:
    backend = backend_named(backend_name, options)
    backend.load(*package(backend_name, NETWORKS[backend_name]()))
    near, far = tiny.rows(1), tiny.rows(1)
    near[0, 4], far[0, 4] = -30 + tiny.REACH, 50.0
    assert backend.infer(far)[0] > 3 * backend.infer(near)[0]


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("where", ["relative", "absolute", "above"])
def test_weights_in_a_file_that_nobody_verified_are_refused(
    name: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX may name another file for its weights, anywhere on the disk."""
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path / "models")
    location = {"relative": "weights.bin", "absolute": str(tmp_path / "models" / "weights.bin")}.get(
        where, "../models/weights.bin"
    )
    model = onnx.load_from_string(tiny.onnx_float())
    onnx.save_model(
        model, "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )  # fmt: skip
    outside = onnx.load("model.onnx", load_external_data=False)
    for tensor in outside.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    manifest, artefact = package(name, outside.SerializeToString())
    with pytest.raises(ArtefactError, match="other files"):
        backend_named(name, BackendOptions()).load(manifest, artefact)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # ONNX Runtime's only word on what it did
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_that_says_it_is_there_and_is_not_used_is_an_error(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime then makes a session on the CPU, and only warns."""
    import onnxruntime

    have = onnxruntime.get_available_providers()
    if PROVIDERS[name] in have:
        pytest.skip(f"this machine has {PROVIDERS[name]}")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [PROVIDERS[name], *have])
    with pytest.raises(BackendUnavailableError, match=f"fell back from {PROVIDERS[name]}"):
        backend_named(name, BackendOptions()).load(*package(name, tiny.onnx_int8()))


def test_two_networks_of_one_shape_never_share_a_compiled_engine(tmp_path: Path) -> None:
    """TensorRT's provider names an engine by the graph, not by its weights: another's would be loaded."""
    seen: list[BackendOptions] = []

    def opened(artefact: bytes, entry: Artefact, options: BackendOptions) -> Network:
        seen.append(options)
        raise ArtefactError("enough seen")

    for artefact in (tiny.onnx_float(), tiny.onnx_int8()):
        backend = NetworkBackend("tensorrt", opened, BackendOptions(cache_folder=str(tmp_path / "engines")))
        with pytest.raises(ArtefactError, match="enough seen"):
            backend.load(*package("tensorrt", artefact))
    first, second = (Path(options.cache_folder) for options in seen)
    assert first != second
    assert first.parent == second.parent == tmp_path / "engines"
    assert first.is_dir()
    said = PROVIDER_ROWS["tensorrt"].said(seen[0])
    assert said["trt_engine_cache_path"] == str(first)
    assert said["trt_engine_cache_enable"] == "1"


@pytest.mark.parametrize("name", ["numpy_reference", "onnxruntime", "openvino", "litert"])
def test_a_runtime_older_than_the_artefact_needs_is_refused_and_the_same_one_is_not(name: str) -> None:
    manifest, artefact = small_network.package(name)
    here = runtime_version(name)
    assert here

    def needing(release: str) -> ModelManifest:
        return replace(manifest, artefacts=(replace(manifest.artefacts[0], min_runtime=release),))

    backend = backend_named(name, BackendOptions())
    for release in ("", "0.1", here):
        backend.load(needing(release), artefact)
    for release in ("9999.1", f"{here}.1"):
        with pytest.raises(BackendUnavailableError, match=f"needs .*{release}.* has {here}"):
            backend.load(needing(release), artefact)
    assert backend.infer(small_network.rows(2, 1)).shape == (2,)


def test_releases_are_compared_as_numbers() -> None:
    assert is_older("1.9.2", "1.31.1")
    assert not is_older("1.31.1", "1.9.2")
    assert not is_older("2.4.6", "2.4")
    assert is_older("2026.4.0-21-releases", "2026.4.1")
    assert not is_older("", "1.0")  # what is not known refuses nothing: golden vectors judge
