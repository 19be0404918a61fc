"""The page of a run: what it holds, what it may weigh, and that a browser shows one time in all panels."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from uniscene_sim.assembly import assemble
from uniscene_sim.cli.main import main
from uniscene_sim.edit import ChangeStyle, RemoveAgent
from uniscene_sim.errors import InputError, InputWarning
from uniscene_sim.maps.load import load_map
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.mcap_sink import RecordTo
from uniscene_sim.recording.options import RecordOptions
from uniscene_sim.recording.page.build import page_of
from uniscene_sim.recording.page.drive import Drive, _told_of_edits
from uniscene_sim.recording.page.pictures import PageOptions
from uniscene_sim.recording.page.time_to_collision import times_to_collision
from uniscene_sim.rigs.rig_file import load_rig
from uniscene_sim.run import run
from uniscene_sim.scenario_files.read import find_scenario, load_scenario
from uniscene_sim.taxonomy import AgentClass
from uniscene_sim.wire.edits import edit_message
from uniscene_sim.world.scenario_source import ScenarioSource

TICKS = 6
ATTACK = "</script><script>console.error('attacked')</script><img src=x onerror=console.error(1)><!--<script>"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A short run of a scenario whose name would like to be code."""
    out = tmp_path_factory.mktemp("recorded")
    scenario = replace(load_scenario(find_scenario("cut_in")), name=ATTACK)
    source = ScenarioSource(scenario, load_map(scenario.map))
    run(assemble(source, load_rig("rl")), [RecordTo()], out, ticks=TICKS)
    return out / "run.mcap"


@pytest.fixture(scope="module")
def page(recorded):
    return page_of(Recording.open(recorded)).decode()


