"""Small UFF, TDMS and HDF5 files as other people's libraries write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyuff
from nptdms import ChannelObject, RootObject, TdmsWriter

G = 9.80665
RATE_HZ = 25600
X = (np.sin(np.arange(400) / 7.0) * 3).astype(np.float32)
Y = (np.cos(np.arange(400) / 5.0) * 2).astype(np.float32)


def uff_set(name: str, samples: np.ndarray, **fields: Any) -> dict[str, Any]:
    """A time response as pyuff writes it."""
    content = {
        "type": 58, "func_type": 1, "id1": name, "rsp_node": 1, "rsp_dir": 1, "ref_node": 0, "ref_dir": 0,
        "data": samples.astype(float), "x": np.arange(len(samples)) / RATE_HZ, "abscissa_spacing": 1,
        "abscissa_spec_data_type": 17, "ordinate_spec_data_type": 12, "orddenom_spec_data_type": 0,
        "ordinate_axis_units_lab": "g", "binary": 0,
    }  # fmt: skip
    return {**content, **fields}


def write_uff(path: Path, *sets: dict[str, Any]) -> Path:
    file = pyuff.UFF(str(path))
    for content in sets:
        file.write_sets(content, mode="add")
    return path


def write_tdms(path: Path, *channels: tuple[str, np.ndarray, dict[str, Any]], group: str = "m") -> Path:
    with TdmsWriter(str(path)) as writer:
        objects = [ChannelObject(group, name, data, properties=words) for name, data, words in channels]
        writer.write_segment([RootObject(properties={"operator": "nobody"}), *objects])
    return path


def write_hdf5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("bearing/vibration", data=np.stack([X, Y], axis=1), compression="gzip")
        data.attrs["sample_rate_hz"] = float(RATE_HZ)
        data.attrs["unit"] = "g"
        data.attrs["channels"] = ["DE", "FE"]
    return path
