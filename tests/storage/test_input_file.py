"""Input files: whatever they are, one error in one line, soon."""

import os

import pytest

from uniscene_sim.errors import InputError, one_line, shown
from uniscene_sim.storage.input_file import JSON_DEPTH, MIB, read_input, read_json, read_text


def _refusal(path, read=read_json, most=MIB):
    with pytest.raises(InputError) as told:
        read(path, most, "a table")
    line = str(told.value)
    assert len(line) <= 280 and line.isprintable() and "a table" in line
    return line


def test_devices_pipes_folders_and_impossible_names_are_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", "/dev/full", tmp_path / "pipe", tmp_path, tmp_path / "none", "a\0b", "x" * 5000, ""):
        assert "cannot be read" in _refusal(path)


def test_size_is_bounded_before_anything_is_read(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(2**40)  # sparse: takes no room
    assert "at most 1 MiB" in _refusal(tmp_path / "large", read_input)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 10**5, "[" * (JSON_DEPTH + 1) + "]" * (JSON_DEPTH + 1), "1" * 5000, "\udcff"],
    ids=["empty", "open", "open deep", "deep", "digits", "latin"],
)
def test_what_is_no_json_is_told(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    _refusal(tmp_path / "a.json")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_json_holds_finite_numbers(tmp_path, constant):
    (tmp_path / "a.json").write_text(f'{{"a": [{constant}]}}')
    with pytest.raises(InputError, match=f"holds '{constant}'"):
        read_json(tmp_path / "a.json", MIB, "a table")


def test_what_is_well_is_read(tmp_path):
    (tmp_path / "a.json").write_text("﻿" + "[" * JSON_DEPTH + "]" * JSON_DEPTH)
    assert read_json(tmp_path / "a.json", MIB, "a table") != []
    (tmp_path / "link").symlink_to(tmp_path / "a.json")
    assert read_text(tmp_path / "link", MIB, "a table").startswith("[[")


def test_messages_are_one_line_and_cut():
    error = InputError("root:x:0\n\x1b[31m" * 100, file="/a/" * 300 + "end.yaml", line=7, field="a\nb" * 100)
    assert len(str(error)) <= 280 and str(error).isprintable() and "end.yaml:7:" in str(error)
    assert one_line("a\nb") == "a\\nb"
    assert len(shown("a" * 10**7)) <= 60 and len(shown(10**6000)) <= 60