def data_of(page: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="run">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def test_it_holds_the_run(recorded, page):
    data, recording = data_of(page), Recording.open(recorded)
    assert data["run"]["title"] == ATTACK and data["run"]["seed"] == str(recording.run.seed)
    assert data["run"]["engines"] == dict(recording.run.engines)
    assert data["run"]["versions"] == dict(recording.run.versions)
    assert data["t"] == [100 * k for k in range(TICKS + 1)] and data["end"] == 100 * TICKS
    path = recording.ego_path[::10]
    assert np.abs(np.array(data["ego"]["x"]) / 100 - path[:, 1]).max() < 0.006
    (camera,) = data["cameras"]
    assert camera["t"] == data["t"] and len(camera["frames"]) == TICKS + 1
    assert len(data["lidar"]["t"]) == 4 and data["ground"]["lanes"] and data["agents"]
    assert set(data["limit"]) == {1389}
    assert min(map(len, data["stages"].values())) == TICKS + 1
    criteria = {row["name"]: row["expected"] for row in data["outcome"]["criteria"]}
    assert criteria["collision"] == "<= 0"


def test_it_asks_nothing_of_the_network_and_runs_no_code_but_its_own(page):
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(|@import|fetch\(|XMLHttp""", page)
    assert "default-src 'none'" in page
    assert page.count("<script") == page.count("</script>") == 2
    assert ATTACK not in page


def test_pictures_are_thinned_until_they_fit_and_the_page_says_so(recorded, page):
    small = page_of(Recording.open(recorded), PageOptions(width_px=32, rate_hz=2.5)).decode()
    (camera,) = data_of(small)["cameras"]
    assert camera["t"] == [0, 400] and camera["width"] == 32
    assert "32 px wide, at most 2.5 a second" in data_of(small)["notes"][0]
    light = data_of(page_of(Recording.open(recorded), PageOptions(most_mib=0.1)).decode())
    assert sum(len(frame) for camera in light["cameras"] for frame in camera["frames"]) < 0.1 * 2**20
    with pytest.raises(InputError, match="rate_hz: expected a number from"):
        PageOptions(rate_hz=0.0)


def test_time_to_collision_is_that_of_the_world():
    source = ScenarioSource.open("hard_brake")
    layouts, expected = [source.reset()], [source.state.tally.ttc_s]
    for _ in range(80):
        layouts.append(source.step(source.driver_control(), 100_000)[-1])
        expected.append(source.state.tally.ttc_s)
    found = np.array(times_to_collision(layouts, source.map))
    both = np.isfinite(found) & np.isfinite(expected)
    assert both.sum() > 40 and np.abs(found[both] - np.array(expected)[both]).max() < 0.02
    # Later speeds of others are not foreseen; where they are at the edge of ten seconds, one may see what the other
    # does not.
    assert (np.isfinite(found) == np.isfinite(expected)).mean() > 0.93


def test_events_that_last_are_one_with_a_beginning_and_an_end():
    layout = ScenarioSource.open("cut_in").reset()
    agent = layout.agents[layout.agents["cls"] == AgentClass.CAR][0]
    happened = [(k * 10_000, "off_road") for k in range(20, 40)]
    drive = Drive(
        0, 1_000_000, 100_000, [layout], [{}], [*happened, (500_000, f"contact:{agent['id']}"), (900_000, "off_road")]
    )
    first, contact, again = drive._events()
    assert first == {"kind": "off_road", "about": [], "t": 200, "until": 390}
    assert contact["about"] == [f"car {agent['id']}"]
    assert again["t"] == 900


def test_actions_of_the_scenario_are_events():
    source = ScenarioSource.open("cut_in")
    source.reset()
    told = [
        event for _ in range(40) for layout in source.step(source.driver_control(), 100_000) for event in layout.events
    ]
    assert any(re.fullmatch(r"action:cut_in:\d+", event) for event in told), told


def test_edits_are_events_when_they_begin_and_end():
    cone = edit_message(RemoveAgent("a cone"))
    fog = edit_message(ChangeStyle("fog"))
    assert [*_told_of_edits([], [cone, fog])] == ["edit:remove:a cone", "edit:style"]
    assert [*_told_of_edits([cone, fog], [cone])] == ["undo:style"]


def test_a_recording_cut_short_still_makes_a_page(recorded, tmp_path):
    whole = recorded.read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: int(0.8 * len(whole))])
    with pytest.warns(InputWarning, match="what is whole is used"):
        data = data_of(page_of(Recording.open(tmp_path / "cut.mcap")).decode())
    assert data["outcome"] is None and 0 < len(data["t"]) <= TICKS + 1 and data["cameras"]


@pytest.mark.parametrize("body", [b"", b"no recording", None])
def test_what_is_no_recording_is_one_clear_error(recorded, tmp_path, body, capsys):
    file = tmp_path / "other.mcap"
    file.write_bytes(recorded.read_bytes()[:2000] if body is None else body)
    assert main(["page", str(file), "--out", str(tmp_path / "page.html")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(file) in line
    assert [path.name for path in tmp_path.iterdir()] == ["other.mcap"]


def test_a_run_without_pictures_has_a_page_from_the_command_line(tmp_path, capsys):
    simulator = assemble(ScenarioSource.open("cut_in"), load_rig("rl"))
    run(simulator, [RecordTo(options=RecordOptions(images="none", sweeps="none"))], tmp_path, ticks=1)
    assert main(["page", str(tmp_path / "run.mcap"), "--out", str(tmp_path / "a.html"), "--width", "64"]) == 0
    data = data_of((tmp_path / "a.html").read_text())
    assert data["cameras"] == [] and data["lidar"] is None
    assert data["notes"] == ["The recording holds no pictures."]


def test_run_makes_a_page_and_keeps_no_recording(tmp_path, capsys):
    arguments = ["run", "cut_in", "--rig", "rl", "--ticks", "2", "--no-preview", "--no-cache", "--out", str(tmp_path)]
    assert main([*arguments, "--page"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "report.json"]
    assert str(tmp_path / "page.html") in capsys.readouterr().out
    assert len(data_of((tmp_path / "page.html").read_text())["t"]) == 3


# --- in a browser -----------------------------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def shown(path, address: str, profile) -> tuple[str, list[str]]:
    """The page as a browser has it, and what it wrote to its console."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom",
               f"--user-data-dir={profile}", "--virtual-time-budget=2000", f"file://{path}{address}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_one_time_in_all_panels(page, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page)
    seen = {}
    for t in ("0", "0.4"):
        dom, console = shown(path, f"#t={t}", tmp_path / "profile")
        assert console == []
        places = {name: re.search(rf'<(?:canvas|div) id="{name}"[^>]*data-t="(\d+)"', dom).group(1)
                  for name in ("map", "speed", "ttc", "stages", "events")}  # fmt: skip
        ego = re.search(r'data-ego="([^"]*)"', dom).group(1)
        picture = re.search(r'<figure data-t="(\d+)">.*?src="([^"]*)"', dom).groups()
        assert {*places.values(), picture[0]} == {str(int(1000 * float(t)))}
        assert f"{float(t):.2f} / 0.60 s" in dom
        assert re.search(r'id="speed-now"[^>]*>[\d.]+ km/h, limit 50 km/h<', dom)
        seen[t] = ego, picture[1]
    assert seen["0"][0] != seen["0.4"][0] and seen["0"][1] != seen["0.4"][1]
    assert "&lt;/script&gt;&lt;script&gt;" in dom, "the name is text"
