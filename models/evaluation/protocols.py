"""The protocols there are: one line each; `stethos evaluate` finds the one that serves an entry's task.

Duty: the list, and the fingerprint of all settings that decisions rest on. To add a protocol, write a class
with the three members of `models.evaluation.protocol.TaskProtocol` and name an instance of it here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from models.evaluation.diagnosis_protocol import DiagnosisProtocol
from models.evaluation.one_class_by_speed_protocol import OneClassBySpeedProtocol
from models.evaluation.one_class_protocol import OneClassProtocol
from models.evaluation.process_anomaly_protocol import ProcessAnomalyProtocol
from models.evaluation.protocol import TaskProtocol
from models.evaluation.run_to_failure_protocol import RunToFailureProtocol
from models.evaluation.slow_tag_protocol import SlowTagProtocol
from models.evaluation.visual_anomaly_protocol import VisualAnomalyProtocol
from models.evaluation.visual_classification_protocol import VisualClassificationProtocol

PROTOCOLS: tuple[TaskProtocol, ...] = (
    DiagnosisProtocol(),
    OneClassProtocol(),
    OneClassBySpeedProtocol(),
    RunToFailureProtocol(),
    ProcessAnomalyProtocol(),
    SlowTagProtocol(),
    VisualAnomalyProtocol(),
    VisualClassificationProtocol(),
)


def protocol_of(task: str, protocols: Iterable[TaskProtocol] = PROTOCOLS) -> TaskProtocol | None:
    """The protocol that serves `task`; None where it is not built."""
    return next((protocol for protocol in protocols if task in protocol.tasks), None)


def settings_hash(protocols: Iterable[TaskProtocol] = PROTOCOLS) -> str:
    """Fingerprint of every figure that any protocol's decisions rest on: 16 hexadecimal digits."""
    settings = {type(protocol).__name__: dict(protocol.settings()) for protocol in protocols}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
