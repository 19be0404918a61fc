"""Pickled tables, read without pandas and without running what they name.

Tables that pandas 1.0.5 (numpy 1.18), 1.5.3 (numpy 1.26) and 2.2.3 (numpy 2) have pickled with protocols 2 to 5 were
read by hand; here `pickled_tables` writes their two layouts.
"""

import gzip
import json
import os
import pickle

import numpy as np
import pytest

from tests.datasets.formats.pickled_tables import write_table
from tests.datasets.formats.test_pandaset import pandaset
from uniscene_sim.datasets.formats.convert import convert
from uniscene_sim.datasets.formats.pandas_pickle import read_table
from uniscene_sim.datasets.logs.pandaset import is_pandaset, read_pandaset_drive
from uniscene_sim.datasets.windows import read_town
from uniscene_sim.errors import InputError

TABLE = {"x": np.array([0.5, -1.0, 2.0]), "d": np.array([0, 1, 1], np.int64), "still": np.array([True, False, True]),
         "label": np.array(["Car", "Bus", None], object)}  # fmt: skip


@pytest.mark.parametrize("old", [True, False])
def test_columns_come_back(tmp_path, old):
    write_table(tmp_path / "t.pkl.gz", TABLE, old)
    found = read_table(tmp_path / "t.pkl.gz")
    assert list(found) == list(TABLE)
    for name, column in TABLE.items():
        assert found[name].tolist() == column.tolist() and found[name].dtype == column.dtype
    (tmp_path / "t.pkl").write_bytes(gzip.decompress((tmp_path / "t.pkl.gz").read_bytes()))
    assert read_table(tmp_path / "t.pkl")["d"].tolist() == [0, 1, 1]


class _Runs:
    def __init__(self, call, *arguments):
        self._parts = call, arguments

    def __reduce__(self):
        return self._parts


def test_nothing_that_a_pickle_names_is_run(tmp_path):
    mark, file = tmp_path / "mark", tmp_path / "t.pkl"
    for call, arguments in ((os.mkdir, (str(mark),)), (eval, ("1",)), (np.load, (str(mark),)), (getattr, ("", "x")),
                            (np.frombuffer, (b"12345678",)), (bytearray, (10**12,))):  # fmt: skip
        file.write_bytes(pickle.dumps(_Runs(call, *arguments)))
        with pytest.raises(InputError, match=r"names '\S+', expected a table of plain columns") as error:
            read_table(file)
        assert len(str(error.value).splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    "value", [5, [1, 2], {"a": 1}, np.arange(3), np.array([{}], object), slice(0, 2), np.dtype("f8")]
)
def test_what_is_no_table_is_refused(tmp_path, value):
    (tmp_path / "t.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match="expected a table of plain columns"):
        read_table(tmp_path / "t.pkl")


@pytest.mark.parametrize("columns", [{"a": np.array([{"b": 1}], object)}, {"a": np.array([1 + 2j])},
                                     {"a": np.array(["2020-01-01"], "M8[D]")}, {"a": np.zeros(1, "V8")}])  # fmt: skip
def test_columns_that_are_not_plain_are_refused(tmp_path, columns):
    write_table(tmp_path / "t.pkl.gz", columns)
    with pytest.raises(InputError, match="expected"):
        read_table(tmp_path / "t.pkl.gz")


def test_damaged_large_and_lying_files_are_refused(tmp_path):
    file = tmp_path / "t.pkl.gz"
    write_table(file, {"x": np.arange(1000.0)})
    whole, plain = file.read_bytes(), gzip.decompress(file.read_bytes())
    with pytest.raises(InputError, match="unpacks to more than 0 MiB"):
        read_table(file, 4000)
    shape = b"K\x01M\xe8\x03\x86"  # 1, 1000
    assert shape in plain
    for body in (
        whole[:100],
        plain[:-200],
        b"",
        b"\x1f\x8b",
        plain.replace(shape, b"K\x01M\xe8\x7f\x86"),
    ):
        file.write_bytes(body)
        with pytest.raises(InputError, match=r"expected a table of plain columns|states"):
            read_table(file)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
def test_published_sequences_give_the_same_windows(tmp_path):
    """The same street in both layouts of files; the published numbers of classes are the sequence's own."""
    made = pandaset(tmp_path / "made/001", frames=2)
    published = tmp_path / "published/001"
    (published / "lidar").mkdir(parents=True)
    for name in ("poses.json", "timestamps.json"):
        (published / "lidar" / name).write_bytes((made / "lidar" / name).read_bytes())
    for k in range(2):
        a = np.load(made / f"lidar/{k:02d}.npz")
        x, y, z = (a["xyz_2cm"] * 0.02).T
        write_table(published / f"lidar/{k:02d}.pkl.gz", {
            "x": x, "y": y, "z": z, "i": a["intensity"].astype(float), "t": np.full(len(x), float(a["t0"])),
            "d": a["sensor"].astype(np.int64),
        })  # fmt: skip
        number = np.select([a["label"] == 7, a["label"] == 41], [1, 2], 3).astype(np.int64)
        write_table(published / f"annotations/semseg/{k:02d}.pkl.gz", {"class": number}, old=False)
        (box,) = json.loads((made / f"cuboids/{k:02d}.json").read_text())
        columns = {name: np.array([value], object if isinstance(value, str) else None) for name, value in box.items()}
        write_table(published / f"annotations/cuboids/{k:02d}.pkl.gz", columns)
    classes = published / "annotations/semseg/classes.json"
    classes.write_text(json.dumps({"1": "Road", "2": "Building", "3": "Car"}))
    (one,) = convert("pandaset", made, tmp_path / "a")
    (two,) = convert("pandaset", published, tmp_path / "b")
    one, two = read_town(one), read_town(two)
    for name in ("labels", "layout", "observed", "agents_voxel", "agents_label", "pose"):
        assert (getattr(one, name) == getattr(two, name)).all(), name
    drives = [read_pandaset_drive(folder) for folder in (made, published)]  # what `uniscene-sim import` reads
    assert len(drives[0].tracks) == len(drives[1].tracks) == 1 and np.allclose(drives[0].poses, drives[1].poses)
    assert np.allclose(drives[0].tracks[0].places, drives[1].tracks[0].places)
    assert (drives[0].ground.channel == drives[1].ground.channel).all() and is_pandaset(published)
    classes.write_text(json.dumps({"1": "Road", "2": "Castle", "3": "Car"}))
    with pytest.raises(InputError, match=r"classes\.json: 2: unknown class 'Castle'"):
        convert("pandaset", published, tmp_path / "c")
    classes.write_text(json.dumps({"1": "Road", "2": "Building"}))
    with pytest.raises(InputError, match=r"00\.pkl\.gz: class: unknown label id 3"):
        convert("pandaset", published, tmp_path / "c")
    write_table(published / "annotations/semseg/00.pkl.gz", {"class": np.ones(5)})
    with pytest.raises(InputError, match=r"has 5 labels, expected .*: one for each point"):
        convert("pandaset", published, tmp_path / "c")
