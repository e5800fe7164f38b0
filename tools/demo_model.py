"""Trains the demo's network on the simulated machine and packs it into the package: `make demo-model`.

Needs torch (the extra [train]) and the extra [quantise]; the demo itself needs neither. The bundle is what
`stethos train --simulate` and `stethos quantise` make, without the rows and without what only those two read,
so that it stays small: int8 for the runtimes on which the demo may run it. No recording has any part in it.

The demo's baseline learns for some 40 s, while load and speed of its machine wander over two minutes: what it
learned lies beside the usual by as much as the network's limit. So the network is taught, and its limit
fitted, on rows of many machines as boxes with just such baselines see them; the demo's own is none of them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from appliance.analysis_settings import PROFILES
from appliance.demo_config import DEMO_MODEL
from models.bundle import MODEL_CARD, Bundle
from models.manifest_entries import Precision
from models.store import read_bundle, write_bundle

BACKENDS = ("numpy_reference", "onnxruntime", "openvino", "litert")
SECONDS, MACHINES = "240", "16"
BASELINE_S = str(PROFILES["demo"].learning.learn_s)
SEED = "9"  # machines 900 to 915: those of the demo (1 without --seed) and of the tests are others


def main() -> int:
    """Train, quantise, pack; the exit code of the first step that fails."""
    with tempfile.TemporaryDirectory(prefix="stethos-demo-model-") as folder:
        made, small = str(Path(folder) / "float.zip"), str(Path(folder) / "int8.zip")
        steps = (
            ("train", "--simulate", "--kind", "autoencoder", "--name", "demo-motor", "--seconds", SECONDS,
             "--machines", MACHINES, "--baseline-seconds", BASELINE_S, "--seed", SEED, "--out", made),
            # 7 bits: whoever runs the demo may have a processor without VNNI
            ("quantise", made, "--out", small, "--weight-bits", "7"),
        )  # fmt: skip
        for step in steps:
            code = subprocess.run([sys.executable, "-m", "appliance", *step], check=False).returncode
            if code:
                return code
        packed = without_rows(read_bundle(Path(small)))
        write_bundle(packed, DEMO_MODEL)
    size = DEMO_MODEL.stat().st_size
    print(f"written: {DEMO_MODEL}, {size:,} bytes, bundle {packed.identity[:12]}")
    return 0


def without_rows(bundle: Bundle) -> Bundle:
    """The int8 artefacts of the demo's runtimes, with the model card."""
    kept = tuple(
        one for one in bundle.manifest.artefacts
        if one.backend in BACKENDS and one.precision is Precision.INT8
    )  # fmt: skip
    card = tuple(one for one in bundle.manifest.files if one.file == MODEL_CARD)
    names = {one.file for one in (*kept, *card)}
    manifest = replace(bundle.manifest, artefacts=kept, files=card)
    return Bundle(manifest, {name: content for name, content in bundle.files.items() if name in names})


if __name__ == "__main__":
    raise SystemExit(main())
