"""Files kept on disk: within a bound, whole, by many processes at once; keys of code."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.storage.disk_cache import DiskCache, user_cache
from uniscene_sim.storage.source_key import source_key

GIB = 1 << 30
NAMES = [f"{k:064x}" for k in range(20)]


def test_the_key_of_code_changes_with_any_file_that_it_imports(tmp_path, monkeypatch):
    package = tmp_path / "some_engine"
    package.mkdir()
    sources = {
        "__init__": "",
        "top": "from some_engine import middle\nimport numpy",
        "middle": "def late():\n    from some_engine.low import value\n    return value",
        "low": "value = 1",
        "aside": "",
    }
    for name, text in sources.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    first = source_key("some_engine.top")
    (package / "aside.py").write_text("value = 1")
    assert source_key.__wrapped__("some_engine.top") == first
    (package / "low.py").write_text("value = 2")
    assert source_key.__wrapped__("some_engine.top") != first
    assert source_key("some_engine.top") == first  # of this process, which has loaded the old one


def test_size_is_bounded_and_what_was_used_longest_ago_goes_first(tmp_path):
    disk = DiskCache(tmp_path, max_bytes=10_000)
    (tmp_path / "notes.txt").write_text("x" * 50_000)  # not ours: neither counted nor removed
    for k, name in enumerate(NAMES):
        disk.write(name, bytes(1000))
        os.utime(tmp_path / name, ns=(k, k))
        if k >= 2:
            assert disk.read(NAMES[0]) is not None  # used again and again
            os.utime(tmp_path / NAMES[0], ns=(k, k + 1))
        assert sum(p.stat().st_size for p in tmp_path.iterdir() if p.name in NAMES) <= 10_000
    left = {p.name for p in tmp_path.iterdir()}
    assert NAMES[0] in left and NAMES[-1] in left and NAMES[1] not in left and "notes.txt" in left
    assert len(left) >= 6
    disk.write(NAMES[1], bytes(20_000))  # larger than all the room there is
    assert disk.read(NAMES[1]) is None and {p.name for p in tmp_path.iterdir()} == left


def test_reading_counts_as_use(tmp_path):
    disk = DiskCache(tmp_path, GIB)
    disk.write(NAMES[0], b"body")
    os.utime(tmp_path / NAMES[0], (0, 0))
    assert disk.read(NAMES[0]) == b"body"
    assert (tmp_path / NAMES[0]).stat().st_mtime > time.time() - 60


def test_parts_of_killed_processes_go_and_those_at_work_stay(tmp_path):
    old, new = tmp_path / f"{NAMES[0]}.abc.part", tmp_path / f"{NAMES[0]}.def.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    DiskCache(tmp_path, GIB).write(NAMES[1], b"body")
    assert {p.name for p in tmp_path.iterdir()} == {new.name, NAMES[1]}


def test_where_the_cache_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("UNISCENE_CACHE", str(tmp_path))
    monkeypatch.setenv("UNISCENE_CACHE_GB", "0.5")
    assert (user_cache("tiles").folder, user_cache("tiles").max_bytes) == (tmp_path / "tiles", GIB // 2)
    monkeypatch.delenv("UNISCENE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache("tiles").folder == tmp_path / "xdg" / "uniscene_sim" / "tiles"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache("tiles").folder == Path.home() / ".cache" / "uniscene_sim" / "tiles"
    for bad in ("much", "-1", "0", "nan", "inf"):
        monkeypatch.setenv("UNISCENE_CACHE_GB", bad)
        with pytest.raises(InputError, match="UNISCENE_CACHE_GB: expected a positive number"):
            user_cache("tiles")


WRITER = """
import sys
from pathlib import Path
from uniscene_sim.storage.disk_cache import DiskCache
disk = DiskCache(Path(sys.argv[1]), 3_000_000)
import time
print("ready", flush=True)
input()
seen, end = 0, time.monotonic() + 2.0
while seen < 20 or time.monotonic() < end:
    for k in range(20):
        name = f"{k:064x}"
        body = disk.read(name)
        assert body is None or body == bytes([k]) * 200_000
        seen += body is not None
        disk.write(name, bytes([k]) * 200_000)
assert not disk._warned, disk._warned
print(seen)
"""


def test_processes_that_write_read_and_evict_at_once_see_only_whole_files(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:  # all at once
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 and not err, err
        assert int(out) >= 20
    assert {p.name for p in tmp_path.iterdir()} <= set(NAMES)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 3_000_000 + 3 * 200_032
