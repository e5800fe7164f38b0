"""What feature libraries of others take for those of our window features that they also have.

Run by an interpreter that has them (`pip install tsfel tsfresh librosa` in an environment of its own, never
in ours); prints one line of JSON: microseconds of CPU per window, turn by turn, and of the SciPy loop beside
them. They compute fewer features than the loop, none an envelope; the loop computes all.
"""

from __future__ import annotations

import json
import warnings

from tests.benchmarks.turns import Job, microseconds
from tests.dsp.lanes.window_signals import RATE_HZ, bearing, parameters_at
from tests.oracles import window_features as oracle

N_WINDOWS = 2


def tsfel_job() -> Job:
    import tsfel

    wanted = {
        "statistical": (
            "Mean",
            "Root mean square",
            "Max",
            "Min",
            "Peak to peak distance",
            "Skewness",
            "Kurtosis",
        ),
        "temporal": ("Zero crossing rate",),
        "spectral": ("Spectral centroid", "Spectral spread", "Spectral entropy", "Fundamental frequency"),
    }
    every = tsfel.get_features_by_domain()
    chosen = {domain: {name: every[domain][name] for name in names} for domain, names in wanted.items()}
    windows = bearing(N_WINDOWS)

    def call() -> None:
        for x in windows:
            tsfel.time_series_features_extractor(chosen, x, fs=RATE_HZ, verbose=0)

    return call, N_WINDOWS


def tsfresh_job() -> Job:
    import pandas as pd
    from tsfresh import extract_features

    chosen = {
        **dict.fromkeys(
            ("mean", "root_mean_square", "maximum", "minimum", "absolute_maximum", "skewness", "kurtosis")
        ),
        "number_crossing_m": [{"m": 0}],
        "fft_aggregated": [{"aggtype": kind} for kind in ("centroid", "variance")],
        "spkt_welch_density": [{"coeff": k} for k in range(8)],
    }
    windows = bearing(N_WINDOWS)
    table = pd.concat([pd.DataFrame({"id": i, "x": x}) for i, x in enumerate(windows)])

    def call() -> None:
        extract_features(
            table, column_id="id", default_fc_parameters=chosen, n_jobs=0, disable_progressbar=True
        )

    return call, N_WINDOWS


def librosa_job() -> Job:
    import librosa
    import numpy as np

    windows = bearing(N_WINDOWS).astype(np.float32)

    def call() -> None:
        for x in windows:
            size = np.abs(librosa.stft(x, n_fft=2048, hop_length=1024))
            librosa.feature.rms(S=size)
            librosa.feature.zero_crossing_rate(x, frame_length=2048, hop_length=1024)
            librosa.feature.spectral_centroid(S=size, sr=RATE_HZ)
            librosa.feature.spectral_bandwidth(S=size, sr=RATE_HZ)
            librosa.feature.spectral_flatness(S=size)

    return call, N_WINDOWS


def main() -> None:
    warnings.simplefilter("ignore")
    parameters = parameters_at()
    windows = bearing(N_WINDOWS)
    jobs: dict[str, Job] = {
        "tsfel, 12 features": tsfel_job(),
        "tsfresh, 18 features": tsfresh_job(),
        "librosa, 5 features": librosa_job(),
        "loop": (lambda: [oracle.features(x, parameters) for x in windows], N_WINDOWS),
    }
    print(json.dumps(microseconds(jobs, turns=5)))


if __name__ == "__main__":
    main()
