"""The run loop: frames in order, a driver of one's own, sinks that get all of them or leave nothing."""

import pytest

from tests.third_party.ring_source import RingSource
from tests.third_party.track_sink import TrackSink
from uniscene_sim.control import Control
from uniscene_sim.errors import InputError
from uniscene_sim.interfaces import StageTimes, TileStats
from uniscene_sim.outcome import CriterionResult, Outcome, Status
from uniscene_sim.rig import SensorRig
from uniscene_sim.run import frames, prepare, run
from uniscene_sim.storage.data_folders import data_dir

BARE = {"window_grid": None, "bev_schema": None}


def ready(what="hard_brake", **options):
    return prepare(what, SensorRig("none"), **BARE, **options)


def test_frames_come_until_the_source_is_done():
    simulator = ready(RingSource.open("30"))
    stamps = [frame.stamp_us for frame in frames(simulator)]
    assert stamps == list(range(0, 20_100_000, 100_000)) and simulator.source.done
    assert [frame.stamp_us for frame in frames(simulator, ticks=2)] == [0, 100_000, 200_000]


def test_a_run_that_is_no_multiple_of_its_tick_goes_past_its_end(tmp_path):
    file = tmp_path / "short.yaml"
    file.write_text((data_dir("scenarios") / "cut_in.yaml").read_text().replace("duration_s: 8", "duration_s: 0.55"))
    result = run(ready(str(file)))
    assert (result.ticks, result.outcome.status) == (7, Status.TIMEOUT)


def test_a_driver_drives_and_none_is_the_sources_own():
    simulator, seen = ready(), []

    def brake(frame):
        seen.append(frame.stamp_us)
        return Control(0.0, -8.0)

    ends = [list(frames(simulator, driver, ticks=20))[-1].layout.ego_pose for driver in (None, lambda _: None, brake)]
    assert ends[0] == ends[1] != ends[2] and seen == list(range(0, 2_000_000, 100_000))


def test_a_run_tells_what_it_came_to(tmp_path):
    result = run(ready(), [TrackSink], tmp_path, ticks=3)
    assert (result.title, result.ticks, result.outcome.status) == ("hard_brake", 4, Status.RUNNING)
    assert result.written == (tmp_path / "track.csv",)
    assert len(result.written[0].read_text().splitlines()) == 5
    assert isinstance(result.tiles, TileStats) and run(ready(), ticks=0).ticks == 1


def test_sinks_leave_nothing_where_it_goes_wrong(tmp_path):
    with pytest.raises(InputError, match="accel_mps2"):
        run(ready(), [TrackSink], tmp_path, driver=lambda frame: Control(0.0, float("nan")))
    assert not list(tmp_path.iterdir())


def test_what_runs_is_opened_by_name_too():
    first, second = ready(seed=3), ready("hard_brake", source="scenario", seed=3)
    assert first.source.seed == second.source.seed == 3 and first.source.title == second.source.title


def test_an_outcome_as_plain_words():
    bad, optional = (
        CriterionResult("collision", "<= 0", 2, False),
        CriterionResult("min_ttc", ">= 1", 0.5, False, optional=True),
    )
    good = CriterionResult("red_light", "<= 0", 0, True)
    for criteria, done, status in (
        ((good, bad), False, "RUNNING"),
        ((good,), True, "SUCCESS"),
        ((good, optional), True, "ACCEPTABLE"),
        ((bad, optional), True, "FAILURE"),
    ):
        assert Outcome.of(criteria, done).as_dict()["status"] == status
    told = Outcome(Status.FAILURE, (bad,), {"note": 1}).as_dict()
    row = {"name": "collision", "actor": "ego", "optional": False, "expected": "<= 0", "actual": 2, "success": False}
    assert told == {"status": "FAILURE", "criteria": [row], "note": 1}
    assert list(told["criteria"][0]) == list(row) and type(told["status"]) is str


def test_stage_times_are_a_mapping_that_stays():
    simulator = ready()
    simulator.reset()
    times = simulator.stages_ms
    assert isinstance(times, StageTimes) and set(times) == {"world", "digest"}
    before = dict(times)
    simulator.step()
    assert dict(times) == before and times.total_ms == pytest.approx(sum(before.values()))
