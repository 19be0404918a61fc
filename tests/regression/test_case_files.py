"""Each case has recordings and baselines of its own, with names that no selection changes."""

import os
import re
import shutil
from pathlib import Path

import pytest

from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.regression.case_files import CaseFiles, case_file
from uniscene_sim.regression.cases import Case
from uniscene_sim.storage.data_folders import data_dir

LIBRARY = data_dir("scenarios")


def lies_at(file, name="nominal", driver="builtin"):
    return case_file(Case(Path(file), name), driver, ".json").as_posix()


def test_the_path_below_the_folder_that_one_is_in_tells_files_apart(tmp_path, monkeypatch):
    here = tmp_path / "here"
    (here / "a" / "x").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert lies_at("a/x/s.yaml") == lies_at(here / "a" / "x" / "s.yaml") == "a/x/s-nominal-builtin.json"
    assert lies_at("a/../b/x/s.yaml") == "b/x/s-nominal-builtin.json"
    assert lies_at("s.yaml") == "here/s-nominal-builtin.json"
    assert lies_at("../there/x/s.yaml") == "x/s-nominal-builtin.json", "elsewhere the folder alone"
    (tmp_path / "link").symlink_to(here)
    assert lies_at(tmp_path / "link" / "a" / "x" / "s.yaml") == "a/x/s-nominal-builtin.json"
    assert lies_at("a b/s.yaml", driver="m.d:maker") == "a_b/s-nominal-m_d_maker.json"


def test_the_library_has_one_name_on_every_machine(monkeypatch):
    monkeypatch.chdir(LIBRARY.parents[1])
    assert lies_at(LIBRARY / "cut_in.yaml") == "scenarios/cut_in-nominal-builtin.json"
    monkeypatch.setenv("UNISCENE_SIM_DATA", os.devnull)
    assert lies_at("x/s.yaml") == "x/s-nominal-builtin.json", "without a library, too"


def test_a_long_name_is_cut_but_stays_the_only_one():
    one, other = (lies_at("x/s.yaml", driver=f"{'policy' * 30}_{k}") for k in (1, 2))
    assert one != other and len(Path(one).stem) == len(Path(other).stem) == 120


def test_files_that_two_cases_would_share_are_refused(tmp_path):
    files, first = CaseFiles(), tmp_path / "a" / "x" / "s.yaml"
    for case in (Case(first), Case(first, "seed_1"), Case(first), Case(tmp_path / "a" / "y" / "s.yaml")):
        files.add(case)
    second = tmp_path / "b" / "x" / "s.yaml"
    with pytest.raises(InputError) as refused:
        files.add(Case(second))
    told = f"{str(second)[-60:]}: shares recordings and baselines with ...{str(first)[-57:]}: rename one, or drive "
    assert str(refused.value).endswith(f"{told}it in a batch with folders of its own")
    files.add(Case(first, "near by"))
    with pytest.raises(InputError, match=r"s\.yaml: shares recordings and baselines with its case near by: rename"):
        files.add(Case(first, "near_by"))


def test_a_batch_keeps_recordings_apart_and_tells_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for folder, name in (("a", "cut_in"), ("b", "hard_brake")):
        place = tmp_path / folder / "x"
        place.mkdir(parents=True)
        text = (LIBRARY / f"{name}.yaml").read_text()
        place.joinpath("s.yaml").write_text(re.sub("careless: [A-Z]+", "careless: ERROR", text))
    assert main(["test", "a", "b", "--driver", "careless"]) == 1
    kept = [f"uniscene-results/{folder}/x/s-nominal-careless.mcap" for folder in "ab"]
    told = capsys.readouterr().out
    for path in kept:
        assert Path(path).is_file()
        assert f"      recording: {path} (uniscene-sim replay shows it again)\n" in told
    shutil.copy("a/x/s.yaml", "a/x/s.yml")
    assert main(["test", "a", "--driver", "careless"]) == 2
    assert "a/x/s.yml: shares recordings and baselines with a/x/s.yaml: rename one" in capsys.readouterr().err
