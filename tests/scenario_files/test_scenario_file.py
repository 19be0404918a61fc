"""Scenario files: errors are one line that names file, line and field."""

import jsonschema
import pytest
import yaml

from uniscene_sim.errors import InputError
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.scenario_files.schema import scenario_file_schema
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

YAML = """\
map: urban_grid
duration_s: 5
ego:
  spawn: {x: 21.75, y: -1.75, yaw_deg: 0}
  speed_mps: 5
agents:
  - name: other
    class: car
    spawn: {relative_to: ego, ahead_m: 20}
events:
  - trigger: {kind: time, value: 1}
    actions:
      - {kind: brake, agent: other}
"""


def load(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load_scenario(path)


def test_schema_is_valid_and_accepts_the_library():
    schema = scenario_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for path in data_dir("scenarios").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def test_a_good_file_loads(tmp_path):
    scenario = load(tmp_path, YAML)
    assert (scenario.name, scenario.agents[0].name) == ("mine", "other")
    assert scenario.events[0].actions[0].kind == "brake"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("map: urban_grid", "map: atlantis", r"mine.yaml:1: map: .*not found"),
        ("duration_s: 5", "duration_s: -5", r"mine.yaml:2: duration_s"),
        ("duration_s: 5", "duration_s: .nan", r"mine.yaml:2: duration_s: .*finite"),
        ("duration_s: 5", "duration_s: soon", r"mine.yaml:2: duration_s"),
        ("speed_mps: 5", "sped_mps: 5", r"mine.yaml:5: ego.sped_mps: unknown field \(did you mean speed_mps\?\)"),
        ("class: car", "class: spaceship", r"mine.yaml:8: agents\[0\].class: 'spaceship' is not one of car"),
        ("kind: time", "kind: tme", r"mine.yaml:11: events\[0\].trigger.kind: .*did you mean time"),
        ("kind: brake", "kind: explode", r"mine.yaml:13: events\[0\].actions\[0\].kind"),
        ("kind: brake", "kind: cross", r"mine.yaml:13: events\[0\].actions\[0\]: cross needs `to"),
        ("agent: other", "agent: nobody", r"mine.yaml:13: .*no agent 'nobody'; expected one of ego, other"),
        ("relative_to: ego", "relative_to: ghost", r"mine.yaml:9: .*'ghost' is none of those before"),
        ("name: other", "name: ego", r"mine.yaml:7: agents\[0\].name: 'ego' is taken"),
    ],
)
def test_errors_name_file_line_and_field(tmp_path, old, new, expected):
    with pytest.raises(InputError, match=expected) as caught:
        load(tmp_path, YAML.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"- 1\n- 2\n", b"map: [\n", b"\xff\xfe\x00", b"just text"])
def test_what_is_no_scenario_at_all(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_scenario(path)


def test_missing_file_and_unknown_name():
    with pytest.raises(InputError, match="cannot be read"):
        load_scenario("nowhere.yaml")
    with pytest.raises(InputError, match=r"no scenario 'nonsense'.*cut_in"):
        find_scenario("nonsense")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("x: 21.75, y: -1.75", "x: 45, y: 40", r"mine.yaml: ego.spawn: .* m from the nearest driving lane"),
        ("ahead_m: 20", "ahead_m: 20, lanes_left: 1", r"mine.yaml: agents\[0\].spawn: no lane 1 to the left"),
    ],
)
def test_spawns_off_the_road_are_refused(tmp_path, old, new, expected):
    scenario = load(tmp_path, YAML.replace(old, new))
    with pytest.raises(InputError, match=expected):
        ScenarioSource(scenario, load_map(scenario.map))
