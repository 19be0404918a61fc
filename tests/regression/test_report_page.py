"""The page of a batch: what it holds, what it weighs, and that a browser shows it."""

import base64
import json
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.outcome import Status
from uniscene_sim.regression.cases import Case, collect
from uniscene_sim.regression.drive import drive_case
from uniscene_sim.regression.report.page import case_names, page_of
from uniscene_sim.regression.report.scenes import scenes_of
from uniscene_sim.regression.results import TRACK_DTYPE, Batch, CaseResult, Violation
from uniscene_sim.scenario import TestPlan

ATTACK = "</script><script>console.error('attacked')</script><img src=x onerror=console.error(1)><!--<script>"
VIDEO = bytes(range(256)) * 40


def named(result: CaseResult, name: str, *tags: str) -> CaseResult:
    return replace(result, case=replace(result.case, name=name, plan=TestPlan(tags=tags)))


@pytest.fixture(scope="module")
def batch():
    """A drive that passes, one that collides, and one that broke down and would like to be code."""
    (case,) = collect(["cut_in"])
    case = replace(case, plan=replace(case.plan, expect={}))  # a careless driver's collision is no success here
    passed = named(drive_case(case, "builtin"), "nominal", "cut", "town")
    failed = named(drive_case(case, "careless"), "careless", "cut")
    case = Case(Path("gone.yaml"), ATTACK, plan=TestPlan(tags=(ATTACK,)))
    broken = CaseResult(
        case, ATTACK, Status.ERROR, False, error=ATTACK, violations=(Violation(ATTACK, None, ATTACK),),
        drawn={ATTACK: ATTACK}, scores={ATTACK: 1.0}, measured={ATTACK: float("nan")},
    )  # fmt: skip
    return Batch("my_stack.drive:make_driver", [passed, failed, broken])


@pytest.fixture(scope="module")
def page(batch):
    return page_of(batch, videos={"cut_in[careless]": VIDEO}).decode()


