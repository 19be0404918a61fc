"""An export appears whole or not at all, in a new or empty folder, on a disk with room for it."""

import shutil
from collections import namedtuple

import pytest

from uniscene_sim.cli.main import main
from uniscene_sim.errors import InputError
from uniscene_sim.export.folder import exported_folder


def test_a_stopped_export_leaves_nothing(tmp_path):
    for out in (tmp_path / "new" / "deep", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(KeyboardInterrupt), exported_folder(out, 0, "") as folder:
            (folder / "a" / "b").mkdir(parents=True)
            (folder / "a" / "b" / "c").write_text("half")
            raise KeyboardInterrupt
    assert not (tmp_path / "new").exists() and not list((tmp_path / "empty").iterdir())


def test_a_whole_export_appears(tmp_path):
    with exported_folder(tmp_path / "out", 0, "") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "b").write_text("whole")
        assert not (tmp_path / "out" / "a").exists()
    assert [p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")] == ["a", "a/b"]


@pytest.mark.parametrize("kind", ["ros2bag", "kitti", "nuscenes"])
def test_a_folder_that_holds_something_is_refused_and_stays(recorded, tmp_path, kind, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["export", str(recorded.path), "--to", kind, "--out", str(tmp_path)]) == 2
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_small_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    free = namedtuple("usage", "total used free")(2**40, 0, 300 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(InputError, match=r"needs about 3\.0 GiB \(9 ticks\), but only 0\.0 are free"):
        with exported_folder(tmp_path / "out", 3 * 2**30, "9 ticks"):
            pass
    assert not (tmp_path / "out").exists()
