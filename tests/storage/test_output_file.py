"""Files that appear whole or not at all, together or not at all, and in nobody else's place."""

import ast
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

import pytest

from tests.checkout import ROOT
from uniscene_sim.errors import InputError
from uniscene_sim.storage import interrupts, output_file
from uniscene_sim.storage.interrupts import Stopped, deferred_signals, raised_signals
from uniscene_sim.storage.output_file import Outputs, scratch_folder, told, write_file


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def publish(folder: Path, files: dict[str, str], stale=()) -> list[Path]:
    with Outputs() as outputs:
        part = outputs.folder(folder, files, "--out")
        for name, text in files.items():
            (part / name).parent.mkdir(exist_ok=True)
            (part / name).write_text(text)
        return outputs.publish(stale)


def test_a_file_appears_whole_as_the_users_own_or_not_at_all(tmp_path):
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a.json", b"first")
    finally:
        os.umask(before)
    assert names(tmp_path) == ["a.json"] and (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640

    def break_off(error: BaseException) -> None:
        with output_file.output_file(tmp_path / "a.json", "--json") as part:
            part.write_bytes(b"half")
            raise error

    for error in (ZeroDivisionError(), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            break_off(error)
    with pytest.raises(InputError, match=r"a.json: --json: cannot be written: No space left"):
        break_off(OSError(28, "No space left on device"))
    assert names(tmp_path) == ["a.json"] and (tmp_path / "a.json").read_text() == "first"


def test_a_name_of_any_length_that_a_file_can_have(tmp_path):
    write_file(tmp_path / ("n" * 255), b"")
    for name, why in (
        ("n" * 256, "File name too long"),
        ("a\0b", "null character"),
        ("..", "a folder"),
        ("", "folder"),
    ):
        with pytest.raises(InputError, match=why):
            write_file(tmp_path / name, b"")
    assert names(tmp_path) == ["n" * 255]


def test_files_of_a_folder_appear_together_and_stale_ones_go(tmp_path):
    folder = tmp_path / "new" / "out"
    assert publish(folder, {"a": "1", "b": "1", "deep/c": "1"}) == [folder / n for n in ("a", "b", "deep/c")]
    publish(folder, {"a": "2", "d": "2"}, stale=[folder / "b"])
    assert names(folder) == ["a", "d", "deep", "deep/c"] and (folder / "a").read_text() == "2"


def test_if_one_cannot_get_its_name_none_does(tmp_path, monkeypatch):
    """Whichever rename fails, and also where a file can have one name only."""
    folder = tmp_path / "out"
    publish(folder, {"a": "old", "c": "old", "gone": "old"})
    rename = os.replace
    new = {"a": "new", "b": "new", "c": "new", "deep/d": "new"}
    for hard_links in (True, False):
        if not hard_links:
            monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(1, "not permitted")))
        for good in range(5):
            left = [good]

            def fail(part, target, left=left):
                left[0] -= 1
                if left[0] == -1:
                    raise OSError(5, "Input/output error")
                rename(part, target)

            monkeypatch.setattr(os, "replace", fail)
            with pytest.raises(InputError, match="Input/output error"):
                publish(folder, new, stale=[folder / "gone"])
            monkeypatch.setattr(os, "replace", rename)
            assert names(folder) == ["a", "c", "gone"], good
            assert {(folder / name).read_text() for name in names(folder)} == {"old"}, good
    fresh = tmp_path / "one" / "two"
    with pytest.raises(InputError, match="nothing"), Outputs() as outputs:
        outputs.folder(fresh)
        raise InputError("nothing")
    assert not (tmp_path / "one").exists()  # folders made for the run go too


def test_what_is_no_file_is_told_before_anything_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to_device").symlink_to("/dev/full")
    (tmp_path / "to_descriptor").symlink_to("/proc/self/fd/1")
    (tmp_path / "to_folder").symlink_to("folder")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        before = names(tmp_path)
        for name in ("folder", "pipe", "socket", "to_device", "to_descriptor", "to_folder"):
            with pytest.raises(InputError, match=rf"{name}: --out: is a"):
                publish(tmp_path, {name: "text"})
            with pytest.raises(InputError, match=rf"{name}: --json: is a"):
                write_file(tmp_path / name, b"text", "--json")
        assert names(tmp_path) == before
    for out, why in (("pipe", "is a pipe"), ("pipe/out", "Not a directory")):
        with pytest.raises(InputError, match=why):
            publish(tmp_path / out, {})
    with pytest.raises(InputError, match="written twice"), Outputs() as outputs:
        outputs.file(tmp_path / "same")
        outputs.file(tmp_path / "folder" / ".." / "same")


