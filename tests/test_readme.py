"""What README and the pages of `docs/` say works as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from uniscene_sim.cli.main import build_parser, main
from uniscene_sim.rigs.rig_file import load_rig

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Without snippets.
MORE_PAGES = ("CHANGELOG.md", "scenarios/README.md", "examples/README.md")
#: What snippets print.
PRINTED = r"|SUCCESS|FAILURE|\d+ agents are visible, \d+ lane lines|\(4, 84, 84, 3\)"


def blocks(language: str) -> list[tuple[Path, str]]:
    """Page and text of each block of a language."""
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(page, text) for page in PAGES for text in pattern.findall(page.read_text())]


@pytest.mark.parametrize(("page", "snippet"), blocks("python"), ids=lambda value: getattr(value, "stem", ""))
def test_python_snippets_run(page, snippet, tmp_path):
    run = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(PRINTED, run.stdout.strip())


def test_each_page_with_python_has_a_snippet_that_ran():
    pages = {page.stem for page, _ in blocks("python")}
    assert {"README", "maps", "rigs", "reinforcement-learning"} <= pages


def test_commands_are_taken_as_they_stand():
    lines = [line for _, block in blocks("sh") for line in block.splitlines()]
    commands = [line.split("#")[0].split("||")[0].strip() for line in lines if line.strip().startswith("uniscene-sim ")]
    assert len(commands) > 25
    for command in commands:
        build_parser().parse_args(shlex.split(command)[1:])


def test_targets_of_make_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in {t for _, block in blocks("sh") for t in re.findall(r"^make ([\w-]+)", block, re.MULTILINE)}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_rigs_and_scenarios_load(tmp_path, capsys):
    kinds = []
    for _, block in blocks("yaml"):
        kinds.append({"cam": "rig", "imu": "rig", "sou": "branch"}.get(block[:3], "scenario"))
        path = tmp_path / f"{kinds[-1]}.yaml"
        path.write_text(block)
        if kinds[-1] == "rig":
            rig = load_rig(str(path))
            assert rig.cameras or not rig.imu.is_exact
        code, told = main(["validate", str(path)]), capsys.readouterr().err
        # The recording of a branch is not there, and nothing else is wrong with it.
        assert code == 0 or (kinds[-1] == "branch" and "drive.mcap" in told), told
    assert sorted(kinds) == ["branch", "rig", "rig"] + 6 * ["scenario"]


def test_every_scenario_has_its_row_and_its_picture():
    page = (ROOT / "docs" / "scenarios.md").read_text()
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert f"| `{path.stem}` |" in page
        assert f"scenarios/{path.stem}.jpg" in page


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / name for name in MORE_PAGES)], ids=str)
def test_links_lead_somewhere(page):
    for target, source in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text()):
        path, _, heading = (target or source).partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        if heading:
            assert heading in headings(file), target


def headings(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_every_page_and_picture_is_linked():
    """From README or the index a page, from any page a picture."""
    index = README.read_text() + (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name in index, page.name
    everything = "".join(page.read_text() for page in PAGES)
    for picture in [p for kind in ("png", "webp") for p in (ROOT / "docs").glob(f"*.{kind}")]:
        assert picture.name in everything, picture.name


def test_readme_is_short_and_tables_are_narrow():
    assert len(README.read_text().splitlines()) <= 200
    for page in PAGES:
        for line in re.findall(r"^\|(?:---\|)+$", page.read_text(), re.MULTILINE):
            assert line.count("---") <= 8, page.name


def test_the_animation_moves_and_is_light():
    from PIL import Image

    path = ROOT / "docs" / "animation.webp"
    assert path.stat().st_size <= 4 << 20
    with Image.open(path) as animation:
        assert animation.n_frames > 30
