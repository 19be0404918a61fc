"""Rooms and modules import each other only as `[tool.importlinter]` in pyproject.toml allows, and in no circle."""

from graphlib import TopologicalSorter
from pathlib import Path

import grimp
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]


def test_imports_keep_the_contracts(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # it would silence every logger that exists
    status = lint_imports(no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_no_module_imports_itself_in_a_circle():
    """Neither at run time nor for types."""
    graph = grimp.build_graph("uniscene_sim", "uniscene_ros2", "uniscene_carla", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_every_room_says_what_lives_there():
    rooms = [p for p in [*ROOT.glob("uniscene_sim/**/__init__.py"), *ROOT.glob("bridges/*/**/__init__.py")]]
    assert len(rooms) > 30
    for room in rooms:
        doc = room.read_text().split('"""')[1].strip()
        assert len(doc.splitlines()) >= 2, f"{room.parent}: what lives here, and what may not?"
