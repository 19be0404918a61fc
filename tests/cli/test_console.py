"""The command line as a shell sees it: outputs that fail, names of any letters, signals, and what they leave."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.checkout import ROOT
from uniscene_sim.cli.main import main

UNISCENE = [sys.executable, "-m", "uniscene_sim.cli"]
FULL = Path("/dev/full")
RIG = "cameras:\n  - {name: front, width: 32, height: 24, fov_deg: 70, position: [1.7, 0, 1.5]}\n"


def cli(*words, env=None, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": ROOT} | options
    return subprocess.run([*UNISCENE, *words], env={**os.environ, **(env or {})}, timeout=120, **options)


def one_line(done, *parts: str) -> None:
    told = done.stderr.decode(errors="replace")
    assert done.returncode == 2 and told.startswith("uniscene-sim") and told.count("\n") == 1, told
    assert all(part in told for part in parts), told


# --- outputs that fail ------------------------------------------------------------------------------------------------


#: With a buffer an output fails at the end, without at the first line.
PRINTED = [({"PYTHONUNBUFFERED": ""}, ["--help"]), ({"PYTHONUNBUFFERED": "1"}, ["validate", "--schema"])]


@pytest.mark.skipif(not FULL.is_char_device(), reason="needs /dev/full")
def test_an_output_that_is_full_is_one_line():
    with open(FULL, "w") as full:
        for env, words in PRINTED:
            one_line(cli(*words, stdout=full, env=env), "output: No space left on device")
        assert cli("validate", stderr=full).returncode == 2
    assert FULL.is_char_device()


def test_an_output_that_nobody_reads_is_silence():
    for env, words in PRINTED:
        read, write = os.pipe()
        os.close(read)
        done = cli(*words, stdout=write, env=env)
        os.close(write)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_streams_that_are_closed_take_nothing_and_stop_nothing():
    for words, code in (("--help <&- >&- 2>&-", 0), ("validate 2>&-", 2)):
        shell = f"exec '{sys.executable}' -m uniscene_sim.cli {words}"
        assert subprocess.run(["/bin/sh", "-c", shell], cwd=ROOT).returncode == code


def test_names_of_any_letters_are_printed_in_any_locale(tmp_path):
    path, no_text = tmp_path / "größe.yaml", os.fsencode(tmp_path) + b"/\xff.yaml"
    path.write_text(RIG)
    shutil.copy(path, no_text)
    bare = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = cli("validate", os.fsencode(path), no_text, env=bare)
    assert done.returncode == 0 and done.stdout.isascii() and done.stdout.count(b": ok\n") == 2, done.stderr
    done = cli("validate", str(path), no_text + b"l", env={"PYTHONIOENCODING": "ascii"})
    assert b"gr\\xf6\\xdfe.yaml: ok" in done.stdout
    one_line(done, r"\udcff.yaml")


# --- places that cannot be written ------------------------------------------------------------------------------------


def test_where_outputs_cannot_go_is_told_before_anything_is_run(tmp_path, capsys, monkeypatch):
    (tmp_path / "rig.yaml").write_text(RIG)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "taken" / "report.json").mkdir(parents=True)
    (tmp_path / "piped").mkdir()
    os.mkfifo(tmp_path / "piped" / "preview.mp4")
    monkeypatch.setattr("uniscene_sim.run.prepare", lambda *_, **__: pytest.fail("it ran"))
    monkeypatch.setattr("uniscene_sim.bench.run_bench.run_bench", lambda *_: pytest.fail("it ran"))
    before = sorted(tmp_path.rglob("*"))
    for out, why in (
        ("file", "file: --out: is a file, expected a folder"),
        ("file/sub", "file/sub: --out: cannot be written: Not a directory"),
        ("dangling", "dangling: --out: is a link to something else"),
        ("taken", "report.json: --out: is a folder"),
        ("piped", "preview.mp4: --out: is a pipe"),
        ("n" * 300, "--out: cannot be written: File name too long"),
        ("a\0b", "--out: holds a null character"),
        ("/proc/none", "--out: cannot be written"),
    ):
        assert main(["run", "cut_in", "--rig", str(tmp_path / "rig.yaml"), "--out", str(tmp_path / out)]) == 2
        told = capsys.readouterr().err
        assert why in told and told.count("\n") == 1, told
    for words in (["run", "--out", ""], ["bench", "--json", ""]):
        with pytest.raises(SystemExit):
            main(words)
        assert "expected a path" in capsys.readouterr().err
    for name in ("taken", "piped/preview.mp4", "no/b.json"):
        assert main(["bench", "lidar", "--json", str(tmp_path / name)]) == 2
        assert "--json: " in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "rig.yaml").write_text(RIG)
    words = f"run cut_in --rig '{tmp_path}/rig.yaml' --out out"
    shell = f"cd '{tmp_path}/gone' && rmdir ../gone && exec '{sys.executable}' -m uniscene_sim.cli {words}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    one_line(subprocess.run(["/bin/sh", "-c", shell], capture_output=True, env=env), "out: --out: cannot be written")


# --- stopped ----------------------------------------------------------------------------------------------------------


def started(rig: Path, out: Path) -> subprocess.Popen:
    """A run that has begun to write."""
    command = [*UNISCENE, "run", "cut_in", "--rig", str(rig), "--out", str(out)]
    left = set(out.glob("*"))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    end = time.monotonic() + 240  # kernels may have to be compiled
    while not any(video.parents[1] not in left for video in out.glob(".uniscene-*.part/new/preview.mp4")):
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.01)
    return process


def test_a_run_that_is_stopped_leaves_what_was_there_and_one_that_is_killed_its_leftovers_to_the_next(tmp_path):
    rig, out, victim = (tmp_path / name for name in ("rig.yaml", "out", "victim"))
    rig.write_text(RIG)
    victim.write_text("precious")
    killed = started(rig, out)
    killed.kill()
    killed.communicate()
    (left,) = out.iterdir()
    (out / "report.json").symlink_to(victim)

    stopped = started(rig, out)
    assert not left.exists()
    stopped.send_signal(signal.SIGTERM)
    assert stopped.communicate(timeout=60) == ("", "") and stopped.returncode == 143
    assert [p.name for p in out.iterdir()] == ["report.json"] and (out / "report.json").is_symlink()

    done = cli("run", "cut_in", "--rig", str(rig), "--out", str(out), "--ticks", "1")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in out.iterdir()) == ["contact_sheet.png", "preview.mp4", "report.json"]
    assert not (out / "report.json").is_symlink() and victim.read_text() == "precious"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_process_that_reads_a_map_ends_with_the_command(tmp_path, number):
    """However that ends. (Looked at as Linux shows its processes.)"""
    pytest.importorskip("carla")
    shutil.copy(ROOT / "scenarios" / "maps" / "urban_grid.xodr", tmp_path / "m.xodr")
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen([*UNISCENE, "validate", str(tmp_path / "m.xodr")], cwd=ROOT, env=env)
    tasks, end = Path(f"/proc/{process.pid}/task/{process.pid}/children"), time.monotonic() + 60
    if not tasks.is_file():
        process.kill()
        pytest.skip("the system does not list the children of processes")
    while not tasks.read_text():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    child = Path("/proc", tasks.read_text().strip(), "cmdline")
    process.send_signal(number)
    assert process.wait(timeout=60) == (143 if number == signal.SIGTERM else -number)
    while child.exists() and child.read_bytes():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(list(tmp_path.iterdir())) == 1 + (number == signal.SIGKILL)
