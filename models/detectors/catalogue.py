"""The one-class detectors there are, by name, and which of them judges unless somebody asks for another.

Duty: the table. What each is worth on recordings stands in `models/README.md`.
"""

from __future__ import annotations

from models.detectors.columns import ScaleRules
from models.detectors.fusion import FusedDetector, Rule
from models.detectors.isolation import IsolationDetector
from models.detectors.knn import KnnDetector
from models.detectors.mahalanobis import MahalanobisDetector
from models.detectors.one_class import OneClassDetector
from models.detectors.pca import PcaDetector
from models.detectors.robust import RobustDetector

DEFAULT = "mahalanobis"


def detectors(scale: ScaleRules) -> dict[str, OneClassDetector]:
    """Every detector and fusion by name, with one scaling."""
    single: dict[str, OneClassDetector] = {
        "robust": RobustDetector(scale),
        "mahalanobis": MahalanobisDetector(scale),
        "pca": PcaDetector(scale),
        "knn": KnnDetector(scale),
        "isolation": IsolationDetector(scale),
    }
    fused = {name: single[name] for name in ("mahalanobis", "pca", "knn")}
    return {
        **single,
        "mean-fusion": FusedDetector(fused, Rule.MEAN),
        "min-fusion": FusedDetector(fused, Rule.MINIMUM),
    }