def data_of(page: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="batch">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


def unpacked(text: str) -> dict:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_it_holds_what_the_results_hold(batch, page):
    data = data_of(page)
    assert data["passed"] == 1 and data["statuses"] == {"SUCCESS": 1, "FAILURE": 1, "ERROR": 1}
    assert [one["scenario"] for one in data["cases"]] == [result.case.title for result in batch.results]
    passed, failed, broken = data["cases"]
    assert failed["why"] == batch.results[1].why and failed["criteria"][0]["name"] == "collision"
    assert failed["parameters"] == batch.results[1].drawn and failed["tags"] == ["cut"]
    assert broken["measured"] == {ATTACK: None} and "drive" not in broken
    assert base64.b64decode(failed["video"]) == VIDEO and "video" not in passed


def test_drives_are_those_of_the_results_in_few_numbers(batch, page):
    data, result = data_of(page), batch.results[1]
    shown = unpacked(data["cases"][1]["drive"])
    times = np.array(shown["t"]) / 1000
    assert times[0] == 0 and times[-1] == shown["end"] / 1000 == pytest.approx(result.simulated_s)
    assert np.diff(times).max() == pytest.approx(0.2) and len(times) < 0.6 * len(result.series)
    for name in ("x", "y"):
        there = np.interp(times, result.series["time_s"], result.series[name])
        assert np.abs(np.array(shown["ego"][name]) / 100 - there).max() < 0.0051
    assert shown["moments"] == [round(1000 * violation.moment_s) for violation in result.violations]
    curves = shown["curves"]
    assert np.abs(np.array(curves["v"]) / 100 - result.series["speed_mps"]).max() < 0.0051
    least = min(ttc for ttc in curves["ttc"] if ttc is not None)
    assert least == round(1000 * result.series["ttc_s"].min())
    assert {limit for limit in curves["limit"] if limit is not None} == {1389}
    (ground,) = data["grounds"].values()
    assert unpacked(ground)["lanes"] and data["cases"][0]["ground"] == data["cases"][1]["ground"]


def test_others_are_shown_where_they_are_near(batch, page):
    result = batch.results[1]
    shown = unpacked(data_of(page)["cases"][1]["drive"])
    ticks = [int(np.abs(result.series["time_s"] - t / 1000).argmin()) for t in shown["t"]]
    expected = {}
    for k, tick in enumerate(ticks):
        ego = result.series[tick]
        for row in result.tracks[result.tracks["tick"] == tick]:
            if np.hypot(row["x"] - ego["x"], row["y"] - ego["y"]) < 60.0:
                expected[int(row["id"]), k] = float(row["x"]), float(row["y"])
    found = {}
    for agent in shown["agents"]:
        for i in range(agent["n"]):
            at = min(i, len(agent["x"]) - 1)
            found[agent["id"], agent["at"] + i] = agent["x"][at] / 100, agent["y"][at] / 100
    assert len(expected) > 300 and expected.keys() == found.keys()
    assert max(np.hypot(x - found[key][0], y - found[key][1]) for key, (x, y) in expected.items()) < 0.02


def test_a_hundred_cases_weigh_little(batch, page):
    packed = len(data_of(page)["cases"][0]["drive"])
    assert len(page_of(Batch("careful", [batch.results[0]] * 100))) < 2**20 + 100 * packed < 10 * 2**20


def test_too_heavy_a_page_leaves_out_what_matters_least_and_says_so(batch):
    videos = {"cut_in[nominal]": VIDEO * 2, "cut_in[careless]": VIDEO}
    data = data_of(page_of(batch, videos=videos, most_mib=0.1).decode())
    assert "drive" in data["cases"][1] and "video" in data["cases"][1]
    heavy = data_of(page_of(batch, videos={name: VIDEO * 10 for name in videos}, most_mib=0.1).decode())
    assert not any("video" in one for one in heavy["cases"])
    assert heavy["notes"] == ["2 drives, maps or videos are left out, so that this page weighs 0.1 MiB at most."]
    with pytest.raises(InputError, match="most_mib: expected"):
        page_of(batch, most_mib=0.0)


def test_numbers_that_are_none_cost_only_themselves(batch):
    """A driver that returned NaN, and tracks beyond the series."""
    whole = batch.results[0]
    series, tracks = whole.series.copy(), whole.tracks.copy()
    series["x"][-10:], series["speed_mps"][5], series["ttc_s"][7] = np.nan, np.nan, np.nan
    tracks["x"][:50], tracks["tick"][50:60], tracks["tick"][60:70] = np.nan, -3, 100_000
    odd = replace(whole, series=series, tracks=tracks, violations=(Violation("end", float("nan"), "at no time"),))
    (told,) = data_of(page_of(Batch("mine", [odd])).decode())["cases"]
    shown = unpacked(told["drive"])
    assert shown["end"] == round(1000 * series["time_s"][-11]) and shown["moments"] == [None]
    assert shown["curves"]["v"][5] is None
    nowhere = replace(whole, series=np.full_like(series, np.nan), tracks=np.zeros(3, TRACK_DTYPE))
    (told,) = data_of(page_of(Batch("mine", [nowhere])).decode())["cases"]
    assert "drive" not in told


def test_without_its_map_a_drive_is_shown_all_the_same(batch):
    assert list(scenes_of(batch)) == [batch.results[0].case.file]
    data = data_of(page_of(batch, scenes={}).decode())
    assert data["grounds"] == {} and "drive" in data["cases"][0] and data["cases"][0]["ground"] is None


def test_it_asks_nothing_of_the_network_and_runs_no_code_but_its_own(page):
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(|@import|fetch\(|XMLHttp""", page)
    assert "default-src 'none'" in page
    assert page.count("<script") == page.count("</script>") == 2
    assert ATTACK not in page


# --- in a browser -----------------------------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def shown_at(path: Path, address: str, *more: str) -> tuple[str, list[str]]:
    """The page as a browser has it, and what it wrote to its console."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom", *more,
               f"--user-data-dir={path.parent / 'profile'}", "--virtual-time-budget=3000",
               f"{path.as_uri()}{address}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@in_browser
def test_a_browser_shows_the_table_with_what_failed_first(page, batch, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page)
    dom, console = shown_at(path, "")
    assert console == []
    assert re.search(r'id="verdict" class="status bad">2 FAILED<', dom)
    names = [re.sub("<[^>]*>", "", name) for name in re.findall(r'aria-controls="case-\d+">(.*?)</button>', dom)]
    assert names[0] == "cut_in[careless]" and names[2] == "cut_in[nominal]"
    assert batch.results[1].violations[0].text.removeprefix("collision").replace("<=", "≤") in dom
    assert "&lt;/script&gt;&lt;script&gt;" in dom, "names and errors are text"
    assert "<img" not in dom


@in_browser
def test_a_browser_opens_a_case_at_its_failure_and_at_any_moment(page, batch, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(replace_video(page))
    moment = round(1000 * batch.results[1].violations[0].moment_s)
    egos = set()
    for at, t in (("", moment), ("&t=1.5", 1500)):
        dom, console = shown_at(path, f"#case={quote('cut_in[careless]')}{at}")
        assert console == []
        assert 'data-ready="yes"' in dom
        parts = {name: re.search(rf'data-part="{name}"[^>]*data-t="(\d+)"', dom) for name in ("map", "speed", "ttc")}
        assert {found.group(1) for found in parts.values()} == {str(t)} and f"{t / 1000:.2f} / 8.00 s" in dom
        assert re.search(r'data-part="speed-now">[\d.]+ km/h, limit 50 km/h<', dom)
        assert "✗ missed" in dom
        egos.add(re.search(r'data-ego="([^"]*)"', dom).group(1))
    assert len(egos) == 2


def replace_video(page: str) -> str:
    """The bytes of the fixture are no video: a browser would say so."""
    return page.replace(base64.b64encode(VIDEO).decode(), "")


@in_browser
def test_a_case_has_its_own_address_where_titles_are_equal(batch, tmp_path):
    failed = batch.results[1]
    north, south, again = (
        replace(failed, case=replace(failed.case, file=tmp_path / folder / "my.yaml"))
        for folder in ("north", "south", "south")
    )
    results = [north, south, again, batch.results[0]]
    names = case_names(results)
    assert names == ["north/my[careless]", "south/my[careless] #1", "south/my[careless] #2", "cut_in[nominal]"]
    path = tmp_path / "report.html"
    path.write_bytes(page_of(Batch("mine", results), scenes={}, videos={names[1]: VIDEO}))
    assert ["video" in one for one in data_of(path.read_text())["cases"]] == [False, True, False, False]
    path.write_text(replace_video(path.read_text()))
    for k, name in enumerate(names):
        dom, console = shown_at(path, f"#case={quote(name)}")
        assert console == [] and dom.count('data-ready="yes"') == 1
        assert re.findall(r'aria-expanded="true" aria-controls="case-(\d+)"', dom) == [str(k)]


@in_browser
@pytest.mark.parametrize("width", [390, 960])
def test_nothing_is_wider_than_the_window(page, tmp_path, width):
    """The page is a frame of another one, because Chromium's own window has a least width."""
    script = "for (const row of rows) row.toggle(true)"
    window, content = probed(tmp_path, page, "", width, script, "[innerWidth, document.documentElement.scrollWidth]")
    assert window == width and content <= width


def probed(folder: Path, page: str, address: str, width: int, script: str, asked: str) -> list[float]:
    """Numbers that a page in a frame of another one answers."""
    inside = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", replace_video(page))  # the probe is code
    probe = f"<script>{script}; setTimeout(() => parent.postMessage({asked}, '*'), 1500)</script>"
    (folder / "inside.html").write_text(inside.replace("</body>", probe + "</body>"))
    path = folder / "report.html"
    path.write_text(f'<script>onmessage = (e) => document.title = e.data</script><iframe width="{width}" height="844" '
                    f'style="border: 0" src="inside.html{address}"></iframe>')  # fmt: skip
    dom, _ = shown_at(path, "", "--window-size=1200,900")
    return [float(number) for number in re.search(r"<title>([^<]*)</title>", dom).group(1).split(",")]


@in_browser
def test_a_case_that_is_opened_by_its_address_stands_below_the_head_of_the_table(batch, tmp_path):
    results = [named(batch.results[1], f"number_{k}") for k in range(40)]
    page = page_of(Batch("mine", results), scenes={}).decode()
    asked = "[rows[20].body, element('cases').tHead.rows[0].cells[1]].map((one) => one.getBoundingClientRect())"
    asked = f"[...{asked}.flatMap((box) => [box.top, box.bottom]), scrollY]"
    top, _, head_top, head_bottom, scrolled = probed(tmp_path, page, "#case=cut_in[number_20]", 960, "", asked)
    assert scrolled > 300 and head_top == 0 and top == pytest.approx(head_bottom, abs=1.0)


@in_browser
def test_a_browser_shows_an_empty_batch(tmp_path):
    path = tmp_path / "report.html"
    path.write_bytes(page_of(Batch("careful", [])))
    dom, console = shown_at(path, "")
    assert console == [] and "NOTHING TESTED" in dom and "There was no case to drive." in dom
