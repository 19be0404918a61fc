"""Cases are driven and judged as their files say; drivers that break down cost their own case."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.replay import replay, replayer
from uniscene_sim.regression.cases import Case, cases_of, collect, scenario_files, sharded
from uniscene_sim.regression.drive import DriveSettings, drive_case
from uniscene_sim.regression.drivers import driver_named
from uniscene_sim.regression.local_drives import run_cases
from uniscene_sim.regression.log import LAYOUT
from uniscene_sim.regression.loops import LoopSettings
from uniscene_sim.storage.data_folders import data_dir

HERE = "drivers_under_test"
LIBRARY = data_dir("scenarios")


@pytest.fixture(autouse=True)
def users_module(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop(HERE, None)


def case(name="cut_in", **changes):
    (found,) = cases_of(LIBRARY / f"{name}.yaml")
    return replace(found, plan=replace(found.plan, **changes)) if changes else found


@pytest.mark.parametrize("driver", ["builtin", "careless"])
@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_library_gives_what_is_written_beside_it_and_repeats(path, driver):
    (one,) = cases_of(path)
    assert {"builtin", "careless"} <= set(one.plan.expect), "each scenario says what both drivers must give"
    result = drive_case(replace(one, plan=replace(one.plan, repetitions=2)), driver)
    assert result.passed, result.why
    assert (str(result.status),) == one.plan.expect[driver]
    assert len(result.digest) == 64 and len(result.digests) == len(result.series)


def test_a_case_for_each_set_and_seed(tmp_path):
    file = tmp_path / "gap.yaml"
    text = (LIBRARY / "cut_in.yaml").read_text().replace("tags: [following]", "tags: [following, close]")
    file.write_text(text + "\ncases: {seeds: [4, 5], sets: {slow: {ego_speed: 6.5}, fast: {ego_speed: 8}}}\n")
    found = cases_of(file)
    assert [one.name for one in found] == ["slow_seed_4", "slow_seed_5", "fast_seed_4", "fast_seed_5"]
    assert found[0].title == "gap[slow_seed_4]" and found[0].plan.tags == ("following", "close")
    drives = [drive_case(one) for one in found[:3]]
    assert [d.drawn["ego_speed"] for d in drives] == [6.5, 6.5, 8]
    assert (
        drives[0].drawn["vehicles_per_km"] == drives[2].drawn["vehicles_per_km"] != drives[1].drawn["vehicles_per_km"]
    )
    assert len({d.digest for d in drives}) == 3


def test_folders_hold_scenarios_among_other_files(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.yaml").write_text((LIBRARY / "cut_in.yaml").read_text())
    (tmp_path / "rig.yaml").write_text("cameras: []\n")
    (tmp_path / "map.xodr").write_text("<OpenDRIVE/>")
    (tmp_path / "broken.yaml").write_text("ego: {}\nduration_s: [\n")
    assert [p.name for p in scenario_files([tmp_path])] == ["broken.yaml", "b.yaml"]
    with pytest.raises(InputError, match=r"broken.yaml:\d+.*not valid YAML"):
        collect([tmp_path])
    assert [c.file.stem for c in collect(["cut_in", LIBRARY / "cut_in.yaml", LIBRARY / "red_light.yaml"])] == [
        "cut_in", "red_light"
    ]  # fmt: skip
    with pytest.raises(InputError, match="has no scenario file"):
        collect([_empty(tmp_path)])
    with pytest.raises(InputError, match="no scenario file, folder or name of the library: 'cut_im'"):
        collect(["cut_im"])


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def test_a_scenario_without_criteria_is_no_test(tmp_path):
    file = tmp_path / "nothing.yaml"
    file.write_text("map: urban_grid\nduration_s: 5\nego: {spawn: {x: 91.75, y: 140, yaw_deg: 90}}\n")
    with pytest.raises(InputError, match=r"nothing.yaml: criteria: .*expected at least one"):
        cases_of(file)


def test_shards_part_the_batch():
    cases = collect([LIBRARY])
    parts = [sharded(cases, f"{k}/3") for k in (1, 2, 3)]
    assert sorted(c.title for part in parts for c in part) == sorted(c.title for c in cases)
    for shard in ("4/3", "0/3", "1", "a/b", "²/3"):
        with pytest.raises(InputError, match=f"shard: expected K/N with K from 1 to N, got '{shard}'"):
            sharded(cases, shard)


def test_a_failure_tells_criterion_moment_and_numbers(tmp_path):
    result = drive_case(case("hard_brake", expect={}), "careless", DriveSettings(recordings=tmp_path))
    assert not result.passed and str(result.status) == "FAILURE"
    first = result.violations[0]
    assert first.criterion == "collision" and first.moment_s is not None
    assert "collision is 1, expected <= 0, from 4." in first.text and "touched leader (car, " in first.text
    at = int(np.abs(result.series["time_s"] - first.moment_s).argmin())
    leader = result.tracks[(result.tracks["tick"] == at)]
    gap = np.hypot(leader["x"] - result.series["x"][at], leader["y"] - result.series["y"][at]).min()
    assert gap < 5.0, "it is beside the leader when it is said to touch it"
    # The recording is that drive.
    recording = Recording.open(result.recording)
    played = replay(recording, replayer(recording))
    assert played.ticks == len(result.series) and not played.differences
    again = drive_case(case("hard_brake"), str(result.recording))
    assert again.digest == result.digest, "its controls drive the same drive"


def test_a_recording_that_cannot_be_written_costs_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    result = drive_case(case("cut_in", expect={}), "careless", DriveSettings(recordings=tmp_path / "file"))
    assert [v.criterion for v in result.violations] == ["collision", "recording"] and result.recording is None
    assert "no recording is kept: " in result.why and str(result.status) == "FAILURE"


def test_a_case_that_passes_removes_its_older_recording_and_nothing_else(tmp_path):
    failed = drive_case(case(expect={}), "careless", DriveSettings(recordings=tmp_path))
    others = [failed.recording.with_name(name) for name in ("mine.mcap", "cut_in-nominal-builtin.mcap")]
    for other in others:
        other.write_bytes(b"")
    passes, batch = case(expect={"careless": ("FAILURE",)}), DriveSettings(recordings=tmp_path)
    drive_case(passes, "careless", replace(batch, since_s=0.0))
    assert failed.recording.exists(), "it is one of this batch"
    assert drive_case(passes, "careless", batch).passed
    assert not failed.recording.exists() and all(other.exists() for other in others)


def test_a_driver_that_goes_elsewhere_is_brought_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my scenarios").mkdir()
    Path("my scenarios", "Vollbremsung ü.yaml").write_text((LIBRARY / "hard_brake.yaml").read_text())
    (one,) = collect(["my scenarios"])
    for _ in range(2):
        result = drive_case(one, f"{HERE}:wanders", DriveSettings(recordings=Path("out")))
        assert result.recording == Path("out/my_scenarios/Vollbremsung_ü-nominal-drivers_under_test_wanders.mcap")
        assert result.recording.exists() and Path.cwd() == tmp_path


def test_a_time_that_is_no_multiple_of_the_tick_ends(tmp_path):
    file = tmp_path / "short.yaml"
    file.write_text((LIBRARY / "cut_in.yaml").read_text().replace("duration_s: 8\n", "duration_s: 7.98\n"))
    (one,) = cases_of(file)
    result = drive_case(one)
    assert result.passed and result.simulated_s == pytest.approx(8.0), result.why


def test_what_never_held_is_known_at_the_end_only():
    result = drive_case(case("lane_following"), f"{HERE}:follower")
    (violation,) = [v for v in result.violations if v.criterion == "route_completion"]
    assert violation.moment_s is None and "expected >= 0.95" in violation.text


def test_sensors_reach_the_driver_and_the_digests():
    result = drive_case(case("cut_in"), settings=DriveSettings(LoopSettings(rig="rl")))
    assert result.passed and {LAYOUT, "front", "lidar"} <= set(result.digests[0])
    assert result.sensors["lidar"]["points"] > 1000 and 0 < result.sensors["front"]["brightness"] < 255


@pytest.mark.parametrize(
    ("driver", "why"),
    [
        ("raises", r"the driver failed at 0.00 s: RuntimeError: boom\\x1b\[31m \(drivers_under_test.py:\d+\)"),
        ("cannot_be_told", r"the driver failed at 0.00 s: Untellable: .* \(drivers_under_test.py:\d+\)"),
        ("nan", "the driver failed at 0.00 s: control.steer_rad: expected a number .* got nan"),
        ("shape", r"control: expected a Control, a Trajectory or None, got \[0.0, 1.0\]"),
        ("no_driver", "drivers_under_test:no_driver made 3, expected a callable driver"),
        ("cannot_be_made", r"the driver could not be made: OSError: no such device"),
    ],
)
def test_a_driver_that_breaks_down_is_an_error_of_its_case(driver, why):
    result = drive_case(case(), f"{HERE}:{driver}")
    assert str(result.status) == "ERROR" and not result.passed
    assert re.search(why, result.error), result.error


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nobody", "driver: no driver 'nobody'; expected one of builtin, careful, hasty, careless, ros2, MODULE:MAKER"),
        ("no_such_module:x", "driver: no_such_module:x cannot be imported: ModuleNotFoundError"),
        (f"{HERE}:missing", f"driver: {HERE}:missing cannot be imported: AttributeError"),
        (f"{HERE}:time.timezone", "expected a callable that makes a driver"),
        ("nothing.zip", "nothing.zip: cannot be read: No such file or directory; expected a model of"),
        ("nothing.mcap", "nothing.mcap: "),
    ],
)
def test_an_unknown_driver_is_refused(name, why):
    with pytest.raises(InputError) as told:
        driver_named(name)
    assert why in str(told.value)


def test_two_processes_give_what_one_gives():
    cases = [case("cut_in"), case("hard_brake"), case("cross_traffic")]
    seen = []
    batch = run_cases(cases, "builtin", jobs=2, on_result=lambda result: seen.append(result.case.title))
    assert [r.case for r in batch.results] == cases and sorted(seen) == sorted(c.title for c in cases)
    assert [r.digest for r in batch.results] == [drive_case(one).digest for one in cases]
    with pytest.raises(InputError, match="no driver 'nobody'"):
        run_cases(cases, "nobody")


def test_a_drive_that_does_not_repeat_fails():
    import drivers_under_test as users

    turns = iter((0.0, 0.3))

    def unsteady():
        steer = next(turns)
        return lambda frame: Control(steer, 1.0)

    users.unsteady = unsteady
    result = drive_case(case("lane_following", repetitions=2), f"{HERE}:unsteady")
    assert not result.passed and "repetition 2 is another drive: it differs from the first one at tick 1" in result.why


def test_a_policy_of_gymnasium_drives():
    pytest.importorskip("gymnasium", reason="the extra rl is not installed")
    result = drive_case(case("cut_in"), f"policy={HERE}:Cruise")
    again = drive_case(case("cut_in"), f"policy={HERE}:Cruise")
    assert str(result.status) == "FAILURE" and result.digest == again.digest
    assert len(result.series) == 81 and result.series["speed_mps"].max() > 8.0


def test_a_saved_policy_drives(tmp_path):
    pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    from stable_baselines3 import DQN, PPO

    from uniscene_sim.env.env import UniSceneEnv

    env = UniSceneEnv(observations=["route", "ego"], action="meta")
    PPO("MultiInputPolicy", env, n_steps=8, batch_size=8, seed=0, device="cpu").save(tmp_path / "mine.zip")
    result = drive_case(case("cut_in"), str(tmp_path / "mine.zip"))
    assert str(result.status) in ("SUCCESS", "FAILURE") and len(result.series) == 81, result.error
    DQN("MultiInputPolicy", env, seed=0, device="cpu", buffer_size=10).save(tmp_path / "other.zip")
    assert len(drive_case(case("cut_in"), f"DQN={tmp_path / 'other.zip'}").series) == 81
    with pytest.raises(InputError, match=r"no algorithm of Stable-Baselines3: 'XYZ'"):
        driver_named(f"XYZ={tmp_path / 'mine.zip'}")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"broken.zip: driver: is no model of PPO|is no model of PPO"):
        driver_named(str(tmp_path / "broken.zip"))


def test_a_case_is_a_noun():
    one = Case(Path("a/gap.yaml"))
    assert one.title == "gap[nominal]" and one.accepts("anybody") == ("SUCCESS", "ACCEPTABLE")
