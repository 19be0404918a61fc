"""Folders and modules import each other only as `[tool.importlinter]` in pyproject.toml allows."""

from pathlib import Path

from importlinter.cli import lint_imports


def test_imports_follow_the_contracts(monkeypatch, capsys):
    monkeypatch.chdir(Path(__file__).parents[1])
    status = lint_imports(no_cache=True)
    assert status == 0, capsys.readouterr().out
