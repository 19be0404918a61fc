"""Compiled kernels are kept, and nothing is unpickled but what this user's processes have written."""

import hashlib
import logging
import os
import pickle
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numba
import pytest

from uniscene_sim.compute import kernel_cache
from uniscene_sim.compute.kernel_cache import opened
from uniscene_sim.storage.disk_cache import DiskCache
from uniscene_sim.storage.user_secret import user_secret

ROOT = Path(__file__).parents[2]
TOY = """
from uniscene_sim.compute.compiled import njit

@njit(cache=True)
def twice(x):
    return 2 * x

@njit(cache=True)
def thrice(x):
    return 3 * x
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty cache and an empty folder for the secret."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "toy.py").write_text(TOY)
    opened.cache_clear()
    yield tmp_path / "cache" / "uniscene_sim" / "kernels"
    opened.cache_clear()


def fresh(place):
    """The toy's functions as a new process finds them."""
    opened.cache_clear()
    spec = spec_from_file_location("toy", place.parents[2] / "toy.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hits(function):
    return sum(function.stats.cache_hits.values())


def kept(place):
    """File of `twice` after both functions have been compiled."""
    toy = fresh(place)
    assert toy.twice(4) == 8
    (file,) = place.iterdir()
    assert toy.thrice(4) == 12
    return file


def assert_whole(place, caplog, told=1):
    """Compiled anew and right, told once, and found by the next process."""
    caplog.clear()
    toy = fresh(place)
    assert (toy.twice(4), toy.thrice(4), hits(toy.twice)) == (8, 12, 0)
    assert len(caplog.messages) == told, caplog.messages
    again = fresh(place)
    assert (again.twice(4), hits(again.twice)) == (8, 1)
    assert len(caplog.messages) == told


def test_what_was_compiled_is_found_again_and_is_the_users_alone(place):
    file = kept(place)
    again = fresh(place)
    assert again.twice(4) == 8 and hits(again.twice) == 1
    secret = place.parents[2] / "config" / "uniscene_sim" / "kernels.key"
    for path, mode in ((place, 0o700), (file, 0o600), (secret.parent, 0o700), (secret, 0o600)):
        assert path.stat().st_mode & 0o777 == mode, path
    assert again.twice(1.5) == 3.0 and len(list(place.iterdir())) == 3  # a file for each combination of types


class Planted:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def signed(file, body):
    """As somebody would write it who has read our code, but not the secret."""
    return hashlib.blake2b(body, digest_size=32, key=file.name.encode()).digest() + body


def damage(how, file, trace):
    whole, other = file.read_bytes(), next(p for p in file.parent.iterdir() if p != file)
    planted = pickle.dumps(Planted(trace))
    if how in ("pipe", "folder", "link"):
        file.unlink()
        {"pipe": os.mkfifo, "folder": Path.mkdir, "link": lambda f: f.symlink_to("/dev/zero")}[how](file)
    elif how == "swapped":
        file.write_bytes(other.read_bytes())
    else:
        file.write_bytes({"empty": b"", "short": whole[:20], "truncated": whole[:-1], "flipped": whole[:-1] + b"!",
                          "planted": planted, "signed": signed(file, planted)}[how])  # fmt: skip


@pytest.mark.parametrize(
    "how", ["empty", "short", "truncated", "flipped", "planted", "signed", "swapped", "pipe", "folder", "link"]
)
def test_what_is_damaged_or_planted_is_compiled_anew(place, tmp_path, caplog, how):
    file = kept(place)
    damage(how, file, tmp_path / "trace")
    assert_whole(place, caplog)
    assert not (tmp_path / "trace").exists()


def test_what_is_signed_and_cannot_be_used_is_compiled_anew(place, caplog):
    file = kept(place)
    opened().write(file.name, pickle.dumps(("no", "kernel")))
    assert_whole(place, caplog)


@pytest.mark.parametrize("how", ["open", "short", "link", "gone"])
def test_with_another_secret_all_is_compiled_anew(place, tmp_path, caplog, how):
    kept(place)
    secret = tmp_path / "config" / "uniscene_sim" / "kernels.key"
    before = secret.read_bytes()
    if how == "open":
        secret.chmod(0o644)
    elif how == "short":
        secret.write_bytes(before[:5])
    else:
        secret.unlink()
    if how == "link":
        (tmp_path / "elsewhere").write_bytes(before)
        secret.symlink_to(tmp_path / "elsewhere")
    assert_whole(place, caplog, told=how != "gone")
    assert len(secret.read_bytes()) == 32 and secret.read_bytes() != before and not secret.is_symlink()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_can_write_to_is_emptied(place, caplog, mode):
    file = kept(place)
    (place / "notes.txt").write_text("of the user, should this be a link to another folder")
    place.chmod(mode)
    assert_whole(place, caplog)
    assert place.stat().st_mode & 0o777 == 0o700 and file.exists() and (place / "notes.txt").exists()
    place.chmod(0o755)  # others may look, that is all
    assert hits(fresh(place).twice) == 0 and opened() and place.stat().st_mode & 0o777 == 0o700


def no_home(place, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    for name in ("UNISCENE_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)

    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)


def a_file_in_its_place(place, monkeypatch):
    place.parent.mkdir(parents=True)
    place.write_text("")


def no_place_for_the_secret(place, monkeypatch):
    (place.parents[2] / "config").write_text("")


def another_users(place, monkeypatch):
    if os.geteuid():
        pytest.skip("only root gives folders away")
    place.mkdir(parents=True)
    os.chown(place, 12345, 12345)


def another_users_link(place, monkeypatch):
    another_users(place, monkeypatch)
    os.chown(place, os.geteuid(), -1)
    place.rename(place.with_name("documents"))
    place.symlink_to("documents")
    os.lchown(place, 12345, 12345)


def a_disk_that_is_full(place, monkeypatch):
    def write(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("uniscene_sim.storage.disk_cache.os.replace", write)


@pytest.mark.parametrize(
    "how",
    [no_home, a_file_in_its_place, no_place_for_the_secret, another_users, another_users_link, a_disk_that_is_full],
)
def test_without_a_place_each_process_compiles_and_says_so_once(place, monkeypatch, caplog, how):
    how(place, monkeypatch)
    toy = fresh(place)
    assert (toy.twice(4), toy.thrice(4), toy.twice(0.5)) == (8, 12, 1.0)
    (told,) = caplog.messages
    assert told.startswith("cache: ") and "\n" not in told


def test_other_sources_versions_and_processors_have_other_files(place, monkeypatch):
    class Codegen:
        def __init__(self, *target):
            self.magic_tuple = lambda: target

    def names(target=("x86_64", "skylake", "+avx"), sig="(int64,)"):
        cache = fresh(place).twice._cache
        return cache._name(sig, Codegen(*target), b"secret")

    first = names()
    assert first == names()
    assert len({first, names(("x86_64", "skylake", "")), names(("x86_64", "generic", "+avx")), names(sig="()")}) == 4
    monkeypatch.setattr(kernel_cache, "_VERSIONS", ("cpython", "9"))
    assert names() != first
    monkeypatch.undo()
    (place.parents[2] / "toy.py").write_text(TOY.replace("2 * x", "x + x"))
    kernel_cache._file_hash.cache_clear()
    assert names() != first


def test_old_ones_go(place):
    kept(place)
    disk = DiskCache(place, 2 * max(p.stat().st_size for p in place.iterdir()) + 50, key=user_secret("kernels.key"))
    disk.write("0" * 64, bytes(1000))
    assert len(list(place.iterdir())) == 2 and 0 < opened().max_bytes <= 2**30


#: Draws and rounds through kernels of the package, and says what was found in the cache.
DRAW = """
import hashlib
import numpy as np
import draw

out = draw.draw(1000)
stats = draw.draw.stats
print(hashlib.sha256(out.tobytes()).hexdigest(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""
KERNEL = """
import numpy as np
from uniscene_sim.compute.compiled import floor, njit
from uniscene_sim.compute.keyed_random import normal_pair, unit_hash3, unit_hash4

@njit(cache=True, nogil=True)
def draw(n):
    out = np.zeros((n, 3))
    for i in range(n):
        out[i, 0], out[i, 1] = normal_pair(unit_hash3(i, 2, 3), unit_hash4(i, 2, 3, 4))
        out[i, 2] = floor(100.0 * unit_hash3(i, 5, 6))
    return out
"""


def test_processes_at_once_are_right_and_warm_digests_equal_cold_ones(tmp_path):
    (tmp_path / "draw.py").write_text(KERNEL)
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    environ |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}

    def start():
        return subprocess.Popen([sys.executable, "-c", DRAW], env=environ, stdout=subprocess.PIPE, text=True)

    def end(process):
        return process.communicate(timeout=300)[0].split()

    cold = [end(process) for process in (start(), start())]
    warm = end(start())
    assert {digest for digest, *_ in cold} == {warm[0]}
    assert ("0", "1") in {tuple(counts) for _, *counts in cold} and warm[1:] == ["1", "0"]


@pytest.mark.parametrize("folder", ["uniscene_sim", "bridges"])
def test_no_kernel_is_left_to_the_cache_of_numba(folder):
    files = [path for path in (ROOT / folder).rglob("*.py") if path.name != "compiled.py"]
    own = re.compile(r"^from numba import .*\b(n?jit|(gu)?vectorize|cfunc|stencil)\b|numba\.n?jit", re.MULTILINE)
    assert files and not [path.name for path in files if own.search(path.read_text())]


@pytest.fixture(autouse=True)
def _heard(caplog):
    caplog.set_level(logging.WARNING)
