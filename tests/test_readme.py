"""What the README says works as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from uniscene_sim.cli.main import _parser
from uniscene_sim.rigs.rig_file import load_rig

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_python_snippets_run(tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert snippets
    for snippet in snippets:
        run = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, cwd=tmp_path, timeout=300)
        assert run.returncode == 0, run.stderr
        said = r"|SUCCESS|FAILURE|\d+ agents are seen, \d+ lane lines|\(4, 84, 84, 3\)"
        assert re.fullmatch(said, run.stdout.strip())


def test_commands_are_taken_as_they_stand():
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    commands = [line.split("#")[0].split("||")[0].strip() for line in lines if line.strip().startswith("uniscene-sim ")]
    assert len(commands) > 5
    for command in commands:
        _parser().parse_args(shlex.split(command)[1:])


def test_rigs_load(tmp_path):
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "rig.yaml").write_text(block)
        assert load_rig(str(tmp_path / "rig.yaml")).cameras


def test_every_scenario_has_its_row_and_every_link_its_file():
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert f"| `{path.stem}` |" in README
        assert f"docs/scenarios/{path.stem}.jpg" in README
    for target in re.findall(r"\]\(([^)#:]+)\)|src=\"([^\"]+)\"", README):
        target = "".join(target)
        assert (ROOT / target).exists(), target