def test_planted_links_are_replaced_and_never_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name, target in (("to_file", victim), ("to_nothing", tmp_path / "nothing")):
        (tmp_path / name).symlink_to(target)
        write_file(tmp_path / name, b"ours")
        assert not (tmp_path / name).is_symlink() and (tmp_path / name).read_text() == "ours"
    assert victim.read_text() == "precious" and not (tmp_path / "nothing").exists()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(InputError, match="dangling: --out: is a link"):
        publish(tmp_path / "dangling", {"a": ""})


def test_the_private_folder_is_new_unforeseeable_and_shut_to_others(tmp_path):
    with Outputs() as first, Outputs() as second:
        parts = [outputs.folder(tmp_path) for outputs in (first, second)]
        assert parts[0] != parts[1] and all(part.parent.parent == tmp_path for part in parts)
        assert all(part.parent.stat().st_mode & 0o777 == 0o700 for part in parts)


LIVE = """
import os, sys, time
from uniscene_sim.storage.output_file import Outputs
outputs = Outputs()
print(outputs.folder(sys.argv[1]), flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_has_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    live = subprocess.Popen([sys.executable, "-c", LIVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    part = Path(live.stdout.readline().strip())
    (tmp_path / ".uniscene-abcdefgh.part").symlink_to(ROOT)  # others', by the same pattern
    (tmp_path / ".uniscene-notes").mkdir()
    (tmp_path / ".uniscene-12345678.part").write_text("a file")
    (part / "video").write_text("half")
    write_file(tmp_path / "a", b"")
    assert (part / "video").is_file()
    live.kill()
    live.communicate()
    write_file(tmp_path / "a", b"")
    assert names(tmp_path) == [".uniscene-12345678.part", ".uniscene-abcdefgh.part", ".uniscene-notes", "a"]
    assert ROOT.is_dir()


def test_a_folder_swept_by_another_between_two_calls_is_made_again(tmp_path, monkeypatch):
    made = []
    mkdtemp = output_file.tempfile.mkdtemp

    def swept(*arguments):
        made.append(mkdtemp(*arguments))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(output_file.tempfile, "mkdtemp", swept)
    write_file(tmp_path / "a", b"body")
    assert len(made) == 2 and names(tmp_path) == ["a"]

    monkeypatch.setattr(output_file.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(95, "no locks")))
    write_file(tmp_path / "a", b"new")  # a file system without locks
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "new"


def test_no_place_for_temporary_files_is_one_line(monkeypatch):
    def none():
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(output_file.tempfile, "gettempdir", none)
    with pytest.raises(InputError, match="TMPDIR: cannot be written: No usable"), scratch_folder():
        pass
    with pytest.raises(ZeroDivisionError), told("x"):
        _ = 1 / 0


# --- signals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", interrupts.STOP_SIGNALS)
def test_signals_are_raised_and_put_off_until_files_have_their_names(number, tmp_path, monkeypatch):
    rename = os.replace

    def interrupted(part, target):
        signal.raise_signal(number)
        rename(part, target)

    monkeypatch.setattr(os, "replace", interrupted)
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stop, raised_signals():
        publish(tmp_path, {"a": "", "b": ""})
    assert stop.value.number == number and names(tmp_path) == ["a", "b"] and signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_so_and_other_threads_take_none():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    seen = []

    def work():
        with raised_signals(), deferred_signals() as arrived:
            seen.append(arrived)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [[]]


TWICE = """
import signal, sys, time
from uniscene_sim.storage.interrupts import raised_signals, deferred_signals
from uniscene_sim.storage.output_file import Outputs
with raised_signals(), Outputs() as outputs:
    outputs.folder(sys.argv[1])
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGINT)
        print("went on")
"""


def test_a_second_signal_ends_the_process_at_once_and_leaves_nothing_either(tmp_path):
    for code in (TWICE, TWICE.replace("with raised_signals()", "with deferred_signals(hurry=True)")):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
        assert not names(tmp_path)


# --- the rule ---------------------------------------------------------------------------------------------------------

_TEXT = {"read_text", "write_text"}
_TEMPORARY = {"mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "rename"}


def calls(*folders: str):
    """File, call and name of what is called, of all calls in our code."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in calls_of(path):
                called = node.func
                yield path, node, called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


@cache
def calls_of(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def test_temporary_files_are_made_in_storage_alone():
    found = {str(path.relative_to(ROOT)) for path, _, name in calls("uniscene_sim", "bridges") if name in _TEMPORARY}
    assert {str(Path(name).parent) for name in found} == {"uniscene_sim/storage"}


def test_text_is_read_and_written_as_utf_8_whatever_the_locale():
    wrong = []
    for path, node, name in calls("uniscene_sim", "bridges", "scenarios", "examples", "docs"):
        plain = isinstance(node.func, ast.Name)  # `open`, and `read_text` of `storage.input_file`
        values = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        is_text = name == "open" and not any("b" in value for value in values) if plain else name in _TEXT
        if is_text and not any(word.arg == "encoding" for word in node.keywords):
            wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, f"expected encoding= in {', '.join(wrong)}"
