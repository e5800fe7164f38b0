"""The information model: whole, stable, and told truly by its document."""

from __future__ import annotations

from pathlib import Path

from appliance.alarms.lifecycle import Severity
from appliance.publishers.address_space import SEVERITIES, UNITS, MachineNodes, model_tables, nodes_of
from appliance.publishers.publisher import ValueStatus
from dsp.extractor import TrendExtractor, unit_of
from tests.appliance.publishers.opcua_rig import MOTOR, nodes

DOCUMENT = Path(__file__).parents[3] / "docs" / "opcua-model.md"


def test_every_node_comes_after_its_parent_and_is_there_once() -> None:
    seen: set[str] = {""}
    for node in nodes():
        assert node.parent in seen, node
        assert node.path not in seen, node
        assert bool(node.data_type) == node.kind.is_variable
        seen.add(node.path)


def test_an_identifier_depends_on_no_other_machine() -> None:
    alone = {node.path for node in nodes_of("a", [MOTOR], [])}
    beside = {node.path for node in nodes_of("b", [MachineNodes("fan-1", "Fan"), MOTOR], [])}
    assert alone <= beside


def test_units_are_those_of_unece_recommendation_20() -> None:
    # figures of the table that the OPC Foundation publishes (UNECE_to_OPCUA.csv)
    published = {"m/s2": 5067595, "mm/s": 4403510, "Hz": 4740186, "degC": 4408652, "%": 20529}
    assert {name: UNITS[name].unit_id for name in published} == published


def test_every_feature_has_a_unit_that_clients_know() -> None:
    for name in TrendExtractor(25_600.0, 32_768, "m/s2").names:
        assert unit_of(name) in UNITS


def test_severities_have_the_house_s_order() -> None:
    assert tuple(str(severity) for severity in Severity) == SEVERITIES


def test_the_document_states_the_model_and_every_status() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert model_tables() in text, "docs/opcua-model.md: replace its tables by what model_tables() returns"
    for status in ValueStatus:
        assert f"| `{status}` |" in text, f"docs/opcua-model.md does not say when {status} is given"
