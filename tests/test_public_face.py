"""What `import uniscene_sim` offers, what it costs, and how Gymnasium comes to know the environments."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import uniscene_sim

PACKAGE = Path(uniscene_sim.__file__).parent
#: Modules of the top level, whose names are public, and those names: the golden list. A name that goes or comes is a
#: change that users notice, and stands in CHANGELOG.
PUBLIC = (Path(__file__).parent / "golden" / "public_names.txt").read_text().split()
HEAVY = ("gymnasium", "numba", "numpy", "scipy", "torch", "yaml", "av", "PIL")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def exported(path: Path) -> list[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return []


def test_the_public_names_are_those_of_the_list():
    found = {path.stem: exported(path) for path in PACKAGE.glob("*.py")}
    assert sorted(f"{module}.{name}" for module, names in found.items() for name in names) == PUBLIC
    homes = Counter(name for module, names in found.items() if module != "__init__" for name in names)
    assert [name for name, count in homes.items() if count > 1] == []


def test_at_most_nineteen_modules_at_the_top_level_and_fourteen_in_the_world():
    assert len(list(PACKAGE.glob("*.py"))) <= 19
    assert len([p for p in (PACKAGE / "world").glob("*.py") if p.name != "__init__.py"]) <= 14


def test_what_is_offered_is_what_its_module_holds():
    for name in uniscene_sim.__all__:
        assert getattr(uniscene_sim, name) is not None
        assert name in dir(uniscene_sim)
    from uniscene_sim.assembly import assemble
    from uniscene_sim.maps.load import load_map

    assert uniscene_sim.assemble is assemble and uniscene_sim.load_map is load_map
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        uniscene_sim.nothing  # noqa: B018


def test_importing_it_imports_nothing_heavy():
    loaded = run("import sys, uniscene_sim; print(*sys.modules)").split()
    assert [name for name in HEAVY if name in loaded] == []
    ours = {name for name in loaded if name.split(".")[0] == "uniscene_sim"}
    assert ours == {"uniscene_sim", "uniscene_sim.env", "uniscene_sim.env.registration"}


@pytest.mark.parametrize(
    "begin",
    [
        "import gymnasium, uniscene_sim",
        "import uniscene_sim, gymnasium",
        "from uniscene_sim import Control; import gymnasium",
        "import uniscene_sim; from gymnasium import spaces; import gymnasium",
        "import gymnasium",
    ],
)
def test_gymnasium_knows_the_ids_in_either_order(begin):
    name = "uniscene_sim:UniScene-v0" if begin == "import gymnasium" else "UniScene-v0"
    drawn = "env.unwrapped.scenarios[int(env.reset(seed=0)[1]['scenario'])]"
    say = f"{begin}; env = gymnasium.make({name!r}); print(env.spec.id, {drawn})"
    assert run(say) == "UniScene-v0 lane_following"


def test_the_loader_of_gymnasium_is_its_own_afterwards():
    said = run(
        "import uniscene_sim, gymnasium, sys\n"
        "print(type(gymnasium.__spec__.loader).__name__, *map(type, sys.meta_path))"
    )
    assert said.startswith("SourceFileLoader") and "_AfterGymnasium" not in said


def test_without_gymnasium_everything_else_works():
    hide = "import sys; sys.modules['gymnasium'] = None; import uniscene_sim"
    assert run(f"{hide}; print(uniscene_sim.Control(0.0, 1.0).accel_mps2)") == "1.0"
    # Absent, not hidden: its import fails as it would without us, and once it is there the ids are registered.
    code = """
import sys
path, sys.path = sys.path, [p for p in sys.path if "site-packages" not in p]
import uniscene_sim
try:
    import gymnasium
except ModuleNotFoundError:
    print("absent")
sys.path = path
import importlib; importlib.invalidate_caches()
import gymnasium
print("UniScene-v0" in gymnasium.registry)
"""
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, timeout=120
    ).stdout.split()
    assert said == ["absent", "True"]
