"""A bundle's network in the place of the robust baseline's statistic: rows moved to what it knows, scored.

Duty: what stands between a learned channel and a network that was trained elsewhere. Who runs the network is
the caller's: a backend in this process or the model host. Off unless a person names a bundle.

A network knows how levels vary together around one usual level, not how loud this channel is: a row is moved
by the difference between its own learned baseline and the network's centre, each feature on its scale. Whose
network needs the rows before a row gives them too (`models.row_history`). Of a log spectrum the baseline
knows the level bands alone: a fine band is moved by the difference between the network's centre of its level
band (the power sum of the fine centres) and the baseline's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsp.log_spectrum import LOG_SPECTRUM_VERSION
from dsp.samples import Float32Array, Float64Array
from models.backend import InferenceBackend
from models.baseline import Baseline, FeatureScale
from models.errors import ModelError, ModelStateError
from models.manifest import ModelManifest
from models.nested_bands import parents_of, summed_db
from models.network_score import NetworkForm, NetworkSpec, moved
from models.tensors import tensor_order


@dataclass(frozen=True, slots=True, eq=False)
class NetworkAnswer:
    """Scores `(n,)`, 1.0 = limit, NaN for a row that states nothing; and the backend that gave them."""

    scores: Float32Array
    backend: str


Ask = Callable[[Float32Array], NetworkAnswer]


def asked_of(backend: InferenceBackend) -> Ask:
    """Whom a judge asks where one backend in this process answers; a model host has an `Ask` of its own."""
    return lambda rows: NetworkAnswer(backend.infer(rows), backend.name)


class NetworkJudge:
    """Scores feature rows by a network; any thread may ask, where whom it asks lets any thread ask."""

    def __init__(self, manifest: ModelManifest, ask: Ask) -> None:
        """`ask` gives scores of rows in the manifest's order; it may raise ModelError.

        Raises ModelStateError for a model that is no network on rows.
        """
        if manifest.network is None:
            raise ModelStateError(
                f"model {manifest.name!r} is no network: live windows cannot be scored by it"
            )
        self.name = f"{manifest.name} {manifest.version}"
        self._manifest = manifest
        self._spec: NetworkSpec = manifest.network
        temporal = manifest.network.form is NetworkForm.PREDICTION
        self.steps = manifest.input_shape[0] if temporal else 0  # rows of an item; 0: an item is a row
        self.reads_log_spectrum = manifest.extractor_version == LOG_SPECTRUM_VERSION
        self._known: dict[tuple[str, ...], tuple[npt.NDArray[np.intp], Float64Array]] = {}
        self._levels = np.array([scale is FeatureScale.LEVEL for scale in self._spec.scales])
        self._ask = ask

    def require(self, offered: Mapping[str, Sequence[str]]) -> None:
        """Raises TensorError or ModelStateError where nothing that there is of a window fits the network.

        `offered`: names of features by extractor version.
        """
        version = self._manifest.extractor_version
        if version not in offered:
            raise ModelStateError(
                f"model {self._manifest.name!r} was made with extractor {version!r}; features are of"
                f" {' or '.join(map(repr, offered))}"
            )
        tensor_order(offered[version], self._manifest)

    def inputs(
        self, baseline: Baseline, batch: Float32Array, names: tuple[str, ...] | None = None
    ) -> Float32Array:
        """`(n, n_features)` in the manifest's order: rows of the channel that `baseline` is of, moved.

        Of a temporal network `(n, steps, n_features)`, there and here. `names`: of the rows' features;
        without them, those that the baseline learned. Raises TensorError where features do not fit.
        """
        order = tensor_order(names or baseline.feature_names, self._manifest)
        rows = batch[..., order].astype(np.float64)
        step = np.zeros(rows.shape[-1])
        columns = list(self._spec.columns)
        step[columns] = np.nan_to_num(
            self._lacks(baseline)
            if self.reads_log_spectrum
            else np.asarray(self._spec.centre) - baseline.centre[list(order)][columns]
        )
        return moved(rows, step, self._levels).astype(np.float32)

    def _lacks(self, baseline: Baseline) -> Float64Array:
        """`(n_columns,)` dB that each fine band's level band lacks to what the network knows."""
        names = baseline.feature_names
        if names not in self._known:  # the same for every window of such channels
            fine = tuple(self._manifest.feature_names[i] for i in self._spec.columns)
            parents = np.array(parents_of(fine, names), dtype=np.intp)
            centre = np.asarray(self._spec.centre)[np.newaxis]
            self._known[names] = parents, summed_db(centre, parents, len(names))[0][parents]
        parents, known = self._known[names]
        lacks: Float64Array = known - baseline.centre[parents]
        return lacks

    def answer(self, inputs: Float32Array) -> NetworkAnswer:
        """Scores of `inputs`, of any channels. Raises ModelError where the network cannot be asked: there is
        still each baseline's own statistic."""
        found = self._ask(inputs)
        if found.scores.shape != (len(inputs),):
            raise ModelError(
                f"model {self._manifest.name!r} gave {found.scores.shape} scores for {len(inputs)} rows"
            )
        return found
