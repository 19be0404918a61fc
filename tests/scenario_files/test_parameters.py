"""Parameters of scenario files: drawn by the seed, checked when the file is read."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import numpy as np
import pytest
import yaml

from uniscene_sim.cli.validate import check_file
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import load_map
from uniscene_sim.scenario_files.read import ScenarioFile, find_scenario, load_scenario
from uniscene_sim.scenario_files.schema import scenario_file_schema
from uniscene_sim.storage.data_folders import data_dir
from uniscene_sim.world.scenario_source import ScenarioSource

NAMES = tuple(sorted(p.stem for p in data_dir("scenarios").glob("*.yaml")))
YAML = """map: rural
duration_s: 4
seed: 3
style: {weather: $weather}
ego: {spawn: {x: 29.15, y: 7.29, yaw_deg: 17.2}, speed_mps: $speed}
agents:
  - {name: leader, class: car, spawn: {relative_to: ego, ahead_m: $gap}, speed_mps: $speed}
traffic: {pedestrians: $people}
parameters:
  speed: {value: 10, uniform: [8, 14]}
  gap: {value: 30, normal: [30, 8], within: [20, 50]}
  people: {value: 3, uniform: [1, 6]}
  weather: {value: clear, choice: [clear, rain, fog]}
"""


@pytest.fixture
def file(tmp_path):
    def written(text=YAML):
        (tmp_path / "mine.yaml").write_text(text)
        return tmp_path / "mine.yaml"

    return written


def test_without_a_seed_the_values_of_the_file_hold(file):
    scenario = load_scenario(file())
    assert scenario.drawn == {"speed": 10, "gap": 30, "people": 3, "weather": "clear"}
    assert scenario.ego.speed_mps == scenario.agents[0].speed_mps == 10 and scenario.agents[0].spawn.ahead_m == 30
    assert (scenario.seed, scenario.traffic.pedestrians, scenario.style.weather) == (3, 3, "clear")


def test_a_seed_draws_all_within_their_ranges(file):
    mine = ScenarioFile(file())
    drawn = [mine.scenario(seed) for seed in range(300)]
    assert [s.seed for s in drawn[:3]] == [0, 1, 2] and load_scenario(file(), 7) == drawn[7]
    speeds, gaps = (np.array([s.drawn[name] for s in drawn]) for name in ("speed", "gap"))
    assert 8 <= speeds.min() < 8.3 and 13.7 < speeds.max() <= 14 and abs(speeds.mean() - 11) < 0.3
    assert 20 <= gaps.min() and gaps.max() <= 50
    assert 30 < gaps.mean() < 33.5 and 5.5 < gaps.std() < 8, "a bell, cut off nearer on one side"
    assert abs(np.corrcoef(speeds, gaps)[0, 1]) < 0.15
    assert {s.traffic.pedestrians for s in drawn} == {1, 2, 3, 4, 5, 6}
    assert all(80 < sum(s.style.weather == w for s in drawn) < 120 for w in ("clear", "rain", "fog"))


def test_a_new_parameter_moves_no_other(file):
    before = [ScenarioFile(file()).scenario(seed).drawn for seed in range(20)]
    more = YAML.replace("parameters:\n", "parameters:\n  long: {value: 4, uniform: [3, 5]}\n")
    after = ScenarioFile(file(more.replace("duration_s: 4", "duration_s: $long")))
    for seed, old in enumerate(before):
        new = dict(after.scenario(seed).drawn)
        assert 3 <= new.pop("long") <= 5 and new == old


def test_values_and_ranges_of_ones_own(file):
    mine = ScenarioFile(file(), {"weather": ["rain", "fog"], "speed": 9})
    drawn = [mine.scenario(seed).drawn for seed in range(30)]
    assert {d["speed"] for d in drawn} == {9} and {d["weather"] for d in drawn} == {"rain", "fog"}
    assert all(40 <= mine.scenario(seed, {"gap": [40, 41]}).drawn["gap"] <= 41 for seed in range(10))
    free = ScenarioFile(file())
    assert free.scenario(5, {"speed": 20}).drawn == free.scenario(5).drawn | {"speed": 20}
    assert [free.parameters["weather"].number(w) for w in ("clear", "fog")] == [0.0, 2.0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sped": 3}, r"parameters: no parameter 'sped' \(did you mean speed\?\); expected one of speed, gap"),
        ({"speed": 100}, r"mine.yaml:5: ego\.speed_mps: expected at most 60, got 100, where \$speed is 100"),
        ({"speed": "fast"}, r"parameters\.speed: expected a number or a range \[least, most\], got 'fast'"),
        ({"speed": [9, 8]}, r"parameters\.speed: expected a number or a range"),
        ({"weather": "hail"}, r"parameters\.weather: expected one or some of clear, rain, fog, got 'hail'"),
        (["speed"], r"parameters: expected values by name"),
    ],
)
def test_values_that_do_not_fit_are_refused(file, given, expected):
    with pytest.raises(InputError, match=expected):
        load_scenario(file(), 1, given)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("$speed}\na", "$sped}\na", r"mine.yaml:5: ego\.speed_mps: no parameter 'sped' \(did you mean speed\?\)"),
        ("$people", "3", r"mine.yaml:12: parameters\.people: is not used; expected a field that is \$people"),
        ("value: 10,", "value: 20,", r"mine.yaml:10: parameters\.speed\.value: expected a number from 8 to 14, got 20"),
        ("[clear, rain, fog]", "[]", r"mine.yaml:13: parameters\.weather\.choice: expected at least 1 item, got \[\]"),
        ("[clear, rain, fog]", "[clear, hail]", r"mine.yaml:4: style\.weather: 'hail' is not one of clear,"),
        ("[8, 14]", "[8, 70]", r"mine.yaml:5: ego\.speed_mps: expected at most 60, got 70, where \$speed is 70"),
        ("[8, 14]", "[14, 8]", r"mine.yaml:10: parameters\.speed\.uniform: expected \[least, most\], got \[14, 8\]"),
        ("[1, 6]", "[1.5, 6]", r"mine.yaml:8: traffic\.pedestrians: expected a whole number, got 1\.5, where \$people"),
        ("value: 3,", "value: few,", r"mine.yaml:12: parameters\.people\.value: expected a number from 1 to 6"),
        ("uniform: [8, 14]", "choice: [10, fast]", r"mine.yaml:10: parameters\.speed\.choice: expected numbers alone"),
        ("uniform: [8, 14]", "unifrom: [8, 14]", r"parameters\.speed\.unifrom: unknown field \(did you mean"),
        (", within: [20, 50]", "", r"mine.yaml:11: parameters\.gap: expected `within: \[least, most\]` with normal"),
        ("normal: [30, 8]", "normal: [60, 8]", r"parameters\.gap\.normal: expected a mean from 20 to 50"),
        ("seed: 3", "seed: $people", r"mine.yaml:3: seed: the seed draws the parameters"),
        ("parameters:\n  speed", "parameters:\n  my-speed", r"parameters\.my-speed: expected letters, digits and _"),
    ],
)
def test_a_bad_block_is_refused_when_it_is_read(file, old, new, expected):
    assert old in YAML
    with pytest.raises(InputError, match=expected):
        load_scenario(file(YAML.replace(old, new)))


def test_a_file_without_the_block_has_no_names(file):
    text = find_scenario("hard_brake").read_text().split("parameters:")[0]
    with pytest.raises(InputError, match=r"duration_s: no parameter 'long'; expected a block `parameters` with it"):
        load_scenario(file(text.replace("duration_s: 14", "duration_s: $long") + "ego: {spawn: {x: 29, y: 7}}\n"))


def test_validate_begins_at_the_ends(file):
    """An agent that may begin beyond the end of the road is found before any seed draws it."""
    with pytest.warns(InputWarning, match="the map has no walkways"):
        check_file(file())
    off = YAML.replace("x: 29.15", "x: $x") + "  x: {value: 29.15, uniform: [29, 90]}\n"
    load_scenario(file(off))
    with pytest.raises(InputError, match=r"ego\.spawn: .*from the nearest driving lane.*, where .*\$x is 90"):
        check_file(file(off))


def test_the_schema_takes_names_for_numbers_and_texts():
    schema = scenario_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    data = yaml.safe_load(YAML)
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"duration_s": "4 s"}, schema)


@pytest.mark.parametrize("name", NAMES)
def test_the_library_draws_and_all_its_ends_can_begin(name):
    mine = ScenarioFile(find_scenario(name))
    assert len(mine.parameters) >= 5
    assert {p.value for p in mine.parameters.values()} == set(mine.scenario().drawn.values())
    assert mine.scenario(1).drawn != mine.scenario(2).drawn
    for end in mine.ends():
        ScenarioSource(end, load_map(end.map)).reset()


def test_open_draws_and_drives_the_same_again():
    def end(**given):
        source = ScenarioSource.open("hard_brake", **given)
        for _ in range(20):
            source.step(source.driver_control(), 100_000)
        return source.drawn, source.state.ego

    assert end(seed=4) == end(seed=4) != end(seed=5)
    assert end()[0] == load_scenario(find_scenario("hard_brake")).drawn
    assert end(parameters={"gap_m": 25})[0]["gap_m"] == 25
    assert replace(load_scenario(find_scenario("hard_brake"), 4), seed=3).drawn == end(seed=4)[0]
